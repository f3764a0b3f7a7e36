"""Searchable PDFs: the picture of a page with its words behind it, invisible, where they stand."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from reportlab import rl_config
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from mmkit_ocr.pages.page import Page, Word
from mmkit_ocr.pages.quads import quad_size

__all__ = ["SearchablePdf"]

# Every letter of it is the same empty glyph; bench/blank_font.py made it.
_FONT: Final = "Blank"
_FONT_FILE: Final = Path(__file__).with_name("blank.ttf")
_INVISIBLE: Final = 3
_POINTS: Final = 72
#: The longer side, in points, of a page whose resolution is not known: that of A4.
_LONG_SIDE: Final = 842
_QUALITY: Final = 80
#: Where a line's letters stand on, and how large they are, in heights of their box.
_BASELINE: Final = 0.22
_SIZE: Final = 0.8


class SearchablePdf:
    """A PDF that grows page by page.

    Args:
        path: written by ``close``.
    """

    def __init__(self, path: Path) -> None:
        if _FONT not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(_FONT, str(_FONT_FILE)))
        # Pictures as they are: in ASCII they would be a quarter larger.
        rl_config.useA85 = 0
        self._canvas = Canvas(str(path), pageCompression=1, invariant=1)
        self._canvas.setCreator("mmkit-ocr")

    def add(self, page: Page) -> None:
        """Add a page."""
        image = page.image
        scale = _POINTS / image.dpi if image.dpi else _LONG_SIDE / max(image.width, image.height)
        width, height = image.width * scale, image.height * scale
        self._canvas.setPageSize((width, height))
        for line in page.lines:
            for word in line.words:
                self._write(word, scale, height)
        self._canvas.drawImage(ImageReader(_jpeg(image.pixels)), 0, 0, width, height)
        self._canvas.showPage()

    def close(self) -> None:
        """Write the file."""
        self._canvas.save()

    def _write(self, word: Word, scale: float, height: float) -> None:
        long, high = (side * scale for side in quad_size(word.quad))
        size = max(_SIZE * high, 0.1)
        natural = pdfmetrics.stringWidth(word.text, _FONT, size)
        # Pictures count from the top, PDFs from the bottom.
        corners = word.quad * (scale, -scale) + (0, height)
        along = (corners[1] - corners[0]) / max(long, 1e-6)
        start = corners[3] + _BASELINE * (corners[0] - corners[3])
        text = self._canvas.beginText()
        text.setTextRenderMode(_INVISIBLE)
        text.setFont(_FONT, size)
        text.setHorizScale(100 * long / natural if natural else 100)
        text.setTextTransform(*(float(v) for v in (along[0], along[1], -along[1], along[0], start[0], start[1])))
        text.textOut(word.text + " ")
        self._canvas.drawText(text)


def _jpeg(pixels: np.ndarray) -> io.BytesIO:
    image = Image.fromarray(pixels)
    if (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all():
        image = image.convert("L")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    buffer.seek(0)
    return buffer
