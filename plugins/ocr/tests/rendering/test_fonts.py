from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mmkit_ocr.rendering.fonts import ASCII, load_fonts


def test_an_ordinary_font_draws_all_of_ascii(full_font_folder: Path) -> None:
    (font,) = load_fonts([full_font_folder])

    assert font.characters == frozenset(ASCII)
    assert font.covers("a~B!9")
    assert not font.covers("ß")
    assert not font.capitals


def test_fonts_that_would_draw_boxes_or_one_picture_for_all_are_passed_over(odd_fonts_folder: Path) -> None:
    assert {font.path.stem for font in load_fonts([odd_fonts_folder])} == {"capitals", "signless"}


def test_a_font_of_capitals_alone_is_told(odd_fonts_folder: Path) -> None:
    capitals = {font.path.stem: font.capitals for font in load_fonts([odd_fonts_folder])}

    assert capitals == {"capitals": True, "signless": False}


def test_a_font_without_signs_does_not_cover_them(odd_fonts_folder: Path) -> None:
    fonts = {font.path.stem: font for font in load_fonts([odd_fonts_folder])}

    assert fonts["signless"].covers("ab")
    assert not fonts["signless"].covers("a@b")


def test_a_file_that_is_no_font_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"not a font")

    assert load_fonts([tmp_path]) == []


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_a_limit_keeps_an_even_spread(full_font_folder: Path, tmp_path: Path, limit: int) -> None:
    for number in range(7):
        shutil.copy(full_font_folder / "full.ttf", tmp_path / f"{number}.ttf")

    kept = [int(font.path.stem) for font in load_fonts([tmp_path], limit=limit)]

    assert kept == [index * 7 // limit for index in range(limit)]
