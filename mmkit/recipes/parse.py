"""Bytes of a recipe file to data with positions; every way a file can be unreadable becomes a ``RecipeError``."""

from __future__ import annotations

import datetime
import math
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mmkit.errors import RecipeError
from mmkit.recipes.positions import KeyPath, Positions, deepest_nesting, longest_key
from mmkit.recipes.problems import RecipeProblem, raise_problems, shown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Document", "parse_recipe", "read_document"]

#: A recipe names steps and files; anything larger is data in the wrong place.
MAX_BYTES: Final = 1 << 20
#: Levels of brackets, parts of a dotted key and levels of the parsed data: far above use, far below recursion limits.
MAX_DEPTH: Final = 32

_PLACE: Final = re.compile(r"\s*\((?:at line (\d+), column (\d+)|at end of document)\)\s*$")


@dataclass(frozen=True, slots=True)
class Document:
    """A TOML text as data, with the place of every key.

    Attributes:
        file: the recipe as the user named it; it begins every message.
        data: what ``tomllib`` read: only tables, lists, text, booleans, 64-bit integers and floats other than nan.
    """

    file: str
    data: dict[str, Any]
    positions: Positions

    def problem(self, path: KeyPath, what: str, *, value: bool = False) -> RecipeProblem:
        """A problem with the key at ``path``, or with its value."""
        line, col = self.positions.value(path) if value else self.positions.key(path)
        return RecipeProblem(self.file, line, col, what)


def read_document(path: str | os.PathLike[str]) -> Document:
    """Read and parse a recipe file.

    Raises:
        RecipeError: it cannot be read, is not UTF-8, or is not TOML.
    """
    file = shown(os.fspath(path), 4096)[1:-1]
    try:
        if Path(path).is_dir():
            raise RecipeError([f"{file}: this is a folder; name the .toml file in it"])
        with open(path, "rb") as handle:
            raw = handle.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise RecipeError([f"{file}: no such recipe; 'mmkit recipes list FOLDER' shows those in a folder"]) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RecipeError([f"{file}: the recipe cannot be read: {reason}"]) from error
    return parse_recipe(raw, file)


def parse_recipe(raw: bytes, file: str) -> Document:
    """Parse the bytes of a recipe; ``file`` is what messages call it.

    Raises:
        RecipeError: with the line and column of what is wrong.
    """
    text = _decode(raw, file)
    positions = Positions([0, *(m.end() for m in re.finditer("\n", text))])
    for measure, what in ((deepest_nesting, "brackets nested"), (longest_key, "a dotted key of")):
        depth, offset = measure(text)
        if depth > MAX_DEPTH:
            line, col = positions.at(offset)
            raise RecipeError(
                [f"{file}:{line}:{col}: {what} more than {MAX_DEPTH} levels; a recipe needs two or three"]
            )
    try:
        data = tomllib.loads(text)
    except RecursionError as error:
        raise RecipeError([f"{file}:1:1: nested too deeply to be read"]) from error
    except ValueError as error:
        # Besides TOMLDecodeError, an integer of thousands of digits raises a bare ValueError.
        raise RecipeError([_syntax_problem(error, text, file, positions)]) from error
    document = Document(file, data, Positions.of(text))
    raise_problems(_value_problems(document))
    return document


def _decode(raw: bytes, file: str) -> str:
    if len(raw) > MAX_BYTES:
        raise RecipeError([f"{file}:1:1: larger than {MAX_BYTES >> 20} MiB; a recipe names steps and files, not data"])
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RecipeError([f"{file}:1:1: this is UTF-16 text; save the recipe as UTF-8"])
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        # tomllib joins line ends itself; doing it here keeps its columns and ours the same.
        text = raw.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line, col = _byte_place(raw, error.start)
        byte = raw[error.start]
        raise RecipeError([f"{file}:{line}:{col}: byte 0x{byte:02x} is not UTF-8; save the recipe as UTF-8"]) from error
    if (offset := text.find("\0")) >= 0:
        line, col = _byte_place(raw, len(text[:offset].encode()))
        raise RecipeError([f"{file}:{line}:{col}: a NUL character; this is not a text file"])
    return text


def _byte_place(raw: bytes, offset: int) -> tuple[int, int]:
    before = raw[:offset]
    line_start = before.rfind(b"\n") + 1
    return before.count(b"\n") + 1, len(before[line_start:].decode("utf-8", "replace")) + 1


def _syntax_problem(error: ValueError, text: str, file: str, positions: Positions) -> str:
    message = str(error)
    match = _PLACE.search(message)
    if match is None:
        return f"{file}:1:1: not valid TOML: an integer of thousands of digits"
    what = shown(message[: match.start()], 200)[1:-1]
    line, col = (int(match[1]), int(match[2])) if match[1] else positions.at(len(text))
    return f"{file}:{line}:{col}: not valid TOML: {what}"


def _value_problems(document: Document) -> list[RecipeProblem]:
    """Values that TOML allows and a recipe cannot carry; walked without recursion."""
    problems: list[RecipeProblem] = []
    pending: list[tuple[KeyPath, Any]] = [((), document.data)]
    while pending:
        path, value = pending.pop()
        if len(path) > MAX_DEPTH:
            problems.append(document.problem(path, f"nested more than {MAX_DEPTH} levels; a recipe needs two or three"))
        elif isinstance(value, dict):
            pending.extend(((*path, name), inner) for name, inner in value.items())
        elif isinstance(value, list):
            pending.extend(((*path, index), inner) for index, inner in enumerate(value))
        elif isinstance(value, (datetime.date, datetime.time)):
            problems.append(document.problem(path, "dates and times are written in quotes here", value=True))
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            problems.append(document.problem(path, "an integer that does not fit 64 bits", value=True))
        elif isinstance(value, float) and math.isnan(value):
            problems.append(document.problem(path, "nan is no value for a recipe", value=True))
    return problems
