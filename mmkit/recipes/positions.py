"""Where each key of a TOML text stands, which ``tomllib`` does not tell.

The scanner reads text that ``tomllib`` has accepted (or is about to judge), so it never reports an error of its
own: on anything it does not understand it goes on to the next line, and a lookup falls back to the parent.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["KeyPath", "Position", "Positions", "deepest_nesting", "longest_key"]

KeyPath: TypeAlias = tuple[str | int, ...]
Position: TypeAlias = tuple[int, int]

# ``open`` is a multi-line string that never ends: lexing stops there, or each such quote would scan to the end.
_TOKEN: Final = re.compile(
    r"""
      (?P<string>  \"\"\"(?:[^\\]|\\.)*?\"{3,5} | '''.*?'{3,5} )
    | (?P<open>    \"\"\" | ''' )
    | (?P<quoted>  "(?:[^"\\\n]|\\.)*" | '[^'\n]*' )
    | (?P<comment> \#[^\n]* )
    | (?P<newline> \n )
    | (?P<space>   [ \t\r]+ )
    | (?P<punct>   [\[\]{}=,.] )
    | (?P<bare>    [^\s\[\]{}=,.\#"']+ )
    | (?P<other>   . )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        if kind == "open":
            return
        if kind not in ("comment", "space"):
            yield _Token(kind, match.group(), match.start())


def deepest_nesting(text: str) -> tuple[int, int]:
    """The deepest level of brackets in a TOML text and the offset where it is reached, found without recursion."""
    depth = deepest = offset = 0
    for token in _tokens(text):
        if token.kind == "punct" and token.text in "[{":
            depth += 1
            if depth > deepest:
                deepest, offset = depth, token.start
        elif token.kind == "punct" and token.text in "]}":
            depth = max(0, depth - 1)
    return deepest, offset


def longest_key(text: str) -> tuple[int, int]:
    """The most parts that a dotted key of a TOML text has and the offset of its last part."""
    dots = most = offset = 0
    previous_dot = True
    for token in _tokens(text):
        if token.kind == "punct" and token.text == ".":
            dots, previous_dot = dots + 1, True
        elif token.kind in ("bare", "quoted") and previous_dot:
            previous_dot = False
        else:
            dots, previous_dot = 0, token.kind in ("bare", "quoted")
        if dots + 1 > most:
            most, offset = dots + 1, token.start
    return most, offset


@dataclass(slots=True)
class Positions:
    """Line and column, both from 1, of the keys and values of a TOML text by their path in the parsed data.

    ``("step", 0, "with", "inputs")`` is the key ``inputs`` of the first ``[[step]]``.
    """

    _lines: list[int]
    _keys: dict[KeyPath, int] = field(default_factory=dict)
    _values: dict[KeyPath, int] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str) -> Positions:
        """Index ``text``; its nesting must have been bounded with ``deepest_nesting`` before."""
        lines = [0, *(m.end() for m in re.finditer("\n", text))]
        positions = cls(lines)
        _Scanner(text, positions).scan()
        return positions

    def at(self, offset: int) -> Position:
        """Line and column of a character."""
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def key(self, path: KeyPath) -> Position:
        """Where the key stands; the nearest parent that is known where it is not."""
        return self._lookup(self._keys, path)

    def value(self, path: KeyPath) -> Position:
        """Where the value of the key stands; the key itself where that is not known."""
        if path in self._values:
            return self.at(self._values[path])
        return self.key(path)

    def _lookup(self, table: dict[KeyPath, int], path: KeyPath) -> Position:
        for length in range(len(path), 0, -1):
            if path[:length] in table:
                return self.at(table[path[:length]])
        return 1, 1

    def __contains__(self, path: object) -> bool:
        return path in self._keys

    def note_key(self, path: KeyPath, offset: int) -> None:
        """Record a key; the first place counts, as in ``a.b = 1`` before ``a.c = 2``."""
        self._keys.setdefault(path, offset)

    def note_value(self, path: KeyPath, offset: int) -> None:
        """Record where a value begins."""
        self._values.setdefault(path, offset)


class _Scanner:
    def __init__(self, text: str, positions: Positions) -> None:
        self.tokens = list(_tokens(text))
        self.next = 0
        self.positions = positions
        self.array_lengths: dict[KeyPath, int] = {}

    def peek(self) -> _Token | None:
        return self.tokens[self.next] if self.next < len(self.tokens) else None

    def at(self, text: str) -> bool:
        token = self.peek()
        return token is not None and token.kind == "punct" and token.text == text

    def scan(self) -> None:
        header: KeyPath = ()
        while (token := self.peek()) is not None:
            if token.kind == "newline":
                self.next += 1
            elif self.at("["):
                header = self.header()
            else:
                self.pair(header)
                self.skip_line()

    def header(self) -> KeyPath:
        self.next += 1
        is_array = self.at("[")
        self.next += is_array
        parts = self.key()
        self.skip_line()
        if not parts:
            return ()
        path: KeyPath = ()
        for number, (name, offset) in enumerate(parts):
            path = (*path, name)
            self.positions.note_key(path, offset)
            if is_array and number == len(parts) - 1:
                self.array_lengths[path] = self.array_lengths.get(path, 0) + 1
            if path in self.array_lengths:
                path = (*path, self.array_lengths[path] - 1)
                self.positions.note_key(path, offset)
        return path

    def pair(self, parent: KeyPath) -> None:
        parts = self.key()
        path = parent
        for name, offset in parts:
            path = (*path, name)
            self.positions.note_key(path, offset)
        if parts and self.at("="):
            self.next += 1
            self.value(path)

    def key(self) -> list[tuple[str, int]]:
        parts: list[tuple[str, int]] = []
        while (token := self.peek()) is not None and token.kind in ("bare", "quoted"):
            parts.append((_key_text(token), token.start))
            self.next += 1
            if not self.at("."):
                break
            self.next += 1
        return parts

    def value(self, path: KeyPath) -> None:
        token = self.peek()
        if token is None:
            return
        self.positions.note_value(path, token.start)
        if self.at("["):
            self.array(path)
        elif self.at("{"):
            self.inline_table(path)
        else:
            while (token := self.peek()) is not None and token.kind != "newline":
                if token.kind == "punct" and token.text in ",]}":
                    return
                self.next += 1

    def array(self, path: KeyPath) -> None:
        self.next += 1
        index = 0
        while (token := self.peek()) is not None:
            if self.at("]"):
                self.next += 1
                return
            if token.kind == "newline" or self.at(","):
                self.next += 1
                continue
            before = self.next
            self.positions.note_key((*path, index), token.start)
            self.value((*path, index))
            index += 1
            # A stray brace is not a value; step over it so that the scan always moves on.
            self.next += self.next == before

    def inline_table(self, path: KeyPath) -> None:
        self.next += 1
        while (token := self.peek()) is not None:
            if self.at("}"):
                self.next += 1
                return
            if token.kind == "newline" or self.at(","):
                self.next += 1
                continue
            before = self.next
            self.pair(path)
            self.next += self.next == before

    def skip_line(self) -> None:
        while (token := self.peek()) is not None and token.kind != "newline":
            self.next += 1


def _key_text(token: _Token) -> str:
    if token.kind == "bare":
        return token.text
    try:
        return next(iter(tomllib.loads(f"{token.text} = 0")))
    except (ValueError, StopIteration):
        return token.text[1:-1]
