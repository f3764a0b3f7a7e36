"""The sizes of the bundled translator, and the two that are trained by name."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Final

from mmkit.generation.transformer import TransformerSizes

__all__ = ["NAMED", "Sizes"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """What determines every shape of the network.

    Attributes:
        text: encoder and decoder.
        tower: the text tower; its encoder alone counts.
        space: D, dimensions of the shared space of pictures and texts.
        prefix: places of the decoder's prefix.
        languages: codes, in the order of their marks.
    """

    text: TransformerSizes
    tower: TransformerSizes
    space: int = 384
    prefix: int = 10
    languages: tuple[str, ...] = ("en", "de", "fr", "cs")

    def for_vocabulary(self, pieces: int) -> Sizes:
        """The same sizes with ``pieces`` pieces."""
        return replace(self, text=replace(self.text, vocabulary=pieces), tower=replace(self.tower, vocabulary=pieces))

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Sizes:
        """Raises TypeError, ValueError or KeyError where the text says something else."""
        raw = json.loads(text)
        return cls(
            text=TransformerSizes(**raw["text"]),
            tower=TransformerSizes(**raw["tower"]),
            space=raw["space"],
            prefix=raw["prefix"],
            languages=tuple(raw["languages"]),
        )


def _sizes(width: int, heads: int, inner: int, encoder: int, decoder: int, dropout: float, tower: int) -> Sizes:
    return Sizes(
        text=TransformerSizes(8000, width, heads, inner, encoder, decoder, dropout),
        tower=TransformerSizes(8000, 128, 4, 256 if tower == 1 else 512, tower, 0, 0.1),
    )


#: ``small`` learns in an hour or two of one CPU core, from so few steps that it needs no dropout; ``large`` is for a
#: GPU and fills 28 MB in half precision; ``tiny`` is for tests.
NAMED: Final = {
    "tiny": _sizes(32, 2, 64, 1, 1, 0.0, 1),
    "small": _sizes(160, 4, 320, 3, 2, 0.0, 1),
    "large": _sizes(320, 8, 1024, 4, 3, 0.2, 2),
}
