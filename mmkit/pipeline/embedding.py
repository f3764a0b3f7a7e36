"""``mmkit.embed``: whatever a caller has, as vectors of one space."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmkit.config import Settings, settings
from mmkit.encoders import Encoder, require
from mmkit.encoders import encoder as load_encoder
from mmkit.errors import UsageError
from mmkit.media.detect import detect_modality
from mmkit.pipeline.stream import encode_stream, joined
from mmkit.types import Embeddings, Failure, Item, Modality

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["embed", "embed_items", "empty_embeddings", "only_supported", "to_items"]


def to_items(inputs: Any, *, modality: Modality | None = None) -> Iterator[Item]:
    """Items from what a caller has at hand.

    Args:
        inputs: one or more of: ``Item``; ``str`` (a text); ``Path`` (a file); a Pillow picture; an array.
        modality: of files and arrays; None looks at the file, and takes an array for a picture.

    Raises:
        UsageError: something else was given, or a file's modality cannot be told.
    """
    single = isinstance(inputs, (str, Path, Item)) or hasattr(inputs, "convert") or _is_array(inputs)
    for position, thing in enumerate([inputs] if single else inputs):
        yield _to_item(thing, position, modality)


def _to_item(thing: Any, position: int, modality: Modality | None) -> Item:
    if isinstance(thing, Item):
        return thing
    if isinstance(thing, str):
        return Item.from_text(thing)
    if isinstance(thing, Path):
        found = modality or detect_modality(thing)
        if found is None:
            raise UsageError("cannot tell what kind of file this is", where=str(thing), mend="give modality=")
        return Item.from_path(thing, found)
    if _is_array(thing):
        return Item(modality or "image", str(position), array=thing)
    if hasattr(thing, "convert"):
        import numpy as np

        return Item("image", str(position), array=np.asarray(thing.convert("RGB")))
    raise UsageError(
        f"Expected a text, a Path, a picture, an array or an Item, but received {type(thing).__name__}",
        where=f"input {position}",
    )


def embed(
    inputs: Any,
    encoder: str | Encoder | None = None,
    *,
    modality: Modality | None = None,
    device: str | None = None,
    batch: str | int | None = None,
    failures: list[Failure] | None = None,
) -> Embeddings:
    """Encode texts, files, pictures or arrays.

    Args:
        inputs: see ``to_items``.
        encoder: a name or a loaded encoder; None is the default of the settings.
        failures: a list that receives what could not be read; None raises at the first.

    Returns:
        (N, D) float32 unit rows of the items that could be read, with their ids.

    Raises:
        BadInput: an item cannot be read and no ``failures`` list was given.
        ModelUnavailable: no such encoder, or its weights cannot be had.
        UsageError: the encoder does not take this modality.
    """
    chosen = settings(device=device, batch=batch)
    loaded = load_encoder(encoder, device=device) if encoder is None or isinstance(encoder, str) else encoder
    items = to_items(inputs, modality=modality)
    return embed_items(loaded, only_supported(loaded, items), chosen=chosen, failures=failures)


def embed_items(
    encoder: Encoder,
    items: Iterable[Item | Failure],
    *,
    chosen: Settings | None = None,
    failures: list[Failure] | None = None,
) -> Embeddings:
    """Encode items into one ``Embeddings`` in memory; see ``embed``."""
    ids: list[str] = []
    parts: list[Embeddings] = []
    for done in encode_stream(encoder, items, chosen=chosen, strict=failures is None):
        ids += [item.id for item in done.items]
        if done.embeddings is not None:
            parts.append(done.embeddings)
        if failures is not None:
            failures += done.failures
    if not parts:
        return empty_embeddings(encoder)
    return replace(joined(parts), ids=tuple(ids))


def empty_embeddings(encoder: Encoder) -> Embeddings:
    """No rows, in the space of an encoder."""
    import numpy as np

    spec = encoder.spec
    vectors: NDArray[np.float32] = np.zeros((0, spec.dim), np.float32)
    return Embeddings(vectors, space=spec.space, fingerprint=spec.fingerprint)


def only_supported(encoder: Encoder, items: Iterable[Item | Failure]) -> Iterator[Item | Failure]:
    """The items, with a UsageError at the first whose modality the encoder does not take."""
    for item in items:
        if isinstance(item, Item):
            require(encoder.spec, modalities=[item.modality], purpose=f"embedding {item.id[:80]!r}")
        yield item


def _is_array(thing: object) -> bool:
    return hasattr(thing, "__array__") and hasattr(thing, "shape")
