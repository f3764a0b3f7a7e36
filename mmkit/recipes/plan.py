"""What a run would do: every step with its key, and whether its output is at hand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmkit.errors import UsageError
from mmkit.hookspecs import StepSpec
from mmkit.recipes.cache import Cache
from mmkit.recipes.graph import dependants
from mmkit.recipes.hashing import FileHashes, InputDigest
from mmkit.recipes.keys import difference, input_digests, key_of, key_parts, model_fingerprint
from mmkit.recipes.model import Recipe, RecipeStep
from mmkit.recipes.problems import nearest, shown
from mmkit.recipes.validate import load_recipe

if TYPE_CHECKING:
    from mmkit.config import Settings

__all__ = ["Plan", "PlannedStep", "cache_of", "make_plan", "plan_recipe"]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step of a plan.

    Attributes:
        key: under which its output is or will be cached.
        parts: what the key is made of, by name.
        digests: the hashes of its input files, by parameter.
        model: the fingerprint of the models it uses.
        cached: whether the output is at hand and will be used.
        reason: why it runs, in a few words; ``cached`` where it does not.
        final: whether no other step needs it.
    """

    step: RecipeStep
    key: str
    parts: Mapping[str, str]
    digests: Mapping[str, InputDigest]
    model: str
    cached: bool
    reason: str
    final: bool

    @property
    def id(self) -> str:
        return self.step.id


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe with everything known that can be known without running it.

    Attributes:
        steps: in the order in which they can run.
    """

    recipe: Recipe
    steps: tuple[PlannedStep, ...]

    def __str__(self) -> str:
        width = max(len(planned.id) for planned in self.steps)
        uses = max(len(planned.step.spec.name) for planned in self.steps)
        lines = [f"{self.recipe.name}: {len(self.steps)} steps, {sum(not p.cached for p in self.steps)} to run"]
        for planned in self.steps:
            verb = "cached" if planned.cached else "run   "
            needs = f" after {', '.join(planned.step.needs)}" if planned.step.needs else ""
            reason = "" if planned.cached else f" ({planned.reason})"
            lines.append(f"  {verb}  {planned.id:<{width}}  {planned.step.spec.name:<{uses}}{needs}{reason}".rstrip())
        return "\n".join(lines)


def cache_of(settings: Settings) -> Cache:
    """The cache of recipe steps in ``settings.cache_dir``."""
    return Cache(Path(settings.cache_dir) / "recipes")


def plan_recipe(
    path: str | os.PathLike[str],
    params: Mapping[str, object] | None = None,
    *,
    from_step: str | None = None,
    steps: Mapping[str, StepSpec] | None = None,
    settings: Settings | None = None,
) -> Plan:
    """Check a recipe and say which of its steps would run, and why; nothing runs.

    Raises:
        RecipeError: the recipe has problems.
        UsageError: there is no step ``from_step``.
        ModelUnavailable: a step names a model that cannot be had.
    """
    from mmkit.config import settings as settings_in_force

    recipe = load_recipe(path, params, steps=steps)
    return make_plan(recipe, cache_of(settings or settings_in_force()), from_step=from_step)


def make_plan(recipe: Recipe, cache: Cache, *, from_step: str | None = None) -> Plan:
    """The plan of a checked recipe; ``from_step`` and all that need it run even if their outputs are at hand."""
    needs = {step.id: step.needs for step in recipe.steps}
    if from_step is not None and from_step not in needs:
        raise UsageError(f"no step {shown(from_step)} in {recipe.name}{nearest(from_step, needs)}", where="--from")
    forced = dependants(from_step, needs) if from_step is not None else set()
    needed = {need for others in needs.values() for need in others}
    keys: dict[str, str] = {}
    planned = []
    with FileHashes(cache.hashes) as hashes:
        for step in recipe.steps:
            model = model_fingerprint(step)
            digests = input_digests(step, hashes)
            parts = key_parts(step, model=model, digests=digests, upstream=keys)
            keys[step.id] = key = key_of(parts)
            cached = step.id not in forced and cache.find(key) is not None
            reason = "cached"
            if step.id in forced:
                reason = "asked for with --from" if step.id == from_step else f"comes after {from_step}"
            elif not cached:
                reason = difference(parts, cache.last_parts(place_of(recipe, step.id)))
            planned.append(PlannedStep(step, key, parts, digests, model, cached, reason, step.id not in needed))
    return Plan(recipe, tuple(planned))


def place_of(recipe: Recipe, step: str) -> str:
    """What identifies a step of a recipe from one run to the next."""
    return f"{recipe.path}\n{step}"
