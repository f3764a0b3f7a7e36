"""Paragraphs: a block's rows are parted where the space between them is wide, or where a row is indented."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["paragraph_starts"]

#: Rows this many times farther apart than is usual in their block begin a paragraph.
_FARTHER: Final = 1.35
#: So does an indent between these, in heights of a line, before a row that is not.
_INDENT: Final = (0.7, 6.0)


def paragraph_starts(boxes: NDArray[np.float32], rows: Sequence[Sequence[int]]) -> list[bool]:
    """Whether each row of a block begins a paragraph.

    Args:
        boxes: (N, 4) x0, y0, x1, y1.
        rows: indices of boxes, from top to bottom.
    """
    if not rows:
        return []
    heights = np.array([np.median(boxes[row, 3] - boxes[row, 1]) for row in rows])
    middles = np.array([np.median(boxes[row, 1] + boxes[row, 3]) / 2 for row in rows])
    lefts = np.array([boxes[row, 0].min() for row in rows])
    steps = np.diff(middles)
    # The usual distance must fit the lines: a block of two far rows has none of its own.
    usual = min(float(np.median(steps)), 1.5 * float(np.median(heights))) if len(steps) else 0.0
    low, high = (factor * float(np.median(heights)) for factor in _INDENT)
    starts = [True]
    for number in range(1, len(rows)):
        far = steps[number - 1] > _FARTHER * max(usual, 1.05 * float(max(heights[number - 1 : number + 1])))
        indent = lefts[number] - lefts[number - 1]
        following = lefts[number] - lefts[number + 1] if number + 1 < len(rows) else 0.0
        starts.append(bool(far or (low <= indent <= high and low <= following <= high)))
    return starts
