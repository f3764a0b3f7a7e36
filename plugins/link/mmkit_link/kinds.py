"""What a column holds, told from its values, and those values as numbers.

Legend: N values.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mmkit_link.words import CJK

__all__ = ["ColumnKind", "kind_of", "parse_date", "parse_number"]

#: ``name`` is a short text, ``cjk`` one in kana and Chinese characters, ``text`` a long one.
ColumnKind = Literal["name", "cjk", "text", "number", "date", "code", "phone"]

_NUMBER: Final = re.compile(
    r"(?:[^\w\s.,+-]\s*|[A-Za-z]{1,4}\s+)?([-+]?\d[\d,]*(?:\.\d+)?|[-+]?\.\d+)(?:\s*[^\w\s.,]|\s+[A-Za-z]{1,8})?\Z"
)
_DATE: Final = re.compile(r"(\d{1,4})[-/. ](\d{1,2})[-/. ](\d{1,4})(?:[T ].*)?\Z")
_CJK: Final = re.compile(f"[{CJK}]")
_PHONE: Final = re.compile(r"\+?[\d()\-./ x]{7,22}\Z")
_MOSTLY: Final = 0.8
_SAMPLE: Final = 5000
_LONG_NAME: Final = 16
_LONG_CJK: Final = 40


def kind_of(values: Iterable[str]) -> ColumnKind:
    """The kind of a column by the values that are there; ``name`` where there are none."""
    present = [value for value in values if value][:_SAMPLE]
    if not present:
        return "name"
    if _share(present, [parse_date(value) is not None for value in present]):
        return "date"
    plain = [value.isdecimal() for value in present]
    if _share(present, [value is not None for value in map(parse_number, present)]):
        lengths = {len(value) for value in present}
        # Whole numbers of one length, mostly different or with leading zeros, are names and not amounts.
        varied = len(set(present)) > 0.3 * len(present) or any(value.startswith("0") for value in present)
        if all(plain) and min(lengths) >= 4 and len(lengths) <= 2 and varied:
            return "code"
        return "number"
    phones = [bool(_PHONE.match(value)) and 7 <= sum(map(str.isdigit, value)) <= 15 for value in present]
    if _share(present, phones):
        return "phone"
    if 2 * sum(bool(_CJK.search(value)) for value in present) >= len(present):
        return "cjk" if float(np.median([len(value) for value in present])) <= _LONG_CJK else "text"
    coded = [" " not in value and any(map(str.isdigit, value)) and len(value) >= 3 for value in present]
    if _share(present, coded):
        return "code"
    return "name" if float(np.median([len(value.split()) for value in present])) <= _LONG_NAME else "text"


def _share(values: Sequence[str], fits: Sequence[bool]) -> bool:
    return sum(fits) >= _MOSTLY * len(values)


def parse_number(text: str) -> float | None:
    """A number, also with a currency sign or unit around it and commas between thousands."""
    found = _NUMBER.match(text.strip())
    if found is None:
        return None
    try:
        return float(found[1].replace(",", ""))
    except ValueError:
        return None


def parse_date(text: str) -> float | None:
    """Years since 0: of a year alone (1500 to 2100), YYYYMMDD, Y-M-D or D-M-Y (M-D-Y where only that fits)."""
    text = text.strip()
    if text.isdecimal():
        if len(text) == 4 and 1500 <= int(text) <= 2100:
            return float(text)
        return _years(int(text[:4]), int(text[4:6]), int(text[6:])) if len(text) == 8 else None
    found = _DATE.match(text)
    if found is None:
        return None
    first, middle, last = map(int, found.groups())
    if first > 31:
        return _years(first, middle, last)
    return _years(last, middle, first) if middle <= 12 else _years(last, first, middle)


def _years(year: int, month: int, day: int) -> float | None:
    if not 1500 <= year <= 2100:
        return None
    try:
        passed = datetime.date(year, month, day).timetuple().tm_yday - 1
    except ValueError:
        return None
    return year + passed / 366


def parsed(values: Sequence[str], kind: ColumnKind) -> NDArray[np.float64]:
    """(N,) numbers of a ``number`` or ``date`` column, NaN where there is none."""
    parse = parse_date if kind == "date" else parse_number
    found = (parse(value) if value else None for value in values)
    return np.array([np.nan if value is None else value for value in found], np.float64)
