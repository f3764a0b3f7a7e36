"""The contact sheet: queries and their hits drawn as one picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw, ImageOps

from mmkit.errors import MmkitError
from mmkit.media.fonts import clipped, font_for, wrapped
from mmkit.media.images import read_image
from mmkit.media.source import printable
from mmkit.types import Item

__all__ = ["SheetHit", "SheetRow", "contact_sheet"]

_PAPER: Final = "#f5f6f8"
_CARD: Final = "#ffffff"
_LINE: Final = "#dfe3e8"
_INK: Final = "#1c2430"
_MUTED: Final = "#6b7685"
_ACCENT: Final = "#2563eb"
_EMPTY: Final = "#e3e6ea"
_MARGIN: Final = 24
_GAP: Final = 14
_CAPTION: Final = 46
#: A sheet never has more pixels than this; its tiles shrink, and rows that still do not fit are counted below.
_MAX_PIXELS: Final = 40_000_000
_SMALLEST: Final = 64


@dataclass(frozen=True, slots=True)
class SheetHit:
    """One hit: what it is, its score, and a name where the item's id is not the one to show."""

    item: Item
    score: float
    name: str = ""


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A query and its hits, best first."""

    query: Item
    hits: Sequence[SheetHit]


def contact_sheet(
    rows: Sequence[SheetRow],
    *,
    tile: int = 200,
    read: Callable[[Item], Image.Image] | None = None,
) -> Image.Image:
    """Draw one row a query: the query at the left, its hits to the right with rank, score and name beneath.

    A picture that is missing or damaged becomes a grey tile with the reason. Items that are no pictures are shown
    as their text or name.

    Args:
        rows: what ``match`` found.
        tile: side of a tile in pixels; smaller where the sheet would exceed 40 million pixels.
        read: how a picture item is read; ``read_image`` by default.

    Returns:
        An RGB picture.
    """
    columns = max((len(row.hits) for row in rows), default=0)
    tile, shown = _fit(len(rows), columns, max(tile, _SMALLEST))
    left = _MARGIN + tile + 2 * _GAP
    width = max(left + columns * (tile + _GAP) - _GAP + _MARGIN, _MARGIN * 2 + 320)
    row_height = tile + _CAPTION + _GAP
    hidden = len(rows) - shown
    height = _MARGIN * 2 + max(shown, 1) * row_height - _GAP + (30 if hidden else 0)
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    reader = read or _read(tile)
    for number, row in enumerate(rows[:shown]):
        top = _MARGIN + number * row_height
        _tile(sheet, row.query, (_MARGIN, top), tile, reader)
        draw.rounded_rectangle((_MARGIN - 1, top - 1, _MARGIN + tile, top + tile), 6, outline=_ACCENT, width=2)
        _label(draw, "query", "", _name(row.query, ""), (_MARGIN, top + tile + 5), tile, _ACCENT)
        line = _MARGIN + tile + _GAP
        draw.line((line, top, line, top + tile), fill=_LINE, width=2)
        for rank, hit in enumerate(row.hits, start=1):
            at = (left + (rank - 1) * (tile + _GAP), top)
            _tile(sheet, hit.item, at, tile, reader)
            draw.rounded_rectangle((at[0], at[1], at[0] + tile - 1, at[1] + tile - 1), 6, outline=_LINE)
            name = _name(hit.item, hit.name)
            _label(draw, f"{rank}", f"{hit.score:.3f}", name, (at[0], top + tile + 5), tile, _INK)
        if not row.hits:
            draw.text((left, top + tile // 2), "no hits", _MUTED, font_for("no hits", 15), anchor="lm")
    if not rows:
        draw.text((_MARGIN, _MARGIN), "no queries", _MUTED, font_for("no queries", 15))
    if hidden:
        note = f"and {hidden:,} more queries"
        draw.text((_MARGIN, height - _MARGIN), note, _MUTED, font_for(note, 14), anchor="ls")
    return sheet


def _fit(rows: int, columns: int, tile: int) -> tuple[int, int]:
    """The tile that keeps the sheet within bounds, and how many rows are then drawn."""

    def pixels(side: int, count: int) -> int:
        width = 2 * _MARGIN + (columns + 1) * (side + _GAP) + _GAP
        return width * (2 * _MARGIN + 30 + count * (side + _CAPTION + _GAP))

    while tile > _SMALLEST and pixels(tile, rows) > _MAX_PIXELS:
        tile = max(_SMALLEST, tile * 9 // 10)
    while rows > 1 and pixels(tile, rows) > _MAX_PIXELS:
        rows = rows * 9 // 10
    return tile, rows


def _read(tile: int) -> Callable[[Item], Image.Image]:
    return lambda item: read_image(item, min_side=tile)


def _tile(sheet: Image.Image, item: Item, at: tuple[int, int], tile: int, read: Callable[[Item], Image.Image]) -> None:
    if item.modality == "image":
        try:
            picture = ImageOps.contain(read(item), (tile, tile))
        except MmkitError as error:
            _words(sheet, error.what, at, tile, _EMPTY, _MUTED)
            return
        card = Image.new("RGB", (tile, tile), _CARD)
        card.paste(picture, ((tile - picture.width) // 2, (tile - picture.height) // 2))
        mask = Image.new("L", (tile, tile), 0)
        ImageDraw.Draw(mask).rounded_rectangle((0, 0, tile - 1, tile - 1), 6, fill=255)
        sheet.paste(card, at, mask)
    else:
        _words(sheet, item.text or _name(item, ""), at, tile, _CARD, _INK)


def _words(sheet: Image.Image, text: str, at: tuple[int, int], tile: int, paper: str, ink: str) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.rounded_rectangle((at[0], at[1], at[0] + tile - 1, at[1] + tile - 1), 6, fill=paper)
    text = printable(" ".join(text.split())[:600])
    size = max(11, tile // 12)
    font = font_for(text, size)
    lines = wrapped(text, font, tile - 20, max_lines=max(1, (tile - 20) // (size + 6)))
    top = at[1] + (tile - len(lines) * (size + 6)) // 2
    for number, line in enumerate(lines):
        draw.text((at[0] + tile // 2, top + number * (size + 6)), line, ink, font, anchor="ma")


def _label(
    draw: ImageDraw.ImageDraw, left: str, right: str, name: str, at: tuple[int, int], tile: int, ink: str
) -> None:
    draw.text(at, left, ink, font_for(left, 14))
    if right:
        draw.text((at[0] + tile, at[1]), right, _ACCENT, font_for(right, 14), anchor="ra")
    font = font_for(name, 12)
    draw.text((at[0], at[1] + 21), clipped(name, font, tile), _MUTED, font)


def _name(item: Item, name: str) -> str:
    """What stands beneath a tile; nothing beneath a text, which is in the tile already."""
    if not name and item.text is None:
        name = item.path.name if item.path is not None else item.id
    return printable(name)
