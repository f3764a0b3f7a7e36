"""Which words to draw: those of a list in several spellings, and made-up numbers, dates, codes and addresses."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from mmkit.errors import UsageError
from mmkit_ocr.rendering.fonts import ASCII

__all__ = ["MAX_LENGTH", "Words", "read_words", "system_words"]

MAX_LENGTH: Final = 25
_DICTIONARIES: Final = ("/usr/share/dict/words", "/usr/share/dict/american-english", "/usr/share/dict/british-english")
_COMMON: Final = Path(__file__).with_name("common_words.txt")
_ENDINGS: Final = (".com", ".org", ".net", ".co.uk", ".de", ".edu", ".info", ".com/", ".gov", ".in")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNITS: Final = (
    "km",
    "m",
    "kg",
    "g",
    "ml",
    "cm",
    "mm",
    "MB",
    "GB",
    "mph",
    "am",
    "pm",
    "st",
    "th",
    "nd",
    "rd",
    "%",
    "x",
    "W",
    "V",
)
_CLOSING: Final = (".", ",", "!", ":", "?", ";", "'s", "-", "...", ")", '"')
_OPENING: Final = ("(", '"', "'", "#", "@", "-", "&", "*")


def read_words(path: Path) -> list[str]:
    """The words of a text file, one or several a line: printable ASCII of at most 25 characters, each once."""
    allowed = frozenset(ASCII)
    words = path.read_text(encoding="utf-8", errors="replace").split()
    return sorted({word for word in words if len(word) <= MAX_LENGTH and allowed.issuperset(word)})


def system_words() -> list[str]:
    """The words of the system's English dictionary, else a built-in few hundred."""
    for name in _DICTIONARIES:
        if Path(name).is_file():
            return read_words(Path(name))
    return read_words(_COMMON)


class Words:
    """Samples words to draw: `made_up` of them are numbers, codes and the like, the rest is from the lists.

    lists: one or several lists of words, drawn from equally often whatever their lengths. Raises UsageError when every
    list is empty.
    """

    def __init__(self, *lists: Iterable[str], made_up: float = 0.22) -> None:
        kept = [tuple(words) for words in lists]
        self._lists: Sequence[tuple[str, ...]] = [words for words in kept if words]
        if not self._lists:
            raise UsageError("there is no word to draw", mend="give a file of words with --words")
        self._made_up = made_up
        self._makers: Sequence[Callable[[np.random.Generator], str]] = (
            _number, _number, _price, _date, _time, _code, _code, _letters, _initials, _phone, _unit, self._address,
            self._joined, self._joined, self._hyphenated,
        )  # fmt: skip

    def sample(self, count: int, rng: np.random.Generator) -> list[str]:
        """`count` words of 1 to 25 printable ASCII characters, each with a letter or a digit."""
        words: list[str] = []
        while len(words) < count:
            if rng.random() < self._made_up:
                word = self._makers[int(rng.integers(len(self._makers)))](rng)
            else:
                word = _punctuated(_spelling(self._word(rng), rng), rng)
            if 0 < len(word) <= MAX_LENGTH and any(character.isalnum() for character in word):
                words.append(word)
        return words

    def _word(self, rng: np.random.Generator) -> str:
        words = self._lists[int(rng.integers(len(self._lists)))]
        return words[int(rng.integers(len(words)))]

    def _address(self, rng: np.random.Generator) -> str:
        kind, name, ending = rng.random(), self._word(rng).lower(), _pick(_ENDINGS, rng)
        name = "".join(character for character in name if character.isalnum())
        if kind < 0.45:
            return f"www.{name}{ending}"
        if kind < 0.6:
            return f"{self._word(rng).lower()[:8]}@{name}{ending}"
        address = f"{name}{ending}"
        return address.upper() if kind > 0.9 else address

    def _joined(self, rng: np.random.Generator) -> str:
        """Brands: two short words as one, with or without capitals inside, or with a digit."""
        first, second = self._word(rng)[:8], self._word(rng)[:8]
        kind = rng.random()
        if kind < 0.4:
            return first.capitalize() + second.capitalize()
        if kind < 0.6:
            return (first + second).upper()
        return first + _digits(rng, 1, 4) if kind < 0.8 else f"{first}&{second}"

    def _hyphenated(self, rng: np.random.Generator) -> str:
        joint = _pick("-/-.+_", rng)
        return _spelling(self._word(rng)[:10], rng) + joint + _spelling(self._word(rng)[:10], rng)


def _pick(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _digits(rng: np.random.Generator, low: int, high: int) -> str:
    return "".join(_pick(string.digits, rng) for _ in range(int(rng.integers(low, high + 1))))


def _spelling(word: str, rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.36:
        return word.upper()
    if kind < 0.62:
        return word[:1].upper() + word[1:]
    if kind < 0.90:
        return word.lower()
    return word


def _punctuated(word: str, rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.07:
        return word + _pick(_CLOSING, rng)
    if kind < 0.085:
        return _pick(_OPENING, rng) + word
    if kind < 0.095:
        return f"({word})" if rng.random() < 0.5 else f'"{word}"'
    return word


def _number(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.55:
        return _digits(rng, 1, 5)
    if kind < 0.7:
        return str(int(rng.integers(1900, 2031)))
    if kind < 0.8:
        return f"{int(rng.integers(1, 1000))},{_digits(rng, 3, 3)}"
    return f"{_digits(rng, 1, 3)}.{_digits(rng, 1, 2)}"


def _price(rng: np.random.Generator) -> str:
    amount = str(int(10 ** rng.uniform(0, 4)))
    cents = _pick((".00", ".99", ".50", ".95", "", "", "." + _digits(rng, 2, 2)), rng)
    return _pick(("$", "$", "", "Rs.", "RM", "USD"), rng) + amount + cents + _pick(("", "", "", "/-", "%", "+"), rng)


def _date(rng: np.random.Generator) -> str:
    day, month, year = int(rng.integers(1, 32)), int(rng.integers(1, 13)), int(rng.integers(1950, 2031))
    joint = _pick("/-.", rng)
    kind = rng.random()
    if kind < 0.4:
        return f"{day:02d}{joint}{month:02d}{joint}{year if kind < 0.2 else year % 100:02d}"
    if kind < 0.6:
        return f"{year}{joint}{month:02d}{joint}{day:02d}"
    month_name = _MONTHS[month - 1]
    return f"{day}{joint}{month_name}" if kind < 0.8 else _spelling(f"{month_name}{joint}{year}", rng)


def _time(rng: np.random.Generator) -> str:
    clock = f"{int(rng.integers(0, 24))}:{int(rng.integers(0, 60)):02d}"
    return clock + _pick(("", "", "am", "pm", "PM", ":" + f"{int(rng.integers(0, 60)):02d}"), rng)


def _code(rng: np.random.Generator) -> str:
    """Number plates, article and room numbers."""
    parts = []
    for _ in range(int(rng.integers(1, 4))):
        letters = rng.random() < 0.5
        source = string.ascii_uppercase if letters else string.digits
        parts.append("".join(_pick(source, rng) for _ in range(int(rng.integers(1, 5)))))
    return _pick(("", "", "", "-", "."), rng).join(parts)


def _letters(rng: np.random.Generator) -> str:
    """Any characters: they cannot be guessed from the word and must be seen."""
    source = _pick((string.ascii_lowercase, string.ascii_uppercase, string.ascii_letters + string.digits, ASCII), rng)
    length = 1 + int(min(rng.geometric(0.22), 14))
    return "".join(_pick(source, rng) for _ in range(length if rng.random() < 0.85 else 1))


def _initials(rng: np.random.Generator) -> str:
    letters = [_pick(string.ascii_uppercase, rng) for _ in range(int(rng.integers(1, 5)))]
    return _pick(("", ".", "&", "."), rng).join(letters) + _pick(("", "."), rng)


def _phone(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.4:
        return f"{_digits(rng, 3, 3)}-{_digits(rng, 4, 4)}"
    if kind < 0.7:
        return f"{_digits(rng, 3, 3)}-{_digits(rng, 3, 3)}-{_digits(rng, 4, 4)}"
    return (
        f"({_digits(rng, 3, 3)}){_digits(rng, 3, 3)}-{_digits(rng, 4, 4)}" if kind < 0.8 else "+" + _digits(rng, 9, 12)
    )


def _unit(rng: np.random.Generator) -> str:
    return _digits(rng, 1, 3) + _pick(_UNITS, rng)
