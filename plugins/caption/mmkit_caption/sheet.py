"""Pictures with their captions beneath, drawn as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw, ImageOps

from mmkit.errors import MmkitError
from mmkit.media.fonts import font_for, wrapped
from mmkit.media.images import read_image
from mmkit.media.source import printable
from mmkit_caption.describe import Described

__all__ = ["MOST_SHOWN", "caption_sheet"]

_PAPER: Final = "#f5f6f8"
_CARD: Final = "#ffffff"
_INK: Final = "#1c2430"
_MUTED: Final = "#6b7685"
_GAP: Final = 16
_LINES: Final = 4
_SIZE: Final = 14
_LINE: Final = 19
#: Further pictures are counted in a last line.
MOST_SHOWN: Final = 400


def caption_sheet(described: Sequence[Described], *, columns: int = 4, tile: int = 240) -> Image.Image:
    """A grid of pictures, each with its first caption beneath, at most ``MOST_SHOWN``; an RGB picture.

    A picture that cannot be read again becomes a grey tile with the reason.
    """
    shown = described[:MOST_SHOWN]
    columns = max(1, min(columns, len(shown) or 1))
    rows = -(-len(shown) // columns)
    height = tile + _LINES * _LINE + 12
    hidden = len(described) - len(shown)
    foot = 30 if hidden or not shown else 0
    sheet = Image.new("RGB", (columns * (tile + _GAP) + _GAP, rows * (height + _GAP) + _GAP + foot), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, one in enumerate(shown):
        left = _GAP + number % columns * (tile + _GAP)
        top = _GAP + number // columns * (height + _GAP)
        draw.rounded_rectangle((left, top, left + tile, top + height), 6, fill=_CARD)
        try:
            picture = ImageOps.contain(read_image(one.item, min_side=tile), (tile, tile))
            sheet.paste(picture, (left + (tile - picture.width) // 2, top + (tile - picture.height) // 2))
        except MmkitError as error:
            _lines(draw, error.what, (left + 8, top + tile // 2), tile - 16, _MUTED)
        text = one.captions[0].text if one.captions else ""
        _lines(draw, text, (left + 8, top + tile + 6), tile - 16, _INK)
    if foot:
        note = f"and {hidden:,} more pictures" if hidden else "no pictures"
        draw.text((_GAP, sheet.height - 24), note, _MUTED, font_for(note, _SIZE))
    return sheet


def _lines(draw: ImageDraw.ImageDraw, text: str, at: tuple[int, int], width: int, ink: str) -> None:
    text = printable(" ".join(text.split()))
    font = font_for(text, _SIZE)
    for number, line in enumerate(wrapped(text, font, width, max_lines=_LINES)):
        draw.text((at[0], at[1] + number * _LINE), line, ink, font)
