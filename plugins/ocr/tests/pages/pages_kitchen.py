"""Pages drawn for the tests, and a recogniser that needs no model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmkit_ocr.pages.page import Line, Page, PageImage, Word
from mmkit_ocr.reading import Reading
from PIL import Image, ImageDraw, ImageFont

LETTER = ("Dear reader of these pages", "the quick brown fox jumps", "over 13 lazy dogs at noon")


def drawn(lines: Sequence[str] = LETTER, *, size: int = 30, width: int = 560, height: int = 260) -> Image.Image:
    """Lines of black text on a white page, from left to right."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size)
    for number, line in enumerate(lines):
        draw.text((40, 40 + round(1.8 * size) * number), line, "black", font)
    return image


def box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """An upright quad."""
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)


def line(text: str, x0: float, y0: float, x1: float, y1: float, **more: int) -> Line:
    """A line with its words spread evenly."""
    words, parts = [], text.split()
    for number, part in enumerate(parts):
        left, right = (x0 + (x1 - x0) * (number + share) / len(parts) for share in (0, 0.9))
        words.append(Word(part, 0.9, (0.9,) * len(part), box(left, y0, right, y1)))
    return Line(text, 0.9, (0.9,) * len(text), box(x0, y0, x1, y1), tuple(words), **more)


def page_of(lines: Sequence[Line], *, source: str = "a.png", width: int = 600, height: int = 800) -> Page:
    """A white page of lines."""
    return Page(PageImage(source, 1, np.full((height, width, 3), 255, np.uint8)), 0, tuple(lines))


class Widths:
    """Reads a crop as one word that tells its size, so that what a page is cut into can be seen."""

    name = "widths"

    def __init__(self, *, lines: bool) -> None:
        self.lines = lines
        self.seen: list[tuple[int, int]] = []

    def read(self, crops: Sequence[np.ndarray]) -> list[Reading]:
        self.seen += [crop.shape[:2] for crop in crops]
        return [Reading("word", 0.9, (0.9,) * 4) for _ in crops]
