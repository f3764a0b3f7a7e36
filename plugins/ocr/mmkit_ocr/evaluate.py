"""Word accuracy and 1 - NED, under PARSeq's 36-character protocol or over all characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

__all__ = ["CHARSETS", "folded", "word_scores"]

CHARSETS = ("36", "full")


def folded(text: str) -> str:
    """PARSeq's protocol: accents off, lower case, and nothing but the letters a to z and the digits."""
    plain = unicodedata.normalize("NFKD", text).lower()
    return "".join(character for character in plain if character.isascii() and character.isalnum())


def word_scores(read: Sequence[str], wanted: Sequence[str], *, charset: str = "36") -> dict[str, float]:
    """``word_accuracy`` and ``one_minus_ned`` (1 minus the mean edit distance by the longer word), and ``n``.

    Raises:
        ValueError: the counts differ, or there is nothing to compare.
    """
    from rapidfuzz.distance import Levenshtein

    if not wanted or len(read) != len(wanted):
        raise ValueError(
            f"Expected as many readings as words and at least one, but received {len(read)}, {len(wanted)}"
        )
    pairs = list(zip(read, wanted, strict=True))
    if charset == "36":
        pairs = [(folded(own), folded(word)) for own, word in pairs]
    right = sum(own == word for own, word in pairs)
    distance = sum(Levenshtein.normalized_distance(own, word) for own, word in pairs)
    return {"word_accuracy": right / len(pairs), "one_minus_ned": 1 - distance / len(pairs), "n": len(pairs)}
