"""Crops from the command line: items decoded a batch ahead, failures beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from mmkit.errors import BadInput, MmkitError, UsageError
from mmkit.types import Failure, Item

if TYPE_CHECKING:
    import numpy as np

    from mmkit_ocr.reading import Recogniser

__all__ = ["batches_of", "crops_from", "reader_named"]


def crops_from(
    inputs: Sequence[str], *, column: str | None, failed: list[Failure], strict: bool
) -> Iterator[tuple[Item, np.ndarray]]:
    """Items with their pictures, (H, W, 3) uint8 RGB; what cannot be read is added to ``failed``.

    Raises:
        BadInput: the first failure, with ``strict``.
    """
    import numpy as np

    from mmkit.media.images import read_image
    from mmkit.pipeline.sources import items_from

    for item in items_from(inputs, modality="image", column=column):
        failure: Failure | None = None
        if isinstance(item, Failure):
            failure = item
        else:
            try:
                picture = np.asarray(read_image(item))
            except (MmkitError, OSError) as error:
                reason = error.what if isinstance(error, MmkitError) else str(error)
                failure = Failure(item.id, " ".join(reason.split()))
            else:
                yield item, picture
        if failure is not None:
            if strict:
                raise BadInput(failure.reason, where=failure.id)
            failed.append(failure)


def batches_of(items: Iterable[tuple[Item, np.ndarray]], count: int) -> Iterator[tuple[list[Item], list[np.ndarray]]]:
    """The same in lists of ``count``."""
    held: list[tuple[Item, np.ndarray]] = []
    for pair in items:
        held.append(pair)
        if len(held) == count:
            yield [item for item, _ in held], [picture for _, picture in held]
            held = []
    if held:
        yield [item for item, _ in held], [picture for _, picture in held]


def reader_named(name: str, device: str | None, decoding: str | None) -> Recogniser:
    """The recogniser of ``--recognizer`` on ``--device``, decoding as ``--decode`` says.

    Raises:
        UsageError: ``decoding`` is given for a recogniser that has no choice.
    """
    from mmkit.config import settings
    from mmkit_ocr.reading import recogniser

    chosen = settings(device=device).device
    if decoding is None:
        return recogniser(name, device=chosen)
    if name in ("rapidocr", "tesseract"):
        raise UsageError(f"{name} has one way of decoding", where="--decode", mend="leave it out")
    from mmkit_ocr.recogniser.reader import load_reader

    return load_reader(name, device=chosen, decoding=decoding)
