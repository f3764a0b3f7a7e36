"""ROUGE-L of captions (Lin 2004), as the COCO evaluation code combines several references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["rouge_l"]

_BETA: Final = 1.2


def rouge_l(candidate: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """F with beta 1.2 of the best precision and the best recall of longest common subsequences, from 0 to 1.

    Raises:
        ValueError: there is no reference.
    """
    if not references:
        raise ValueError("Expected at least one reference")
    common = [longest_common(candidate, other) for other in references]
    precision = max(n / max(1, len(candidate)) for n in common)
    recall = max(n / max(1, len(other)) for n, other in zip(common, references, strict=True))
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def longest_common(first: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in first:
        before = 0
        for place, against in enumerate(other, start=1):
            above = row[place]
            row[place] = before + 1 if word == against else max(above, row[place - 1])
            before = above
    return row[-1]
