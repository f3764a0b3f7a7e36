"""The ``[[step]]`` tables of a document: their keys, ids and the steps they use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mmkit.hookspecs import StepSpec
from mmkit.recipes.parse import Document
from mmkit.recipes.positions import KeyPath
from mmkit.recipes.problems import RecipeProblem, nearest, shown

__all__ = ["StepDraft", "check_keys", "step_drafts"]

_STEP_ID: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
#: Names of files beside the steps' outputs, words of the reference syntax, and names Windows keeps for itself.
_RESERVED: Final = frozenset({"params", "env", "run", "failures", "con", "nul", "aux", "prn"})
_STEP_KEYS: Final = ("id", "use", "with")
_MOST_STEPS: Final = 1000


def check_keys(
    document: Document,
    table: Mapping[str, Any],
    path: KeyPath,
    valid: tuple[str, ...],
    noun: str,
    problems: list[RecipeProblem],
) -> None:
    """Report every key of ``table`` that is not ``valid``; ``noun`` says what a key is, with ``{}`` for its name."""
    problems.extend(
        document.problem((*path, key), f"unknown {noun.format(shown(key))}{nearest(key, valid)}")
        for key in table
        if key not in valid
    )


@dataclass(frozen=True, slots=True)
class StepDraft:
    """One ``[[step]]`` as written; ``id`` is empty and ``spec`` None where there is a problem with them."""

    path: KeyPath
    id: str
    spec: StepSpec | None
    values: Mapping[str, Any]


def step_drafts(document: Document, steps: Mapping[str, StepSpec], problems: list[RecipeProblem]) -> list[StepDraft]:
    """The steps of ``document``; what is wrong with them is added to ``problems``."""
    tables = document.data.get("step")
    if isinstance(tables, dict):
        problems.append(document.problem(("step",), "write [[step]], with two brackets, for each step"))
        tables = [tables]
    elif not isinstance(tables, list) or not tables:
        what = "a recipe needs at least one [[step]]"
        problems.append(document.problem(("step",), what if not tables else f"Expected [[step]]; {what}"))
        return []
    if len(tables) > _MOST_STEPS:
        problems.append(document.problem(("step",), f"{len(tables)} steps; {_MOST_STEPS} at most"))
        return []
    taken: dict[str, tuple[str, int]] = {}
    drafts = []
    for index, table in enumerate(tables):
        path: KeyPath = ("step", index) if isinstance(document.data["step"], list) else ("step",)
        if not isinstance(table, dict):
            problems.append(document.problem(path, f"Expected [[step]], but received {shown(table)}"))
            continue
        check_keys(document, table, path, _STEP_KEYS, "key {} of a step", problems)
        identifier = _step_id(document, table, path, taken, problems)
        spec = _step_spec(document, table, path, steps, problems)
        values = table.get("with", {})
        if not isinstance(values, dict):
            what = f"Expected with = {{ … }}, but received {shown(values)}"
            problems.append(document.problem((*path, "with"), what, value=True))
            values, spec = {}, None
        drafts.append(StepDraft(path, identifier, spec, values))
    return drafts


def _step_id(
    document: Document,
    table: Mapping[str, Any],
    path: KeyPath,
    taken: dict[str, tuple[str, int]],
    problems: list[RecipeProblem],
) -> str:
    identifier = table.get("id")
    here = (*path, "id")
    if identifier is None:
        problems.append(document.problem(path, "the step has no id"))
        return ""
    if not isinstance(identifier, str) or not _STEP_ID.fullmatch(identifier):
        what = f"{shown(identifier)} cannot be an id; begin with a letter and use letters, digits, '_' and '-'"
        problems.append(document.problem(here, what, value=True))
        return ""
    if identifier.lower() in _RESERVED:
        problems.append(document.problem(here, f"the id '{identifier}' is reserved", value=True))
    # Outputs are files named after the id, and some file systems do not tell "Read" from "read".
    folded = identifier.lower()
    if folded in taken:
        other, line = taken[folded]
        what = f"the id '{identifier}' is taken by the step of line {line}"
        if other != identifier:
            what = f"the outputs of '{identifier}' and '{other}' of line {line} would be the same files on some systems"
        problems.append(document.problem(here, what, value=True))
        return identifier if other != identifier else ""
    taken[folded] = identifier, document.positions.key(path)[0]
    return identifier


def _step_spec(
    document: Document,
    table: Mapping[str, Any],
    path: KeyPath,
    steps: Mapping[str, StepSpec],
    problems: list[RecipeProblem],
) -> StepSpec | None:
    use = table.get("use")
    if use is None:
        problems.append(document.problem(path, "the step does not say what to use"))
    elif not isinstance(use, str):
        problems.append(
            document.problem((*path, "use"), f"Expected the name of a step, but received {shown(use)}", value=True)
        )
    elif use not in steps:
        what = f"unknown step {shown(use)}{nearest(use, steps)}"
        plugin, dot, _ = use.partition(".")
        if dot and not any(name.startswith(f"{plugin}.") for name in steps):
            what += f"; no plugin that is installed offers {shown(plugin + '.')} steps, see 'mmkit plugins list'"
        problems.append(document.problem((*path, "use"), what, value=True))
    else:
        return steps[use]
    return None
