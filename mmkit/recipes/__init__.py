"""Recipes: pipelines written down in TOML, checked as a whole, run step by step, cached by content.

Everything is loaded on first use, so that importing this room imports neither pyarrow nor any step's code.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mmkit.recipes.context import Event, StepContext
    from mmkit.recipes.library import RecipeEntry, check_recipe, describe, list_recipes
    from mmkit.recipes.model import Recipe
    from mmkit.recipes.plan import Plan, plan_recipe
    from mmkit.recipes.problems import RecipeProblem
    from mmkit.recipes.result import RunResult, StepResult
    from mmkit.recipes.run import run_recipe
    from mmkit.recipes.validate import load_recipe

__all__ = [
    "Event",
    "Plan",
    "Recipe",
    "RecipeEntry",
    "RecipeProblem",
    "RunResult",
    "StepContext",
    "StepResult",
    "check_recipe",
    "describe",
    "list_recipes",
    "load_recipe",
    "plan_recipe",
    "run_recipe",
]

_HOME: Final = {
    "Event": "context",
    "Plan": "plan",
    "Recipe": "model",
    "RecipeEntry": "library",
    "RecipeProblem": "problems",
    "RunResult": "result",
    "StepContext": "context",
    "StepResult": "result",
    "check_recipe": "library",
    "describe": "library",
    "list_recipes": "library",
    "load_recipe": "validate",
    "plan_recipe": "plan",
    "run_recipe": "run",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'mmkit.recipes' has no attribute {name!r}")
    return getattr(import_module(f"mmkit.recipes.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
