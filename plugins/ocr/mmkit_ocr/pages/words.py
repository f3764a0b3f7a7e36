"""From readings to lines of words: a line that was read whole is cut at its spaces, one read by words is joined."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit_ocr.pages.ink import columns_of_ink, gaps
from mmkit_ocr.pages.page import Line, Word
from mmkit_ocr.pages.quads import FloatArray, part_of
from mmkit_ocr.reading import Reading

__all__ = ["line_of_words", "line_read_whole"]

#: How far beyond the letters that were read ink belongs to a line, as a fraction of its width.
_REACH: Final = 0.02
#: A gap of this many heights of the ink parts words, whatever was read; chosen on 32 of FUNSD's training pages.
_SPACE: Final = 1.0


def line_of_words(words: Sequence[Word], quad: FloatArray) -> Line | None:
    """The line that words make; None where none of them holds text.

    A space's confidence is that of the less certain of the characters beside it, the line's the mean of its characters.
    """
    words = [word for word in words if word.text]
    if not words:
        return None
    characters = list(words[0].characters)
    for word in words[1:]:
        characters += [min(characters[-1], word.characters[0]), *word.characters]
    text = " ".join(word.text for word in words)
    return Line(text, float(np.mean(characters)), tuple(characters), quad, tuple(words))


def line_read_whole(reading: Reading, crop: NDArray[np.uint8], quad: FloatArray) -> Line | None:
    """A line with the words that its reading has spaces between, each in the ink that it stands on.

    Args:
        crop: the picture that was read.
        quad: where it lies on the page.
    """
    pieces = _pieces(reading.text)
    if not pieces:
        return None
    ink, band = columns_of_ink(crop)
    spans = reading.spans or _even_spans(reading.text)
    if reading.spans:
        pieces = _parted_at_gaps(pieces, spans, ink, _SPACE * band)
    edges = _edges(pieces, spans, ink)
    words = [
        Word(
            reading.text[start:end],
            float(np.mean(reading.characters[start:end])),
            tuple(reading.characters[start:end]),
            part_of(quad, left, right),
        )
        for (start, end), (left, right) in zip(pieces, edges, strict=True)
    ]
    return line_of_words(words, quad)


def _pieces(text: str) -> list[tuple[int, int]]:
    """Where the words of a text begin and end."""
    pieces: list[tuple[int, int]] = []
    start: int | None = None
    for position, character in enumerate(f"{text} "):
        if character.isspace():
            if start is not None:
                pieces.append((start, position))
            start = None
        elif start is None:
            start = position
    return pieces


def _parted_at_gaps(
    pieces: Sequence[tuple[int, int]], spans: Sequence[tuple[float, float]], ink: NDArray[np.bool_], least: float
) -> list[tuple[int, int]]:
    """The words, parted further where they stand far apart and the reading has no space all the same."""
    middles = np.array([start + end for start, end in spans]) / 2 * len(ink)
    places = [(start + end) / 2 for start, end in gaps(ink) if end - start >= least]
    cuts = sorted({int(np.searchsorted(middles, place)) for place in places})
    parted = []
    for start, end in pieces:
        edges = [start, *(cut for cut in cuts if start < cut < end), end]
        parted += list(itertools.pairwise(edges))
    return parted


def _even_spans(text: str) -> list[tuple[float, float]]:
    return [(index / len(text), (index + 1) / len(text)) for index in range(len(text))]


def _edges(
    pieces: Sequence[tuple[int, int]], spans: Sequence[tuple[float, float]], ink: NDArray[np.bool_]
) -> list[tuple[float, float]]:
    """Where words begin and end, as fractions of the width: at the widest gap between two neighbouring letters."""
    width = len(ink)
    inked = np.flatnonzero(ink)
    found = gaps(ink)
    first, last = spans[pieces[0][0]], spans[pieces[-1][1] - 1]
    # The ink at the ends of a line may be dirt or a rule: it counts only about the letters that were read.
    before = inked[inked >= (first[0] - _REACH) * width]
    behind = inked[inked < (last[1] + _REACH) * width]
    starts = [min(before[0] / width, first[0]) if len(before) else first[0]]
    ends = []
    for (_, before_gap), (after_gap, _) in itertools.pairwise(pieces):
        left, right = (sum(spans[index]) / 2 * width for index in (before_gap - 1, after_gap))
        inside = [gap for gap in found if gap[1] > left and gap[0] < right]
        middle = (left + right) / 2
        start, end = max(inside, key=lambda gap: gap[1] - gap[0], default=(middle, middle))
        ends.append(start / width)
        starts.append(end / width)
    ends.append(max((behind[-1] + 1) / width, last[1]) if len(behind) else last[1])
    # Characters out of order, which a reading may have, must not turn a box inside out.
    starts = list(np.maximum.accumulate(starts))
    return [(start, max(start, end)) for start, end in zip(starts, ends, strict=True)]
