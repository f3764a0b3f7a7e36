"""Finds font files that can draw printable ASCII, and says which characters each of them really has."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import ImageFont

__all__ = ["ASCII", "Font", "font_folders", "load_fonts"]

ASCII: Final = "".join(chr(code) for code in range(33, 127))
_ALPHANUMERIC: Final = frozenset(character for character in ASCII if character.isalnum())
_SUFFIXES: Final = (".ttf", ".otf", ".ttc")
# Not a character: a font answers it with the box it draws for everything that it lacks.
_MISSING: Final = "\uffff"


@dataclass(frozen=True)
class Font:
    """A font file and what it can draw.

    characters: the printable ASCII that has a glyph of its own. capitals: lower case looks like upper case, so words
    are drawn, and labelled, in upper case.
    """

    path: Path
    characters: frozenset[str]
    capitals: bool

    def covers(self, word: str) -> bool:
        return self.characters.issuperset(word)


def font_folders() -> list[Path]:
    """The folders where this system keeps its fonts; only those that exist."""
    home = Path.home()
    if sys.platform == "darwin":
        folders = [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    elif sys.platform == "win32":
        folders = [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"]
    else:
        folders = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local/share/fonts"]
    return [folder for folder in folders if folder.is_dir()]


def _glyph(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character, mode="L")
    return mask.size, bytes(mask)


def _inspect(path: Path) -> Font | None:
    try:
        font = ImageFont.truetype(str(path), 24, layout_engine=ImageFont.Layout.BASIC)
        missing = _glyph(font, _MISSING)
        glyphs = {character: _glyph(font, character) for character in ASCII}
    except (OSError, ValueError):
        return None
    present = {character for character, glyph in glyphs.items() if any(glyph[1]) and glyph != missing}
    letters = [character for character in glyphs if character.islower()]
    same = sum(glyphs[letter] == glyphs[letter.upper()] for letter in letters)
    # Fonts that draw one picture for many letters (bar codes, blanks, other scripts) would teach wrong labels.
    distinct = len({glyphs[character] for character in present & _ALPHANUMERIC})
    if not present >= _ALPHANUMERIC or distinct < 36 - 4:
        return None
    return Font(path, frozenset(present), capitals=same > len(letters) // 2)


def load_fonts(folders: Iterable[Path] | None = None, *, limit: int | None = None) -> Sequence[Font]:
    """The usable fonts under `folders` (default: the system's), in a fixed order.

    A font is usable when each ASCII letter and digit has a glyph of its own. `limit` keeps an even spread of that
    many. Files that are not fonts are passed over; the result is empty where nothing usable is found.
    """
    roots = list(folders) if folders is not None else font_folders()
    paths = sorted({path for root in roots for path in root.rglob("*") if path.suffix.lower() in _SUFFIXES})
    fonts = [font for path in paths if (font := _inspect(path)) is not None]
    if limit is None or len(fonts) <= limit:
        return fonts
    return [fonts[index * len(fonts) // limit] for index in range(limit)]
