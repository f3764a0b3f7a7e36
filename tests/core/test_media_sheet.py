from __future__ import annotations

import numpy as np
from PIL import Image

from mmkit.media.fonts import clipped, font_for, wrapped
from mmkit.media.sheet import SheetHit, SheetRow, contact_sheet
from mmkit.types import Item


def square(colour: tuple[int, int, int]) -> Item:
    array = np.empty((50, 50, 3), np.uint8)
    array[:] = colour
    return Item("image", "square.png", array=array)


def has_colour(sheet: Image.Image, colour: tuple[int, int, int], at_least: int) -> bool:
    return int((np.asarray(sheet) == colour).all(axis=2).sum()) >= at_least


def test_query_and_hits_are_drawn_from_left_to_right() -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    query, *hits = (square(colour) for colour in colours)
    sheet = contact_sheet([SheetRow(query, [SheetHit(hit, 0.5) for hit in hits])], tile=100)
    columns = []
    for colour in colours:
        mask = (np.asarray(sheet) == colour).all(axis=2)
        assert mask.sum() > 9_000
        columns.append(np.nonzero(mask)[1].mean())
    assert columns == sorted(columns)


def test_a_picture_that_cannot_be_read_is_a_grey_tile_and_the_others_are_drawn() -> None:
    hits = [
        SheetHit(Item.from_path("/no/such/file.png", "image"), 0.9),
        SheetHit(Item("image", "x", data=b"junk"), 0.8),
        SheetHit(square((0, 255, 0)), 0.7),
    ]
    sheet = contact_sheet([SheetRow(Item.from_text("a green square"), hits)], tile=100)
    assert has_colour(sheet, (0xE3, 0xE6, 0xEA), 10_000)
    assert has_colour(sheet, (0, 255, 0), 9_000)


def test_any_text_can_be_drawn() -> None:
    for text in ("", "猫とコーヒー", "a" * 5000, "\x00\x1b[31m\n\udce9", "עברית 😀"):
        row = SheetRow(Item.from_text(text), [SheetHit(Item.from_text(text), float("nan"), name=text)])
        assert contact_sheet([row], tile=80).mode == "RGB"


def test_an_empty_sheet_and_a_row_without_hits_are_drawn() -> None:
    assert contact_sheet([]).width >= 300
    assert contact_sheet([SheetRow(square((1, 2, 3)), [])]).width >= 300


def test_the_size_is_bounded() -> None:
    row = SheetRow(square((1, 2, 3)), [SheetHit(Item.from_text("x"), 0.1)] * 20)
    many = contact_sheet([row] * 400)
    assert many.width * many.height <= 41_000_000
    wide = contact_sheet([SheetRow(square((1, 2, 3)), [SheetHit(Item.from_text("x"), 0.1)] * 300)], tile=2000)
    assert wide.width * wide.height <= 41_000_000


def test_long_text_is_wrapped_and_clipped_to_its_width() -> None:
    font = font_for("x", 14)
    for text in ("a quite long sentence that needs several lines to be shown", "y" * 300):
        lines = wrapped(text, font, 120, max_lines=3)
        assert len(lines) <= 3
        assert all(font.getlength(line) <= 120 for line in lines)
        assert font.getlength(clipped(text, font, 90)) <= 90
    assert clipped("short", font, 200) == "short"
    assert clipped("a-very-long-file-name-0042.jpg", font, 120).endswith(".jpg")
