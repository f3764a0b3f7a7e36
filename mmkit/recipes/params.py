"""``[params]`` of a recipe together with the values that the user gives with ``-p``."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from mmkit.hookspecs import REQUIRED
from mmkit.recipes.model import RecipeParam
from mmkit.recipes.parse import MAX_DEPTH, Document
from mmkit.recipes.paths import GivenText
from mmkit.recipes.problems import RecipeProblem, nearest, shown
from mmkit.recipes.references import has_reference

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["declared_params", "missing_params", "with_given"]

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_DECLARATION_KEYS: Final = ("default", "help", "choices")
_ORIGIN: Final = "-p"


def declared_params(document: Document, problems: list[RecipeProblem]) -> dict[str, RecipeParam]:
    """The entries of ``[params]``: ``name = default``, or ``name = { default = …, help = "…", choices = […] }``.

    A declaration without a default must be given by the user.
    """
    section = document.data.get("params", {})
    if not isinstance(section, dict):
        problems.append(document.problem(("params",), "Expected the section [params], but received a value"))
        return {}
    declared: dict[str, RecipeParam] = {}
    for name, value in section.items():
        path = ("params", name)
        if not _NAME.fullmatch(name):
            problems.append(
                document.problem(path, f"{shown(name)} cannot name a parameter; use letters, digits, '_' and '-'")
            )
        declared[name] = _declared(document, name, value, problems)
        pending = [((*path, "default") if isinstance(value, dict) else path, declared[name].default)]
        while pending:
            place, default = pending.pop()
            if isinstance(default, list):
                pending.extend(((*place, index), inner) for index, inner in enumerate(default))
            elif has_reference(default):
                problems.append(document.problem(place, "a default cannot refer to anything", value=True))
    return declared


def _declared(document: Document, name: str, value: object, problems: list[RecipeProblem]) -> RecipeParam:
    if not isinstance(value, dict):
        return RecipeParam(name, value, value)
    path = ("params", name)
    for key in value:
        if key not in _DECLARATION_KEYS:
            what = f"unknown key {shown(key)} of a parameter{nearest(key, _DECLARATION_KEYS)}"
            problems.append(document.problem((*path, key), what))
    help_text, choices = value.get("help", ""), value.get("choices", [])
    if not isinstance(help_text, str):
        problems.append(document.problem((*path, "help"), "Expected text for help", value=True))
        help_text = ""
    if not isinstance(choices, list) or any(isinstance(choice, (dict, list)) for choice in choices):
        problems.append(document.problem((*path, "choices"), "Expected a list of plain values for choices", value=True))
        choices = []
    default = value.get("default", REQUIRED)
    if choices and default is not REQUIRED and default not in choices:
        what = f"the default {shown(default)} is not among the choices"
        problems.append(document.problem((*path, "default"), what, value=True))
    return RecipeParam(name, default, default, help_text, tuple(choices))


def with_given(
    declared: Mapping[str, RecipeParam],
    given: Mapping[str, object],
    problems: list[RecipeProblem],
) -> dict[str, RecipeParam]:
    """``declared`` with the user's values in place; text is read as the type that the default has.

    A value of None counts as not given.
    """
    params = dict(declared)
    for name, value in given.items():
        if value is None:
            continue
        if name not in declared:
            problems.append(_problem(f"unknown parameter {shown(name)}{nearest(name, declared)}"))
            continue
        param = declared[name]
        try:
            value = _plain_value(value)
            if isinstance(value, str):
                value = _converted(value, param.default)
        except ValueError as error:
            problems.append(_problem(f"{name}: {error}"))
            params[name] = replace(param, value=REQUIRED, given=True)
            continue
        if param.choices and value not in param.choices:
            valid = ", ".join(str(choice) for choice in param.choices)
            problems.append(_problem(f"{name}: {shown(value)} is not a choice; valid: {valid}"))
        params[name] = replace(param, value=_marked(value), given=True)
    return params


def missing_params(document: Document, params: Mapping[str, RecipeParam]) -> list[RecipeProblem]:
    """A problem for each parameter that has neither a default nor a value from the user."""
    missing = [name for name, param in params.items() if param.value is REQUIRED and not param.given]
    what = "the parameter {} has no default; give it with -p NAME=VALUE"
    return [document.problem(("params", name), what.format(shown(name))) for name in missing]


def _problem(what: str) -> RecipeProblem:
    return RecipeProblem(_ORIGIN, 0, 0, what)


def _converted(text: str, default: object) -> object:
    if isinstance(default, str) or default is REQUIRED:
        return text
    if isinstance(default, list) and not text.lstrip().startswith("["):
        return [text]
    try:
        read = tomllib.loads(f"value = {text}")
        value = _plain_value(read["value"])
    except (ValueError, RecursionError):
        value = read = None
    if value is not None and read is not None and len(read) == 1:
        if isinstance(default, bool) or isinstance(value, bool):
            matches = isinstance(default, bool) and isinstance(value, bool)
        elif isinstance(default, float):
            matches = isinstance(value, (int, float))
        else:
            matches = isinstance(value, type(default))
        if matches:
            return float(value) if isinstance(default, float) and isinstance(value, (int, float)) else value
    wanted = {bool: "true or false", int: "a whole number", float: "a number", list: "a list"}
    raise ValueError(f"Expected {wanted.get(type(default), 'a value')} as in the recipe, but received {shown(text)}")


def _plain_value(value: object, depth: int = 0) -> object:
    """A value from Python as the recipe's own types."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} levels")
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, (list, tuple)):
        return [_plain_value(inner, depth + 1) for inner in value]
    if isinstance(value, Mapping):
        return {str(name): _plain_value(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, float) and value != value:
        raise ValueError("nan is no value for a recipe")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("an integer that does not fit 64 bits")
    if isinstance(value, (str, bool, int, float)):
        return value
    raise ValueError(f"Expected text, a number, true or false, or a list, but received a {type(value).__name__}")


def _marked(value: object) -> object:
    if isinstance(value, str):
        return GivenText(value)
    if isinstance(value, list):
        return [_marked(inner) for inner in value]
    if isinstance(value, dict):
        return {name: _marked(inner) for name, inner in value.items()}
    return value
