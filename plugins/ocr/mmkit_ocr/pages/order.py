"""Reading order: bands of a page from top to bottom, columns where a band is set in columns, rows elsewhere.

A page is cut into bands that no line crosses. Neighbouring bands that leave the same upright strip free belong
together, so a heading across a page parts the columns above it from those below. A strip parts columns of running
text; in tables and forms, whose cells are short, rows are read across.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit_ocr.pages.page import Line
from mmkit_ocr.pages.paragraphs import paragraph_starts
from mmkit_ocr.pages.quads import quad_size

__all__ = ["in_reading_order", "rows_of"]

Boxes = NDArray[np.float32]
Interval = tuple[float, float]

#: The narrowest strip between columns, and the shortest line of running text, in heights of a line.
_GUTTER: Final = 0.8
_RUNNING: Final = 7.0
#: Running text has as many lines, and most of them fill this much of the column.
_LEAST_LINES: Final = 3
_FILLED: Final = 0.5


@dataclass(slots=True)
class _Band:
    """Lines that belong together, and the upright strips that they leave free."""

    lines: list[int]
    free: list[Interval]
    left: float
    right: float

    def gutters(self, narrowest: float) -> list[Interval]:
        return [
            (start, end)
            for start, end in self.free
            if start >= self.left and end <= self.right and end - start >= narrowest
        ]


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
    points = quads @ turn.T
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)


def _blocks(boxes: Boxes, indices: list[int]) -> list[list[int]]:
    """Groups of lines, in the order in which they are read."""
    height = float(np.median(boxes[indices, 3] - boxes[indices, 1]))
    blocks: list[list[int]] = []
    open_block = False
    for band in _bands(boxes, indices, _GUTTER * height):
        columns = _columns(boxes, band, height)
        if len(columns) > 1:
            for column in columns:
                blocks += _blocks(boxes, column)
        elif open_block:
            # Bands of rows without columns between them are one block, whatever gaps their rows have.
            blocks[-1] += band.lines
        else:
            blocks.append(list(band.lines))
        open_block = len(columns) == 1
    return blocks


def _bands(boxes: Boxes, indices: Sequence[int], narrowest: float) -> list[_Band]:
    """Bands of lines, joined to the one above as long as that costs no strip that either of them has."""
    bands: list[_Band] = []
    for lines in _slices(boxes, indices):
        below = _band(boxes, lines)
        if bands:
            above = bands[-1]
            both = _Band(
                above.lines + below.lines,
                _common(above.free, below.free),
                min(above.left, below.left),
                max(above.right, below.right),
            )
            had = above.gutters(narrowest) or below.gutters(narrowest)
            if both.gutters(narrowest) or not had:
                bands[-1] = both
                continue
        bands.append(below)
    return bands


def _slices(boxes: Boxes, indices: Sequence[int]) -> list[list[int]]:
    """Lines parted where a level line crosses none of them; the top and bottom quarter of each may be crossed."""
    inset = (boxes[:, 3] - boxes[:, 1]) / 4
    slices: list[list[int]] = []
    bottom = -math.inf
    for index in sorted(indices, key=lambda index: boxes[index, 1] + inset[index]):
        if slices and boxes[index, 1] + inset[index] < bottom:
            slices[-1].append(index)
        else:
            slices.append([index])
        bottom = max(bottom, float(boxes[index, 3] - inset[index]))
    return slices


def _band(boxes: Boxes, lines: list[int]) -> _Band:
    free: list[Interval] = []
    reached = -math.inf
    for index in sorted(lines, key=lambda index: boxes[index, 0]):
        if boxes[index, 0] > reached:
            free.append((reached, float(boxes[index, 0])))
        reached = max(reached, float(boxes[index, 2]))
    free.append((reached, math.inf))
    return _Band(lines, free, float(boxes[lines, 0].min()), float(boxes[lines, 2].max()))


def _common(one: Sequence[Interval], other: Sequence[Interval]) -> list[Interval]:
    pairs = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return sorted((start, end) for start, end in pairs if start < end)


def _columns(boxes: Boxes, band: _Band, height: float) -> list[list[int]]:
    """The columns of running text in a band; strips beside anything else are taken for gaps in rows."""
    gutters = band.gutters(_GUTTER * height)
    while gutters:
        edges = [-math.inf, *((start + end) / 2 for start, end in gutters), math.inf]
        columns = [
            [index for index in band.lines if left <= boxes[index, 0] < right]
            for left, right in zip(edges, edges[1:], strict=False)
        ]
        short = next((n for n, column in enumerate(columns) if not _is_running(boxes, column, height)), None)
        if short is None:
            return columns
        beside = gutters[max(0, short - 1) : short + 1]
        gutters.remove(min(beside, key=lambda gutter: gutter[1] - gutter[0]))
    return [band.lines]


def _is_running(boxes: Boxes, column: Sequence[int], height: float) -> bool:
    rows = rows_of(boxes, column)
    if len(rows) < _LEAST_LINES:
        return False
    widths = np.array([max(boxes[row, 2]) - min(boxes[row, 0]) for row in rows])
    typical = float(np.median(widths))
    return typical >= _RUNNING * height and typical >= _FILLED * float(widths.max())
