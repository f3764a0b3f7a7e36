"""The sizes of the bundled networks, kept beside their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

__all__ = ["Sizes"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """All that is needed to build the networks before their weights are loaded.

    Attributes:
        features: numbers a frame of the motion feature.
        width: D, of every layer.
        codes: entries of the motion codebook.
        queries: learned queries, one for each code of the longest motion.
        layers, heads: of the query transformer; queries look at the motion in every second layer.
        generator_layers: of the masked transformer.
        embedding: dims of the space in which texts and motions are compared.
        words: dims of the text tower's word embeddings and of its pooled vectors.
        tokens: the most tokens of a text.
        vocabulary: entries of the caption head.
    """

    features: int = 263
    width: int = 256
    codes: int = 512
    queries: int = 49
    layers: int = 4
    heads: int = 4
    generator_layers: int = 4
    embedding: int = 128
    words: int = 384
    tokens: int = 40
    vocabulary: int = 1000

    @property
    def frames(self) -> int:
        """The most frames of a motion that is looked at in one piece."""
        return 4 * self.queries

    def to_dict(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Sizes:
        """Raises ValueError for a size that is missing, unknown or not a positive whole number."""
        names = {field.name for field in fields(cls)}
        if wrong := names.symmetric_difference(values):
            raise ValueError(f"Expected the sizes {sorted(names)}, but {sorted(wrong)} differ")
        for name, value in values.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Expected a positive whole number for {name}, but received {value!r}")
        return cls(**values)
