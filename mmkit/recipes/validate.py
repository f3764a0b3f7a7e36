"""From a parsed document to a ``Recipe``, with every problem found on the way reported at once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mmkit.hookspecs import REQUIRED, ParamSpec, StepSpec
from mmkit.recipes.drafts import StepDraft, check_keys, step_drafts
from mmkit.recipes.graph import cycles, ordered
from mmkit.recipes.model import Recipe, RecipeParam, RecipeStep, StoreFolder, needed_steps
from mmkit.recipes.params import declared_params, missing_params, with_given
from mmkit.recipes.parse import Document, read_document
from mmkit.recipes.positions import KeyPath
from mmkit.recipes.problems import RecipeProblem, nearest, raise_problems, shown
from mmkit.recipes.references import UNKNOWN, Resolver
from mmkit.recipes.values import WANTED, Mismatch, ValueReader

__all__ = ["RECIPE_NAME", "installed_steps", "load_recipe", "validate"]

#: A recipe's name is the name of its output folder, so it must be one everywhere.
RECIPE_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
_SECTIONS: Final = ("recipe", "params", "step")
_RECIPE_KEYS: Final = ("name", "description")


def installed_steps() -> Mapping[str, StepSpec]:
    """The steps of the core and of every plugin that loads."""
    from mmkit.plugins import step_specs

    return step_specs()


def load_recipe(
    path: str | os.PathLike[str],
    params: Mapping[str, object] | None = None,
    *,
    steps: Mapping[str, StepSpec] | None = None,
    complete: bool = True,
) -> Recipe:
    """Read a recipe file and check all of it: names, types, references, paths, cycles.

    Args:
        params: values for ``[params]``; text is read as the type of the default, and relative paths in it start
            where the user is, not at the recipe.
        steps: the steps there are by name; those installed where None.
        complete: whether a parameter that is still to be given is a problem; what uses it is not checked then.

    Raises:
        RecipeError: with every problem, each as ``file:line:col: what``.
    """
    document = read_document(path)
    known_steps = installed_steps() if steps is None else steps
    return validate(document, Path(path), params or {}, steps=known_steps, complete=complete)


def validate(
    document: Document,
    path: Path,
    params: Mapping[str, object],
    *,
    steps: Mapping[str, StepSpec],
    complete: bool = True,
) -> Recipe:
    """Check ``document``; ``path`` is the file it came from, whose folder its paths are relative to.

    Raises:
        RecipeError: with every problem.
    """
    problems: list[RecipeProblem] = []
    check_keys(document, document.data, (), _SECTIONS, "section {}", problems)
    name, description = _recipe_section(document, problems)
    declared = declared_params(document, problems)
    known = with_given(declared, params, problems)
    if complete:
        problems.extend(missing_params(document, known))
    drafts = step_drafts(document, steps, problems)
    root = Path(os.path.abspath(path)).parent
    checker = _StepChecker(document, known, {draft.id for draft in drafts if draft.id}, root, Path.cwd(), problems)
    built = [checker.step(draft) for draft in drafts]
    _check_cycles(document, drafts, built, problems)
    for unused in known.keys() - checker.resolver.used:
        line, col = document.positions.key(("params", unused))
        what = f"the parameter {shown(unused)} is not used"
        problems.append(RecipeProblem(document.file, line, col, what, "warning"))
    raise_problems(problems)
    by_id = {step.id: step for step in built}
    order = ordered({step.id: step.needs for step in built})
    return Recipe(
        name,
        description,
        document.file,
        Path(os.path.abspath(path)),
        root,
        known,
        tuple(by_id[one] for one in order),
        tuple(sorted(p for p in problems if p.severity == "warning")),
    )


def _recipe_section(document: Document, problems: list[RecipeProblem]) -> tuple[str, str]:
    section = document.data.get("recipe")
    if not isinstance(section, dict):
        what = "the section [recipe] with a name is missing" if section is None else "Expected the section [recipe]"
        problems.append(document.problem(("recipe",), what))
        return "", ""
    check_keys(document, section, ("recipe",), _RECIPE_KEYS, "key {} of [recipe]", problems)
    name, description = section.get("name"), section.get("description", "")
    if name is None:
        problems.append(document.problem(("recipe",), "[recipe] has no name"))
    elif not isinstance(name, str) or not RECIPE_NAME.fullmatch(name):
        what = f"{shown(name)} cannot name a recipe; use letters, digits, '.', '_' and '-', 64 at most"
        problems.append(document.problem(("recipe", "name"), what, value=True))
    if not isinstance(description, str):
        what = f"Expected text for description, but received {shown(description)}"
        problems.append(document.problem(("recipe", "description"), what, value=True))
    return str(name), str(description)


@dataclass(slots=True)
class _StepChecker:
    document: Document
    params: Mapping[str, RecipeParam]
    ids: set[str]
    root: Path
    cwd: Path
    problems: list[RecipeProblem]
    resolver: Resolver = field(init=False)
    stores: dict[Path, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.resolver = Resolver(self.params, self.ids, self.fail)

    def fail(self, path: KeyPath, what: str) -> None:
        self.problems.append(self.document.problem(path, what, value=True))

    def step(self, draft: StepDraft) -> RecipeStep:
        """The step with its values; after a problem the values are incomplete, the needs are not."""
        path = (*draft.path, "with")
        resolved = {name: self.resolver.resolve(value, (*path, name)) for name, value in draft.values.items()}
        needs = tuple(sorted(set(needed_steps(resolved))))
        if draft.spec is None:
            return RecipeStep(draft.id, StepSpec("", "", ""), {}, needs)
        specs = {spec.name: spec for spec in draft.spec.params}
        for name in draft.values:
            if name not in specs:
                what = f"unknown parameter {shown(name)} of {draft.spec.name}{nearest(name, specs)}"
                self.problems.append(self.document.problem((*path, name), what))
        values = {}
        for name, spec in specs.items():
            if name in resolved:
                values[name] = self.value(spec, resolved[name], (*path, name))
            elif spec.default is REQUIRED:
                place = path if "with" in self._table(draft.path) else (*draft.path, "use")
                what = f"{draft.spec.name} needs '{name}', {WANTED.get(spec.kind, 'a value')}"
                self.problems.append(self.document.problem(place, what))
            elif isinstance(spec.default, (list, tuple)) and not spec.default:
                # A recipe may not write an empty list of paths, but a step may do without any.
                values[name] = []
            else:
                values[name] = self.value(spec, spec.default, (*draft.path, "use"))
        self.check_stores(draft, values)
        return RecipeStep(draft.id, draft.spec, values, needs)

    def value(self, spec: ParamSpec, value: object, path: KeyPath) -> object:
        if value is UNKNOWN or value is None:
            return None
        try:
            return ValueReader(self.root, self.cwd).read(spec, value)
        except Mismatch as mismatch:
            self.fail(path, f"{spec.name}: {mismatch}")
            return None

    def check_stores(self, draft: StepDraft, values: Mapping[str, object]) -> None:
        for name, value in values.items():
            if isinstance(value, StoreFolder):
                place = Path(os.path.normpath(Path(draft.id) / value.path))
                if place in self.stores:
                    owner = self.stores[place]
                    self.fail((*draft.path, "with", name), f"{name}: the step '{owner}' writes the same folder")
                self.stores.setdefault(place, draft.id)

    def _table(self, path: KeyPath) -> Mapping[str, Any]:
        table: Any = self.document.data
        for part in path:
            table = table[part]
        return table if isinstance(table, dict) else {}


def _check_cycles(
    document: Document, drafts: list[StepDraft], built: list[RecipeStep], problems: list[RecipeProblem]
) -> None:
    paths = {draft.id: draft.path for draft in drafts if draft.id}
    needs = {step.id: tuple(need for need in step.needs if need in paths) for step in built if step.id}
    problems.extend(
        document.problem(paths[cycle[0]], f"the steps need each other: {' → '.join(cycle)}") for cycle in cycles(needs)
    )
