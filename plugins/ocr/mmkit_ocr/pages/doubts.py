"""Second looks: words of which a reader of lines is not sure are shown to a reader of words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit_ocr.pages.page import Line, Word
from mmkit_ocr.pages.quads import cut
from mmkit_ocr.pages.words import line_of_words
from mmkit_ocr.reading import Recogniser

__all__ = ["second_looks"]

#: A word is doubtful where one of its characters is less certain; chosen on 12 of FUNSD's training pages.
_DOUBTFUL: Final = 0.95
#: What readers of words are made for.
_LONGEST: Final = 25


def second_looks(recogniser: Recogniser, pixels: NDArray[np.uint8], lines: Sequence[Line]) -> list[Line]:
    """The lines, with doubtful words as ``recogniser`` reads them where it is the more certain of the two.

    Words with letters beyond ASCII are left as they are: a reader that lacks them would see others in their place.

    Args:
        recogniser: a reader of words.
        pixels: (H, W, 3) uint8, the page of the lines.
    """
    places = [
        (row, column)
        for row, line in enumerate(lines)
        for column, word in enumerate(line.words)
        if min(word.characters) < _DOUBTFUL and word.text.isascii() and len(word.text) <= _LONGEST
    ]
    words = [list(line.words) for line in lines]
    readings = recogniser.read([cut(pixels, words[row][column].quad) for row, column in places])
    for (row, column), reading in zip(places, readings, strict=True):
        word = words[row][column]
        if reading.text and reading.confidence > word.confidence:
            words[row][column] = Word(reading.text, reading.confidence, reading.characters, word.quad)
    # Every line keeps its words, so there is a line of them.
    return [line_of_words(changed, line.quad) or line for line, changed in zip(lines, words, strict=True)]
