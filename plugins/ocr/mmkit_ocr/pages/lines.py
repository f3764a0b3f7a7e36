"""Reading lines: pictures of lines in, lines of words out, whatever the recogniser takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit_ocr.pages.ink import word_spans
from mmkit_ocr.pages.page import Line, Word
from mmkit_ocr.pages.quads import FloatArray, cut, part_of, quad_size
from mmkit_ocr.pages.words import line_of_words, line_read_whole
from mmkit_ocr.reading import Recogniser

__all__ = ["TALL", "read_lines", "turned"]

#: A quad this many times higher than wide is taken for text that runs up or down.
TALL: Final = 1.5
#: One not this many times higher may be a letter such as an I as well.
_SURELY_TALL: Final = 2.5
#: Below this confidence other directions are tried; another one must be better by the margin.
_DOUBTFUL: Final = 0.6
_MARGIN: Final = 0.1


def turned(quad: FloatArray, turns: int) -> FloatArray:
    """A quad whose text runs ``turns`` quarters of a circle clockwise from before."""
    return np.roll(quad, -turns, axis=0)


def read_lines(recogniser: Recogniser, pixels: NDArray[np.uint8], quads: Sequence[FloatArray]) -> list[Line | None]:
    """The lines in the quads of a page that stands upright, None where one holds no text.

    Tall quads are read upwards and downwards, and doubtful ones upside down as well; the most certain reading counts.

    Args:
        pixels: (H, W, 3) uint8.
        quads: as text from left to right.
    """
    ways = [_ways(quad) for quad in quads]
    best = _read(recogniser, pixels, [turned(quad, way[0]) for quad, way in zip(quads, ways, strict=True)])
    again = [
        (index, turns)
        for index, (line, way) in enumerate(zip(best, ways, strict=True))
        for turns in way[1:]
        if way[0] != 0 or line is None or line.confidence < _DOUBTFUL
    ]
    others = _read(recogniser, pixels, [turned(quads[index], turns) for index, turns in again])
    for (index, _), other in zip(again, others, strict=True):
        line = best[index]
        if other is not None and (line is None or other.confidence > line.confidence + _MARGIN):
            best[index] = other
    return best


def _ways(quad: FloatArray) -> tuple[int, ...]:
    width, height = quad_size(quad)
    if height < TALL * width:
        return (0, 2)
    return (0, 1, 3) if height < _SURELY_TALL * width else (1, 3)


def _read(recogniser: Recogniser, pixels: NDArray[np.uint8], quads: Sequence[FloatArray]) -> list[Line | None]:
    crops = [cut(pixels, quad) for quad in quads]
    if recogniser.lines:
        readings = recogniser.read(crops)
        return [line_read_whole(*each) for each in zip(readings, crops, quads, strict=True)]
    spans = [word_spans(crop) for crop in crops]
    boxes = [part_of(quad, *span) for quad, line in zip(quads, spans, strict=True) for span in line]
    readings = recogniser.read([cut(pixels, box) for box in boxes])
    words = iter(
        Word(reading.text, reading.confidence, reading.characters, box)
        for reading, box in zip(readings, boxes, strict=True)
    )
    return [line_of_words([next(words) for _ in line], quad) for line, quad in zip(spans, quads, strict=True)]
