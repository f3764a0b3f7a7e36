"""The characters that the recogniser knows, and words as rows of their numbers.

Numbers 0 to 93 are the printable ASCII characters without the space, then EOS, BOS and PAD.

Legend: N words, L = 26 slots (25 characters and EOS).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

__all__ = ["BOS", "CHARACTERS", "EOS", "MAX_LENGTH", "PAD", "SLOTS", "known", "to_numbers", "to_text"]

CHARACTERS: Final = "".join(chr(code) for code in range(33, 127))
EOS: Final = len(CHARACTERS)
BOS: Final = EOS + 1
PAD: Final = EOS + 2
MAX_LENGTH: Final = 25
SLOTS: Final = MAX_LENGTH + 1


def known(text: str) -> str:
    """The text without the characters that the recogniser lacks."""
    return "".join(character for character in text if "!" <= character <= "~")


def to_numbers(texts: Sequence[str]) -> np.ndarray:
    """(N, L) int64: each word's characters, EOS, then PAD.

    Raises:
        ValueError: a word is longer than 25 characters or holds another character than printable ASCII.
    """
    rows = np.full((len(texts), SLOTS), PAD, np.int64)
    for row, text in zip(rows, texts, strict=True):
        codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8).astype(np.int64) - 33
        if len(codes) > MAX_LENGTH or known(text) != text:
            raise ValueError(f"Expected at most {MAX_LENGTH} printable ASCII characters, but received {text!r}")
        row[: len(codes)] = codes
        row[len(codes)] = EOS
    return rows


def to_text(numbers: Sequence[int]) -> str:
    """The word in a row of numbers: what stands before the first EOS, BOS or PAD."""
    characters = []
    for number in numbers:
        if number >= EOS:
            break
        characters.append(CHARACTERS[number])
    return "".join(characters)
