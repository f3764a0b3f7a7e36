"""A recipe as plain data: parameters, steps, and the values that stand for what other steps make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mmkit.hookspecs import REQUIRED, StepSpec
from mmkit.recipes.problems import RecipeProblem

__all__ = [
    "Recipe",
    "RecipeParam",
    "RecipeStep",
    "StepFolder",
    "StepTable",
    "StoreFolder",
    "TableFile",
    "needed_steps",
    "rebuilt",
]


@dataclass(frozen=True, slots=True)
class StepTable:
    """``${STEP}``: the table that a step returns."""

    step: str


@dataclass(frozen=True, slots=True)
class StepFolder:
    """``${STEP}/below`` where a path is wanted: something in the folder of files that a step wrote."""

    step: str
    below: str = ""


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table to be read from ``path``, in any format that ``mmkit.media.read_table`` knows."""

    path: Path


@dataclass(frozen=True, slots=True)
class StoreFolder:
    """A folder that the step writes: relative to the step's own folder, or absolute where the user gave it."""

    path: Path


@dataclass(frozen=True, slots=True)
class RecipeParam:
    """One entry of ``[params]``.

    Attributes:
        default: ``REQUIRED`` where the user must give the value.
        value: what holds for this run; ``REQUIRED`` where it was not given.
        given: whether the user gave it.
    """

    name: str
    default: object = REQUIRED
    value: object = REQUIRED
    help: str = ""
    choices: tuple[object, ...] = ()
    given: bool = False


@dataclass(frozen=True, slots=True)
class RecipeStep:
    """One ``[[step]]`` whose parameters are checked and resolved.

    Attributes:
        values: every parameter of ``spec`` by name; ``StepTable`` and its like stand for what is not made yet.
        needs: the ids of the steps whose output it takes, sorted.
    """

    id: str
    spec: StepSpec
    values: Mapping[str, object]
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe that passed every check.

    Attributes:
        file: the recipe as the user named it.
        root: the folder that its paths are relative to and may not leave.
        steps: so ordered that each comes after the steps it needs, else as written.
        warnings: what is odd but stops nothing.
    """

    name: str
    description: str
    file: str
    path: Path
    root: Path
    params: Mapping[str, RecipeParam]
    steps: tuple[RecipeStep, ...]
    warnings: tuple[RecipeProblem, ...] = ()


_Leaf: TypeAlias = StepTable | StepFolder


def _leaves(value: object) -> Iterator[_Leaf]:
    if isinstance(value, (StepTable, StepFolder)):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _leaves(inner)


def needed_steps(value: object) -> tuple[str, ...]:
    """The ids of the steps that a value refers to, in the order in which it does."""
    return tuple(leaf.step for leaf in _leaves(value))


def rebuilt(value: object, replace: Mapping[type, object]) -> object:
    """A copy of a nested value in which ``replace[type](leaf)`` stands for each leaf of such a type."""
    function = replace.get(type(value))
    if callable(function):
        return function(value)
    if isinstance(value, Mapping):
        return {name: rebuilt(inner, replace) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [rebuilt(inner, replace) for inner in value]
    return value
