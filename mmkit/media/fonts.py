"""Fonts for drawn text: one that has the letters where the machine has one, Pillow's own otherwise."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, TypeAlias

from PIL import ImageFont

__all__ = ["Font", "clipped", "font_for", "wrapped"]

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Looked up by name in the system's font folders; the first that has every letter is taken.
_NAMES: Final = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
)
_MISSING: Final = "\U0010fffd"  # a private code point that no font draws


def font_for(text: str, size: int) -> Font:
    """The first font of the machine that can draw every letter of ``text``, else the first there is."""
    fonts = _fonts(size)
    return next((font for font in fonts if _covers(font, text)), fonts[0])


def wrapped(text: str, font: Font, width: int, *, max_lines: int) -> list[str]:
    """``text`` broken at spaces, and inside words longer than a line, into lines of at most ``width`` pixels."""
    lines = [""]
    for word in text.split():
        candidate = f"{lines[-1]} {word}".strip()
        if font.getlength(candidate) <= width:
            lines[-1] = candidate
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
        if len(lines) > max_lines:
            break
    if len(lines) <= max_lines:
        return lines
    return [*lines[: max_lines - 1], clipped(lines[max_lines - 1] + "…", font, width)]


def clipped(text: str, font: Font, width: int) -> str:
    """``text`` if it is at most ``width`` pixels wide, else its start and end around an ellipsis."""
    text = text[:400]
    if font.getlength(text) <= width:
        return text
    keep = len(text)
    while keep > 2:
        keep -= 1
        # The end of a file name tells more than its middle.
        short = f"{text[: keep - keep // 3]}…{text[len(text) - keep // 3 :]}"
        if font.getlength(short) <= width:
            return short
    return "…"


@lru_cache(maxsize=32)
def _fonts(size: int) -> tuple[Font, ...]:
    found: list[Font] = []
    for name in _NAMES:
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:
            continue
    return (*found, ImageFont.load_default(size))


def _covers(font: Font, text: str) -> bool:
    return all(_has(font, letter) for letter in set(text) if not letter.isspace())


@lru_cache(maxsize=8192)
def _has(font: Font, letter: str) -> bool:
    return letter.isascii() or bytes(font.getmask(letter)) != bytes(font.getmask(_MISSING))
