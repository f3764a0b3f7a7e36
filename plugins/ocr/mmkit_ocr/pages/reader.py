"""A page in, its lines in reading order out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit_ocr import reading
from mmkit_ocr.pages.detect import Detector
from mmkit_ocr.pages.doubts import second_looks
from mmkit_ocr.pages.lines import read_lines
from mmkit_ocr.pages.order import in_reading_order
from mmkit_ocr.pages.orientation import Orientation
from mmkit_ocr.pages.page import Line, Page, PageImage
from mmkit_ocr.pages.quads import FloatArray, turned_back
from mmkit_ocr.reading import Recogniser

__all__ = ["DEFAULT_RECOGNISER", "MIN_CONFIDENCE", "Found", "PageReader", "page_reader"]

#: The one that measured best on pages for validation; the README has the table.
DEFAULT_RECOGNISER: Final = "rapidocr+bundled"
#: Lines that were read with less confidence are left out; chosen on 32 of FUNSD's training pages.
MIN_CONFIDENCE: Final = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A page whose text was found.

    Attributes:
        turns: quarters of a circle by which its text is turned clockwise.
        upright: (H', W', 3) uint8, the page turned back.
        quads: (N, 4, 2) float32 in ``upright``.
    """

    image: PageImage
    turns: int
    upright: NDArray[np.uint8]
    quads: FloatArray


class PageReader:
    """Reads pages with one recogniser, in two parts that may run beside each other on different pages.

    Args:
        second: a reader of words that looks again at those of which the first one is not sure.
        min_confidence: of a line that is kept.
        upright: True takes every page as it lies.

    Raises:
        ModelUnavailable: rapidocr, which brings the detector, is not installed.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        *,
        second: Recogniser | None = None,
        device: str = "auto",
        min_confidence: float = MIN_CONFIDENCE,
        upright: bool = False,
    ) -> None:
        self.recogniser = recogniser
        self.second = second
        self._min_confidence = min_confidence
        self._detector = Detector(device=device)
        self._orientation = None if upright else Orientation(recogniser, device=device)

    def __call__(self, image: PageImage) -> Page:
        """What one page says."""
        return self.read(self.find(image))

    def find(self, image: PageImage) -> Found:
        """Where its text is, and which way up."""
        if image.lines is not None:
            return Found(image, 0, image.pixels, np.zeros((0, 4, 2), np.float32))
        regions = self._detector(image.pixels)
        turns = self._orientation.turns(image.pixels, regions) if self._orientation and len(regions) else 0
        if not turns:
            return Found(image, 0, image.pixels, regions.quads)
        # Found anew, so that a turned page is read as well as an upright one.
        upright = np.ascontiguousarray(np.rot90(image.pixels, turns))
        return Found(image, turns, upright, self._detector(upright).quads)

    def read(self, found: Found) -> Page:
        """What its text says, in reading order."""
        image = found.image
        if image.lines is not None:
            return Page(image, 0, tuple(in_reading_order(image.lines)))
        read = read_lines(self.recogniser, found.upright, list(found.quads))
        lines = [line for line in read if line is not None and line.confidence >= self._min_confidence]
        if self.second is not None:
            lines = second_looks(self.second, found.upright, lines)
        ordered = in_reading_order(lines)
        if found.turns:
            ordered = [_turned_back(line, found.turns, image.width, image.height) for line in ordered]
        return Page(image, 90 * found.turns, tuple(ordered))


def page_reader(
    name: str | None = None,
    *,
    device: str = "auto",
    min_confidence: float = MIN_CONFIDENCE,
    upright: bool = False,
) -> PageReader:
    """A PageReader with the recogniser of that name.

    Args:
        name: as ``mmkit_ocr.reading.recogniser`` takes it, or two of them as ``FIRST+SECOND``; None is the default.

    Raises:
        UsageError: there is no such recogniser or file.
        ModelUnavailable: its weights or its library cannot be had.
    """
    first, _, second = (name or DEFAULT_RECOGNISER).partition("+")
    return PageReader(
        reading.recogniser(first, device=device),
        second=reading.recogniser(second, device=device) if second else None,
        device=device,
        min_confidence=min_confidence,
        upright=upright,
    )


def _turned_back(line: Line, turns: int, width: int, height: int) -> Line:
    words = tuple(replace(word, quad=turned_back(word.quad, turns, width, height)) for word in line.words)
    return replace(line, quad=turned_back(line.quad, turns, width, height), words=words)
