"""One thing wrong with a recipe: where, what, and the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from mmkit.errors import RecipeError

__all__ = ["RecipeProblem", "nearest", "raise_problems", "shown"]


@dataclass(frozen=True, slots=True, order=True)
class RecipeProblem:
    """A problem at one place; prints as ``file:line:col: what``.

    Attributes:
        file: the recipe as the user named it, or ``-p`` for a value given on the command line.
        line, col: both from 1; 0 where there is no place in a file.
        severity: an ``error`` stops the recipe, a ``warning`` does not.
    """

    file: str
    line: int
    col: int
    what: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.col}" if self.line else self.file
        return f"{place}: {'warning: ' if self.severity == 'warning' else ''}{self.what}"


def raise_problems(problems: Iterable[RecipeProblem]) -> None:
    """Raise ``RecipeError`` with every error among ``problems`` in the order of the file, if there is one."""
    errors = sorted({p for p in problems if p.severity == "error"})
    if errors:
        raise RecipeError([str(p) for p in errors])


def shown(value: object, limit: int = 60) -> str:
    """``value`` on one line, escaped and cut, so that no text of a recipe can garble a message."""
    text = value if isinstance(value, str) else _brief(value)
    text = text[: limit + 1]
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return f"'{text}'" if isinstance(value, str) else text


def _brief(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def nearest(name: str, valid: Iterable[str]) -> str:
    """What to say about an unknown ``name``: the nearest valid one, else the valid ones where they are few."""
    # A valid name can come from the recipe too, such as that of a parameter.
    choices = sorted(shown(choice)[1:-1] for choice in valid)
    # difflib is quadratic in the length of the text, and a recipe can hold any text.
    close = difflib.get_close_matches(name[:80], choices, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    if 0 < len(choices) <= 12:
        return f"; valid: {', '.join(choices)}"
    return ""
