"""The recipes there are: found in folders, described without running anything."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmkit.errors import RecipeError
from mmkit.hookspecs import REQUIRED, StepSpec
from mmkit.recipes.model import Recipe
from mmkit.recipes.parse import read_document
from mmkit.recipes.validate import load_recipe

__all__ = ["RecipeEntry", "check_recipe", "describe", "list_recipes"]


@dataclass(frozen=True, slots=True)
class RecipeEntry:
    """A recipe file in a folder.

    Attributes:
        problem: the first thing that is wrong with it, empty where it reads as a recipe.
    """

    name: str
    path: Path
    description: str = ""
    problem: str = ""


def list_recipes(folders: Iterable[str | os.PathLike[str]]) -> list[RecipeEntry]:
    """The ``*.toml`` files directly in ``folders`` that have a ``[recipe]`` section or cannot be read, by name."""
    entries = []
    for folder in dict.fromkeys(map(Path, folders)):
        for path in sorted(folder.glob("*.toml")):
            try:
                section = read_document(path).data.get("recipe")
            except RecipeError as error:
                entries.append(RecipeEntry(path.stem, path, problem=error.problems[0]))
                continue
            if isinstance(section, dict):
                name, description = section.get("name"), section.get("description")
                entries.append(
                    RecipeEntry(
                        name if isinstance(name, str) else path.stem,
                        path,
                        description if isinstance(description, str) else "",
                    )
                )
    return sorted(entries, key=lambda entry: (entry.name, str(entry.path)))


def check_recipe(path: str | os.PathLike[str], *, steps: Mapping[str, StepSpec] | None = None) -> list[str]:
    """Every error and warning of a recipe, each as ``file:line:col: what``; parameters still to be given are none."""
    try:
        recipe = load_recipe(path, steps=steps, complete=False)
    except RecipeError as error:
        return error.problems
    return [str(problem) for problem in recipe.warnings]


def describe(recipe: Recipe) -> dict[str, Any]:
    """What ``recipes show`` prints, as plain data: name, description, parameters and steps."""
    return {
        "name": recipe.name,
        "description": recipe.description,
        "path": str(recipe.path),
        "params": [
            {
                "name": param.name,
                "default": None if param.default is REQUIRED else param.default,
                "required": param.default is REQUIRED,
                "help": param.help,
                "choices": list(param.choices),
            }
            for param in recipe.params.values()
        ],
        "steps": [
            {"id": step.id, "use": step.spec.name, "summary": step.spec.summary, "needs": list(step.needs)}
            for step in recipe.steps
        ],
    }
