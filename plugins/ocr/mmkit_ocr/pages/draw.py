"""A page to look at: boxes with their numbers in reading order, and beside it what was read, where it stands."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from mmkit.media.fonts import font_for
from mmkit_ocr.pages.page import Page
from mmkit_ocr.pages.quads import FloatArray, quad_size

__all__ = ["page_drawing"]

#: Blocks take turns.
_COLOURS: Final = ("#2563eb", "#d97706", "#059669", "#c026d3", "#dc2626", "#0891b2")
_INK: Final = "#111827"
_DOUBTFUL: Final = "#dc2626"
_DOUBT: Final = 0.8
#: The longer side of a drawn page; small pages are enlarged, so that the numbers can be read.
_LONG_SIDE: Final = 1600


def page_drawing(page: Page) -> Image.Image:
    """The page with the boxes of its lines and words, and the text beside it; doubtful words are red.

    Returns:
        RGB, about twice as wide as the page.
    """
    image = page.image
    scale = min(2.0, _LONG_SIDE / max(image.width, image.height))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    sheet = Image.new("RGB", (2 * size[0] + 8, size[1]), "#9ca3af")
    # So that colours stand out from the page.
    pale = Image.blend(_scaled(image.pixels, size), Image.new("RGB", size, "white"), 0.35)
    sheet.paste(pale, (0, 0))
    sheet.paste("white", (size[0] + 8, 0, 2 * size[0] + 8, size[1]))
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(page.lines, start=1):
        colour = _COLOURS[line.block % len(_COLOURS)]
        for word in line.words:
            draw.polygon(_points(word.quad * scale), outline="#9ca3af")
            _write(sheet, word.text, word.quad * scale, size[0] + 8, _INK if word.confidence >= _DOUBT else _DOUBTFUL)
        draw.polygon(_points(line.quad * scale), outline=colour, width=2)
        _label(draw, str(number), tuple((line.quad[0] * scale).tolist()), colour)
    return sheet


def _scaled(pixels: np.ndarray, size: tuple[int, int]) -> Image.Image:
    # Every so many pixels of a huge page: a copy of it all is not needed for this.
    step = max(1, min(pixels.shape[0] // (2 * size[1]), pixels.shape[1] // (2 * size[0])))
    return Image.fromarray(np.ascontiguousarray(pixels[::step, ::step])).resize(size, Image.Resampling.BOX)


def _points(quad: FloatArray) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in quad]


def _label(draw: ImageDraw.ImageDraw, text: str, at: tuple[float, ...], colour: str) -> None:
    font = font_for(text, 13)
    left, top, right, bottom = draw.textbbox((at[0], at[1]), text, font=font, anchor="lb")
    draw.rectangle((left - 2, top - 2, right + 2, bottom + 2), fill=colour)
    draw.text((at[0], at[1]), text, "white", font, anchor="lb")


def _write(sheet: Image.Image, text: str, quad: FloatArray, shift: int, colour: str) -> None:
    """The text filling its box, turned as the box is."""
    width, height = (max(1, round(side)) for side in quad_size(quad))
    if width > 8192 or height > 2048:
        return
    font = font_for(text, max(6, min(200, round(height * 0.75))))
    left, top, right, bottom = (round(value) for value in font.getbbox(text, anchor="ls"))
    if right <= left or bottom <= top:
        return
    tile = Image.new("L", (right - left, max(1, round(height * 0.95))), 0)
    ImageDraw.Draw(tile).text((-left, round(height * 0.72)), text, 255, font, anchor="ls")
    tile = tile.resize((width, tile.height))
    along = quad[1] - quad[0]
    angle = -float(np.degrees(np.arctan2(along[1], along[0])))
    if abs(angle) > 2:
        tile = tile.rotate(angle, expand=True)
    x, y = (round(float(value)) for value in quad.min(axis=0))
    sheet.paste(colour, (x + shift, y), tile)
