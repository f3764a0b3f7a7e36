"""Fonts that need none on the system: the one inside Pillow, and odd ones made here with fontTools."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmkit_ocr.rendering.fonts import ASCII
from PIL import ImageFont


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def full_font_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one ordinary font that has all of printable ASCII."""
    folder = tmp_path_factory.mktemp("full")
    (folder / "full.ttf").write_bytes(ImageFont.load_default(20).font_bytes)
    return folder


def _glyph(code: int) -> object:
    """Rows of two widths that spell the code in binary: another shape for each character."""
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    for row in range(8):
        wide = 600 if code >> row & 1 else 250
        bottom = row * 90
        pen.moveTo((0, bottom))
        for corner in ((0, bottom + 80), (wide, bottom + 80), (wide, bottom)):
            pen.lineTo(corner)
        pen.closePath()
    return pen.glyph()


def _write_font(path: Path, codes: dict[str, int]) -> None:
    """A font that draws each character as the pattern of a number."""
    from fontTools.fontBuilder import FontBuilder

    names = {character: f"u{ord(character)}" for character in codes}
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap({ord(character): name for character, name in names.items()})
    builder.setupGlyf({".notdef": _glyph(255), **{names[character]: _glyph(code) for character, code in codes.items()}})
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names.values()], (700, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(path)


@pytest.fixture(scope="session")
def odd_fonts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two usable fonts, one of capitals alone and one without signs; and two that cannot be used."""
    pytest.importorskip("fontTools")
    folder = tmp_path_factory.mktemp("odd")
    _write_font(folder / "capitals.ttf", {character: ord(character.upper()) for character in ASCII})
    _write_font(folder / "signless.ttf", {character: ord(character) for character in ASCII if character.isalnum()})
    _write_font(folder / "digits.ttf", {character: ord(character) for character in "0123456789"})
    _write_font(folder / "barcode.ttf", dict.fromkeys(ASCII, 7))
    return folder
