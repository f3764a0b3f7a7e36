"""Fonts made in the test, so that it needs none on the system: letters are the strokes of a 5 by 7 pixel alphabet."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from mmkit_ocr.rendering.fonts import ASCII


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _glyph(code: int) -> object:
    """A block with a row of notches that spells the code in binary: distinct for each character."""
    pen = TTGlyphPen(None)
    for row in range(8):
        wide = 600 if code >> row & 1 else 250
        bottom = row * 90
        corners = ((0, bottom), (0, bottom + 80), (wide, bottom + 80), (wide, bottom))
        pen.moveTo(corners[0])
        for corner in corners[1:]:
            pen.lineTo(corner)
        pen.closePath()
    return pen.glyph()


def _font(path: Path, codes: dict[str, int]) -> None:
    """A font that draws each character as the pattern of a number."""
    names = [".notdef", *(f"u{ord(character)}" for character in codes)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(character): f"u{ord(character)}" for character in codes})
    glyphs = {f"u{ord(character)}": _glyph(code) for character, code in codes.items()}
    builder.setupGlyf({".notdef": _glyph(255), **glyphs})
    builder.setupHorizontalMetrics({name: (700, 0) for name in names})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(path)


@pytest.fixture(scope="session")
def fonts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fonts")
    _font(folder / "full.ttf", {character: ord(character) for character in ASCII})
    _font(folder / "capitals.ttf", {character: ord(character.upper()) for character in ASCII})
    _font(folder / "signless.ttf", {character: ord(character) for character in ASCII if character.isalnum()})
    _font(folder / "digits.ttf", {character: ord(character) for character in "0123456789"})
    _font(folder / "barcode.ttf", {character: 7 for character in ASCII})
    return folder
