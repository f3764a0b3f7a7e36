"""``${params.NAME}`` and ``${STEP}`` in the values of a recipe."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from mmkit.hookspecs import REQUIRED
from mmkit.recipes.model import RecipeParam, StepFolder, StepTable
from mmkit.recipes.paths import GivenText
from mmkit.recipes.positions import KeyPath
from mmkit.recipes.problems import nearest, shown

__all__ = ["UNKNOWN", "Resolver", "has_reference"]

_REFERENCE: Final = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")


class _Unknown:
    """The type of ``UNKNOWN``."""

    def __repr__(self) -> str:
        return "UNKNOWN"


#: Stands for a value that has a problem of its own, so that no second one is reported about it.
UNKNOWN: Final = _Unknown()


def has_reference(value: object) -> bool:
    """Whether text holds ``${``."""
    return isinstance(value, str) and _REFERENCE.search(value) is not None


@dataclass(slots=True)
class Resolver:
    """Puts values in the place of references and notes what was used.

    Attributes:
        params: the parameters by name.
        steps: the ids of all steps.
        fail: called with the path of a value and what is wrong with it.
        used: the parameters referred to so far.
    """

    params: Mapping[str, RecipeParam]
    steps: Collection[str]
    fail: Callable[[KeyPath, str], None]
    used: set[str] = field(default_factory=set)

    def resolve(self, value: object, path: KeyPath) -> object:
        """``value`` with every reference resolved; ``UNKNOWN`` where one cannot be."""
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, list):
            items = [self.resolve(inner, (*path, index)) for index, inner in enumerate(value)]
            return UNKNOWN if any(item is UNKNOWN for item in items) else items
        if isinstance(value, dict):
            table = {name: self.resolve(inner, (*path, name)) for name, inner in value.items()}
            return UNKNOWN if any(item is UNKNOWN for item in table.values()) else table
        return value

    def _text(self, text: str, path: KeyPath) -> object:
        pieces: list[object] = []
        end = 0
        for match in _REFERENCE.finditer(text):
            if match.start() > end:
                pieces.append(text[end : match.start()])
            end = match.end()
            if match.group() == "$${":
                pieces.append("${")
            elif match[1] is None:
                self.fail(path, "'${' without its '}'; write '$${' for the characters themselves")
                return UNKNOWN
            else:
                pieces.append(self._lookup(match[1].strip(), path))
        if end < len(text):
            pieces.append(text[end:])
        return self._joined(pieces, text, path)

    def _joined(self, pieces: list[object], text: str, path: KeyPath) -> object:
        if any(piece is UNKNOWN for piece in pieces):
            return UNKNOWN
        if len(pieces) == 1:
            return pieces[0]
        tables = [piece for piece in pieces if isinstance(piece, StepTable)]
        if tables:
            rest = pieces[1:]
            below = "".join(str(piece) for piece in rest)
            if pieces[0] is tables[0] and len(tables) == 1 and below.startswith("/") and all(map(_is_plain, rest)):
                return StepFolder(tables[0].step, below.strip("/"))
            self.fail(path, f"{shown(text)} puts a table into text; '${{STEP}}' stands alone or begins a path")
            return UNKNOWN
        if not all(map(_is_plain, pieces)):
            self.fail(path, f"{shown(text)} puts a list into text; refer to it alone")
            return UNKNOWN
        joined = "".join(("true" if p else "false") if isinstance(p, bool) else str(p) for p in pieces)
        return GivenText(joined) if pieces and isinstance(pieces[0], GivenText) else joined

    def _lookup(self, name: str, path: KeyPath) -> object:
        section, dot, rest = name.partition(".")
        if section == "params" and dot:
            if rest not in self.params:
                self.fail(path, f"unknown parameter {shown(rest)}{nearest(rest, self.params)}")
                return UNKNOWN
            self.used.add(rest)
            value = self.params[rest].value
            return UNKNOWN if value is REQUIRED else value
        if section == "env":
            self.fail(path, "recipes do not read environment variables; make it a parameter and give it with -p")
        elif name in self.steps:
            return StepTable(name)
        elif dot and section in self.steps:
            self.fail(
                path, f"'${{{section}}}' is the whole table of the step; columns are named in the step's own with"
            )
        else:
            valid = [*self.steps, *(f"params.{known}" for known in self.params)]
            self.fail(path, f"unknown reference {shown(name)}{nearest(name, valid)}")
        return UNKNOWN


def _is_plain(piece: object) -> bool:
    return isinstance(piece, (str, bool, int, float))
