"""Words of a caption as its metrics count them.

The field tokenises with Stanford's PTBTokenizer (Java) and drops punctuation; this does what that does to captions:
lower case, contractions split as the Penn Treebank does (do n't, dog 's), hyphenated words whole, punctuation dropped.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["caption_words"]

_WORD: Final = re.compile(r"\d+(?:[.,:/]\d+)+|[^\W_]+(?:['’\-&/.@_][^\W_]+)*\.?|[$€£%&#@]|'\w+")
_CONTRACTION: Final = re.compile(r"^(.+?)(n't|'(?:s|re|ve|ll|d|m))$")
_ABBREVIATION: Final = re.compile(r"^(?:[a-z]\.)+[a-z]?\.?$|^(?:mr|mrs|ms|dr|st|jr|sr|prof|vs|etc|no)\.$")


def caption_words(text: str) -> list[str]:
    """The words of one caption."""
    words: list[str] = []
    for found in _WORD.findall(text.lower().replace("’", "'")):
        word = found
        if word.endswith(".") and not _ABBREVIATION.match(word):
            word = word[:-1]
        # A full stop without a space joins two sentences, not a word.
        parts = word.split(".") if "." in word and not _ABBREVIATION.match(word) and not word[0].isdigit() else [word]
        for part in parts:
            contraction = _CONTRACTION.match(part)
            words += list(contraction.groups()) if contraction else [part]
    return [word for word in words if word]
