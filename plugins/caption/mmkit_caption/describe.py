"""Pictures to captions as a stream: decoding, the encoder and the captioner overlap.

N pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmkit.encoders.base import Encoder, require
from mmkit.pipeline.stream import encode_stream

if TYPE_CHECKING:
    from mmkit.config import Settings
    from mmkit.types import Failure, Item
    from mmkit_caption.writer import Caption, CaptionWriter

__all__ = ["Described", "describe"]


@dataclass(frozen=True, slots=True)
class Described:
    """A picture and its captions, best first."""

    item: Item
    captions: list[Caption]


def describe(
    writer: CaptionWriter,
    encoder: Encoder,
    items: Iterable[Item | Failure],
    *,
    language: str = "en",
    n: int = 1,
    beam: int | None = None,
    chosen: Settings | None = None,
    strict: bool = False,
) -> Iterator[tuple[list[Described], list[Failure]]]:
    """Captions of pictures in order, a batch at a time, with what failed in it.

    Raises:
        SpaceMismatch: the captioner was trained on another space.
        UsageError: the encoder takes no pictures, or the captioner does not write this language.
        BadInput: a picture cannot be read, under ``strict``.
    """
    require(encoder.spec, modalities=["image"], purpose="captioning")
    writer.check(encoder.spec)
    writer.check_language(language)
    options: dict[str, Any] = {"language": language, "n": n, "beam": beam}
    for batch in encode_stream(encoder, items, chosen=chosen, strict=strict):
        described: list[Described] = []
        if batch.embeddings is not None:
            found = writer.write(batch.embeddings.vectors, **options)
            described = [Described(item, captions) for item, captions in zip(batch.items, found, strict=True)]
        yield described, batch.failures
