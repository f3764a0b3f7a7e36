"""A column of both tables as its different texts, so that each text is read, and each pair of texts compared, once.

Legend: N left records, M right records, U different texts, P record pairs, Q pairs of texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmkit_link.words import fold

__all__ = ["TextPairs", "Values", "folded_values"]


@dataclass(frozen=True, slots=True, eq=False)
class TextPairs:
    """What P record pairs compare in a column: texts ``one[q]`` and ``other[q]``, for pair p the q of ``place[p]``."""

    one: NDArray[np.int64]
    other: NDArray[np.int64]
    place: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """The U different folded texts of a column, and which of them each record has.

    Attributes:
        left, right: (N,) and (M,) places in ``texts``.
    """

    texts: list[str]
    left: NDArray[np.int32]
    right: NDArray[np.int32]

    def pairs(self, pairs: NDArray[np.int64]) -> TextPairs:
        """The different pairs of texts of (P, 2) record pairs."""
        width = max(1, len(self.texts))
        keys = self.left[pairs[:, 0]].astype(np.int64) * width + self.right[pairs[:, 1]]
        found, place = np.unique(keys, return_inverse=True)
        return TextPairs(found // width, found % width, place)

    def of(self, side: int, row: int) -> str:
        """The text of a left (0) or right (1) record."""
        return self.texts[int((self.left, self.right)[side][row])]

    def filled(self) -> bool:
        """Whether both sides hold any text."""
        there = np.array([bool(text) for text in self.texts], bool)
        return bool(len(self.left) and len(self.right) and there[self.left].any() and there[self.right].any())


def folded_values(left: Sequence[str], right: Sequence[str] | None) -> Values:
    """The folded texts of a column of two tables, or of one (``right`` None)."""
    numbers: dict[str, int] = {}
    known: dict[str, int] = {}

    def number(text: str) -> int:
        found = known.get(text)
        if found is None:
            found = known[text] = numbers.setdefault(fold(text), len(numbers))
        return found

    one = np.fromiter(map(number, left), np.int32, len(left))
    other = one if right is None else np.fromiter(map(number, right), np.int32, len(right))
    return Values(list(numbers), one, other)
