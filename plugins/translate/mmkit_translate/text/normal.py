"""Texts as the model reads them: composed letters, plain spaces, no control characters."""

from __future__ import annotations

import unicodedata

__all__ = ["has_words", "normalised"]


def normalised(text: str) -> str:
    """NFC; every control character, separator and run of spaces as one space; none at the ends."""
    composed = unicodedata.normalize("NFC", text)
    if composed.isprintable():  # then it has no other spaces than plain ones
        return " ".join(composed.split())
    return " ".join("".join(" " if _parts_words(letter) else letter for letter in composed).split())


def _parts_words(letter: str) -> bool:
    kind = unicodedata.category(letter)
    # Formatting marks go too, but the zero-width joiner holds emoji together.
    return kind[0] == "Z" or (kind in ("Cc", "Cf", "Cs") and letter != "\u200d")


def has_words(text: str) -> bool:
    """True where there is a letter to translate: no blank line, and not only digits, signs or emoji."""
    return any(letter.isalpha() for letter in text)
