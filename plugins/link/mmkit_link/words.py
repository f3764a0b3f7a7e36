"""The words, numbers and codes of a text, in a spelling that compares.

Every script is kept; accents, case, widths (Unicode NFKD) and variants of Chinese characters are folded.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from mmkit_link.variants import fold_variants

__all__ = ["CJK", "codes", "fold", "numbers", "squeezed", "words"]

#: Kana and Chinese characters, with the radicals and strokes that are read for them: a class of a regular expression.
CJK: Final = "\u2e80-\u2fdf\u3005-\u3007\u3041-\u30ff\u31c0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"

_WORD: Final = re.compile(r"[^\W_]+")
_CJK_RUN: Final = re.compile(f"([{CJK}]+)")
_NUMBER: Final = re.compile(r"(?<![^\W_])\d+(?:\.\d+)*(?![^\W_])")
_CODE: Final = re.compile(r"[^\W_]+(?:[-/.][^\W_]+)*")
_MEASURE: Final = re.compile(
    r"\d+(?:[./-]\d+)*(?:x\d+)?(?:mm|cm|m|in|inch|inches|ft|kg|g|lb|lbs|oz|w|watt|watts|v|hz|khz|mhz|ghz|gb|mb|tb|kb|"
    r"bit|p|i|x|mp|dpi|fps|ppm|nm|mah|mwh|db|ch|channel|port|pack|pc|pk|disc|way|st|nd|rd|th|s|k)\Z"
)
_SHORTEST_CODE: Final = 4


def fold(text: str) -> str:
    """Lower case without accents; full-width letters become plain ones, and 鐵 becomes 鉄."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text)
    # Only marks on Latin, Greek and Cyrillic letters fall away: a voiced kana is another kana.
    kept: list[str] = []
    for char in decomposed:
        if unicodedata.combining(char) and kept and ord(kept[-1]) < 0x0530:
            continue
        kept.append(char)
    return fold_variants(unicodedata.normalize("NFC", "".join(kept)).lower())


def words(text: str) -> list[str]:
    """Runs of letters and digits of a folded text; of kana and Chinese characters, which know no spaces, each two."""
    found = _WORD.findall(text)
    return found if text.isascii() or not _CJK_RUN.search(text) else [part for run in found for part in _split(run)]


def _split(run: str) -> list[str]:
    found: list[str] = []
    for place, part in enumerate(_CJK_RUN.split(run)):
        # What the pattern holds comes at odd places.
        found += [part[at : at + 2] for at in range(max(1, len(part) - 1))] if place % 2 else [part] if part else []
    return found


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
