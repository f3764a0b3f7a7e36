from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mmkit_ocr.rendering.fonts import ASCII, load_fonts


def test_a_full_font_draws_all_of_ascii(fonts_folder: Path) -> None:
    fonts = {font.path.stem: font for font in load_fonts([fonts_folder])}

    assert fonts["full"].characters == frozenset(ASCII)
    assert fonts["full"].covers("a~B!9")
    assert not fonts["full"].capitals


def test_a_font_of_capitals_alone_is_told(fonts_folder: Path) -> None:
    fonts = {font.path.stem: font for font in load_fonts([fonts_folder])}

    assert fonts["capitals"].capitals


def test_a_font_without_some_signs_does_not_cover_them(fonts_folder: Path) -> None:
    fonts = {font.path.stem: font for font in load_fonts([fonts_folder])}

    assert not fonts["signless"].covers("a@b")
    assert fonts["signless"].covers("ab")


def test_fonts_that_would_draw_boxes_or_one_picture_for_all_are_passed_over(fonts_folder: Path) -> None:
    names = {font.path.stem for font in load_fonts([fonts_folder])}

    assert names == {"full", "capitals", "signless"}


def test_a_file_that_is_no_font_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"not a font")

    assert load_fonts([tmp_path]) == []


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_a_limit_keeps_an_even_spread(fonts_folder: Path, tmp_path: Path, limit: int) -> None:
    for number in range(7):
        shutil.copy(fonts_folder / "full.ttf", tmp_path / f"{number}.ttf")

    kept = [int(font.path.stem) for font in load_fonts([tmp_path], limit=limit)]

    assert len(kept) == limit
    assert kept == sorted(set(kept))
    assert kept[-1] >= 7 - 7 // limit - 1
