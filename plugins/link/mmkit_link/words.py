"""The words, numbers and codes of a text, in a spelling that compares.

Every script is kept; accents, case and widths are folded (Unicode NFKD).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["codes", "fold", "numbers", "squeezed", "words"]

_WORD: Final = re.compile(r"[^\W_]+")
_NUMBER: Final = re.compile(r"(?<![^\W_])\d+(?:\.\d+)*(?![^\W_])")
_CODE: Final = re.compile(r"[^\W_]+(?:[-/.][^\W_]+)*")
_MEASURE: Final = re.compile(
    r"\d+(?:[./-]\d+)*(?:x\d+)?(?:mm|cm|m|in|inch|inches|ft|kg|g|lb|lbs|oz|w|watt|watts|v|hz|khz|mhz|ghz|gb|mb|tb|kb|"
    r"bit|p|i|x|mp|dpi|fps|ppm|nm|mah|mwh|db|ch|channel|port|pack|pc|pk|disc|way|st|nd|rd|th|s|k)\Z"
)
_SHORTEST_CODE: Final = 4


def fold(text: str) -> str:
    """Lower case without accents; full-width letters become plain ones."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text)
    # Only marks on Latin, Greek and Cyrillic letters fall away: a voiced kana is another kana.
    kept: list[str] = []
    for char in decomposed:
        if unicodedata.combining(char) and kept and ord(kept[-1]) < 0x0530:
            continue
        kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept)).lower()


def words(text: str) -> list[str]:
    """Runs of letters and digits of a folded text."""
    return _WORD.findall(text)


def numbers(text: str) -> list[str]:
    """Numbers that stand alone, with trailing ``.0`` dropped: years, versions, sizes."""
    return [re.sub(r"(?:\.0+)+\Z", "", found) for found in _NUMBER.findall(text)]


def codes(text: str) -> list[str]:
    """Model and part numbers: words of at least four characters that mix letters and digits, or five digits on.

    Hyphens, slashes and dots inside are dropped, so that ``DVD-2930CI`` is ``dvd2930ci``; measures such as
    ``1080p`` are none.
    """
    found = []
    for word in _CODE.findall(text):
        joined = re.sub(r"[-/.]", "", word)
        digits = sum(char.isdigit() for char in joined)
        if digits and len(joined) >= _SHORTEST_CODE and not _MEASURE.match(joined):
            plain = digits == len(joined)
            if not plain or (len(joined) >= 5 and joined == word):
                found.append(joined)
    return found


def squeezed(text: str) -> str:
    """Only the letters and digits of a folded text, run together."""
    return "".join(_WORD.findall(text))
