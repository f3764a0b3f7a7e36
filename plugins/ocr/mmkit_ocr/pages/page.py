"""What is read from a page: lines of words, each with its place, its confidence and those of its characters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Line", "Page", "PageImage", "Word"]


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """One word.

    Attributes:
        confidence: 0 to 1.
        characters: a confidence, 0 to 1, a character.
        quad: (4, 2) float32 x, y in pixels of the page: clockwise, from the upper corner where the word begins.
    """

    text: str
    confidence: float
    characters: tuple[float, ...]
    quad: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One line of text; attributes as of a word.

    Attributes:
        words: in the order of the text.
        block, paragraph: numbers of the column or region, and of the paragraph in the page, both from 1.
    """

    text: str
    confidence: float
    characters: tuple[float, ...]
    quad: NDArray[np.float32]
    words: tuple[Word, ...] = ()
    block: int = 1
    paragraph: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class PageImage:
    """One page before it is read.

    Attributes:
        source: the name of the file that it is from.
        number: of the page in its file, from 1.
        pixels: (H, W, 3) uint8 RGB.
        dpi: pixels an inch, 0 where that is not known.
        lines: the lines of the file's own text layer, where that was asked for and exists.
        last: True for the last page of its file.
    """

    source: str
    number: int
    pixels: NDArray[np.uint8]
    dpi: float = 0.0
    lines: tuple[Line, ...] | None = None
    last: bool = True

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """One page that was read.

    Attributes:
        image: the page as it was given; all quads are in its pixels.
        angle: how many degrees clockwise its text is turned: 0, 90, 180 or 270.
        lines: in reading order.
    """

    image: PageImage
    angle: int = 0
    lines: tuple[Line, ...] = field(default=())
