"""Words to train on and words that are nearly the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from mmkit_ocr.recogniser.charset import MAX_LENGTH, known

__all__ = ["near_word", "read_words", "usable"]

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
#: Characters that readers mix up, as first aid for drawing negatives that are hard.
_ALIKE: Final = {
    "0": "o", "o": "0ceau", "1": "li", "l": "i1t", "i": "l1j", "c": "oe", "e": "co", "a": "ou", "n": "mhu", "m": "n",
    "u": "vn", "v": "uyw", "w": "v", "s": "5", "5": "s", "8": "b", "b": "8h", "h": "bn", "g": "9q", "q": "g", "t": "fl",
    "f": "t", "r": "n", "d": "cl", "p": "b", "y": "v", "k": "h", "x": "k", "z": "2", "2": "z", "6": "g", "9": "g",
}  # fmt: skip


def usable(word: str) -> bool:
    """True where the recogniser can spell the word."""
    return 0 < len(word) <= MAX_LENGTH and known(word) == word


def read_words(path: str | Path) -> list[str]:
    """The words of a file, one a line, that the recogniser can spell, each once.

    Raises:
        ValueError: no word is left.
    """
    with open(path, encoding="utf-8", errors="replace") as lines:
        words = list(dict.fromkeys(word for line in lines if usable(word := line.strip())))
    if not words:
        raise ValueError(f"Expected words of at most {MAX_LENGTH} printable ASCII characters, one a line, in {path}")
    return words


def near_word(word: str, rng: np.random.Generator) -> str:
    """Another word one edit away: a character replaced (often by one that looks alike), dropped, added or swapped."""
    place = int(rng.integers(len(word)))
    kind = rng.random()
    if kind < 0.6 or len(word) < 2:
        choices = _ALIKE.get(word[place].lower(), "") if rng.random() < 0.6 else ""
        fresh = _drawn(choices or _LETTERS, rng, word[place].lower())
        return word[:place] + fresh + word[place + 1 :]
    if kind < 0.75:
        return word[:place] + word[place + 1 :]
    if kind < 0.9 and len(word) < MAX_LENGTH:
        return word[:place] + _drawn(_LETTERS, rng) + word[place:]
    other = (place + 1) % len(word)
    letters = list(word)
    letters[place], letters[other] = letters[other], letters[place]
    swapped = "".join(letters)
    return swapped if swapped != word else word[:place] + _drawn(_LETTERS, rng, word[place].lower()) + word[place + 1 :]


def _drawn(choices: Sequence[str], rng: np.random.Generator, but: str = "") -> str:
    left: Iterable[str] = [choice for choice in choices if choice != but]
    return str(rng.choice(list(left) or list(_LETTERS)))
