"""Reading order: parts of a page from top to bottom, columns where a part is set in columns, rows elsewhere.

The longest run of lines that leave an upright strip free, with running text on both sides of it, is a part in columns;
a heading across the page ends it. What lies above and below is looked at in the same way, and so is each column. In
tables and forms, whose cells are short, rows are read across.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit_ocr.pages.page import Line
from mmkit_ocr.pages.paragraphs import paragraph_starts
from mmkit_ocr.pages.quads import FloatArray, quad_size

__all__ = ["in_reading_order", "rows_of"]

Boxes = NDArray[np.float32]
Interval = tuple[float, float]

#: The narrowest strip between columns, and the shortest line of running text, in heights of a line.
_GUTTER: Final = 0.35
_RUNNING: Final = 7.0
#: Running text has as many lines, and most of them fill this much of the column.
_LEAST_LINES: Final = 3
_FILLED: Final = 0.5
#: Lines of a column that tell where it stands at its end, the share of a line that must lie in it, and how many rows
#: without columns of their own may go on in those above.
_LOWEST: Final = 8
_WITHIN: Final = 0.75
_STRAY_ROWS: Final = 3


def in_reading_order(lines: Sequence[Line]) -> list[Line]:
    """The lines of an upright page as one reads them, with the numbers of their blocks and paragraphs.

    Lines that run up or down among others come last.
    """
    boxes = _straightened(lines)
    upright = [index for index in range(len(lines)) if _is_level(lines[index])]
    aside = [index for index in range(len(lines)) if not _is_level(lines[index])]
    blocks = _blocks(boxes, upright) if upright else []
    blocks += [[index] for index in sorted(aside, key=lambda index: (boxes[index, 0], boxes[index, 1]))]
    ordered: list[Line] = []
    paragraph = 0
    for number, block in enumerate(blocks, start=1):
        rows = rows_of(boxes, block)
        starts = paragraph_starts(boxes, rows)
        for row, starts_one in zip(rows, starts, strict=True):
            paragraph += starts_one
            ordered += [replace(lines[index], block=number, paragraph=paragraph) for index in row]
    return ordered


def rows_of(boxes: Boxes, indices: Sequence[int]) -> list[list[int]]:
    """Boxes that stand beside each other, from left to right, in rows from top to bottom.

    Args:
        boxes: (N, 4) x0, y0, x1, y1.
    """
    rows: list[list[int]] = []
    for index in sorted(indices, key=lambda index: boxes[index, 1] + boxes[index, 3]):
        if rows and _beside(boxes, rows[-1], index):
            rows[-1].append(index)
        else:
            rows.append([index])
    return [sorted(row, key=lambda index: boxes[index, 0]) for row in rows]


def _beside(boxes: Boxes, row: Sequence[int], index: int) -> bool:
    """Whether a box overlaps half of the height of the row's last ones, and none of them from above or below."""
    last = boxes[row[-1]]
    shared = min(last[3], boxes[index, 3]) - max(last[1], boxes[index, 1])
    if shared < 0.5 * min(last[3] - last[1], boxes[index, 3] - boxes[index, 1]):
        return False
    return all(
        min(boxes[other, 2], boxes[index, 2]) - max(boxes[other, 0], boxes[index, 0])
        < 0.5 * min(boxes[other, 2] - boxes[other, 0], boxes[index, 2] - boxes[index, 0])
        for other in row
    )


def _is_level(line: Line) -> bool:
    along = line.quad[1] - line.quad[0]
    return bool(along[0] > abs(along[1]))


def _straightened(lines: Sequence[Line]) -> Boxes:
    """(N, 4) boxes of the lines, turned by the slope that most of their length has."""
    if not lines:
        return np.zeros((0, 4), np.float32)
    quads = np.stack([line.quad for line in lines])
    along = quads[:, 1] - quads[:, 0]
    slopes = np.arctan2(along[:, 1], along[:, 0])
    lengths = np.array([quad_size(quad)[0] for quad in quads])
    level = np.abs(slopes) < math.pi / 8
    angle = 0.0
    if level.any():
        order = np.argsort(slopes[level])
        reached = np.cumsum(lengths[level][order])
        angle = float(slopes[level][order][np.searchsorted(reached, reached[-1] / 2)])
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]], np.float32)
    points = np.stack([_inked(line) for line in lines]) @ turn.T
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)


def _inked(line: Line) -> FloatArray:
    """The quad from a line's first word to its last: the line's own reaches beyond its ink, and columns stand close."""
    if not line.words:
        return line.quad
    first, last = line.words[0].quad, line.words[-1].quad
    return np.stack([first[0], last[1], last[2], first[3]])


def _blocks(boxes: Boxes, indices: list[int]) -> list[list[int]]:
    """Groups of lines, in the order in which they are read."""
    height = float(np.median(boxes[indices, 3] - boxes[indices, 1]))
    blocks: list[list[int]] = []
    for columns in _joined(boxes, _parts(boxes, rows_of(boxes, indices), height)):
        if len(columns) == 1:
            blocks += columns
        else:
            for column in columns:
                blocks += _blocks(boxes, column)
    return blocks


def _parts(boxes: Boxes, rows: list[list[int]], height: float) -> list[list[list[int]]]:
    """A page's rows as parts from top to bottom, each as its columns; one where a part has none."""
    if not rows:
        return []
    for start, end, gutters in sorted(_runs(boxes, rows, _GUTTER * height), key=lambda run: run[0] - run[1]):
        inside = [index for each in rows[start:end] for index in each]
        columns = _columns(boxes, inside, gutters, height)
        if len(columns) > 1:
            above, below = _parts(boxes, rows[:start], height), _parts(boxes, rows[end:], height)
            return [*above, columns, *below]
    return [[[index for each in rows for index in each]]]


def _joined(boxes: Boxes, parts: list[list[list[int]]]) -> list[list[list[int]]]:
    """Parts, with one that goes on in the columns above it joined to them.

    On a page that is not flat the strips between columns lean, and no straight one stays free for the whole height.
    """
    joined: list[list[list[int]]] = []
    for part in parts:
        lines = [index for column in part for index in column]
        if joined and len(joined[-1]) > 1 and (len(part) > 1 or len(rows_of(boxes, lines)) <= _STRAY_ROWS):
            homes = [_home(boxes, index, joined[-1]) for index in lines]
            if None not in homes:
                for index, home in zip(lines, homes, strict=True):
                    joined[-1][home or 0].append(index)
                continue
        joined.append([list(column) for column in part])
    return joined


def _home(boxes: Boxes, index: int, columns: Sequence[Sequence[int]]) -> int | None:
    """The column whose lowest lines have a line below them, if it is one alone."""
    left, right = boxes[index, 0], boxes[index, 2]
    for number, column in enumerate(columns):
        lowest = sorted(column, key=lambda other: boxes[other, 3])[-_LOWEST:]
        shared = min(right, boxes[lowest, 2].max()) - max(left, boxes[lowest, 0].min())
        if shared >= _WITHIN * (right - left):
            return number
    return None


def _runs(boxes: Boxes, rows: list[list[int]], narrowest: float) -> Iterator[tuple[int, int, list[Interval]]]:
    """From each row on, the longest run of rows that leave a strip free: (start, end, strips)."""
    strips = [_free(boxes, lines, narrowest) for lines in rows]
    lefts = [float(boxes[lines, 0].min()) for lines in rows]
    rights = [float(boxes[lines, 2].max()) for lines in rows]
    reached = 0
    for start in range(len(rows)):
        free: list[Interval] = [(-math.inf, math.inf)]
        left, right = math.inf, -math.inf
        best: tuple[int, int, list[Interval]] | None = None
        for end in range(start, len(rows)):
            free = [strip for strip in _common(free, strips[end]) if strip[1] - strip[0] >= narrowest]
            left, right = min(left, lefts[end]), max(right, rights[end])
            if len(free) <= 2 and all(math.isinf(strip[0]) or math.isinf(strip[1]) for strip in free) and best:
                break
            gutters = [strip for strip in free if strip[0] >= left and strip[1] <= right]
            if gutters:
                best = start, end + 1, gutters
        # A run within the one before it would part the same columns with fewer lines.
        if best is not None and best[1] > reached:
            reached = best[1]
            yield best


def _free(boxes: Boxes, lines: Sequence[int], narrowest: float) -> list[Interval]:
    """The upright strips that lines leave free, those beyond the page included."""
    free: list[Interval] = []
    reached = -math.inf
    for index in sorted(lines, key=lambda index: boxes[index, 0]):
        if boxes[index, 0] - reached >= narrowest:
            free.append((reached, float(boxes[index, 0])))
        reached = max(reached, float(boxes[index, 2]))
    return [*free, (reached, math.inf)]


def _common(one: Sequence[Interval], other: Sequence[Interval]) -> list[Interval]:
    pairs = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return sorted((start, end) for start, end in pairs if start < end)


def _columns(boxes: Boxes, lines: list[int], gutters: list[Interval], height: float) -> list[list[int]]:
    """The columns of running text that strips part; strips beside anything else are taken for gaps in rows."""
    while gutters:
        edges = [-math.inf, *((start + end) / 2 for start, end in gutters), math.inf]
        columns = [
            [index for index in lines if left <= boxes[index, 0] < right] for left, right in itertools.pairwise(edges)
        ]
        short = next((n for n, column in enumerate(columns) if not _is_running(boxes, column, height)), None)
        if short is None:
            return columns
        beside = gutters[max(0, short - 1) : short + 1]
        gutters.remove(min(beside, key=lambda gutter: gutter[1] - gutter[0]))
    return [lines]


def _is_running(boxes: Boxes, column: Sequence[int], height: float) -> bool:
    rows = rows_of(boxes, column)
    if len(rows) < _LEAST_LINES:
        return False
    widths = np.array([max(boxes[row, 2]) - min(boxes[row, 0]) for row in rows])
    typical = float(np.median(widths))
    return typical >= _RUNNING * height and typical >= _FILLED * float(widths.max())
