"""``mmkit recipes``: list, show and check recipes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from mmkit.cli.options import JsonOption, new_app
from mmkit.cli.output import emit, emit_json, note, table
from mmkit.errors import EXIT_OK, EXIT_USAGE, RecipeError, UsageError

app = new_app("List, show and check recipes.")

RecipeArgument = Annotated[Path, typer.Argument(metavar="RECIPE", help="The TOML file.", show_default=False)]


@app.command("list")
def list_command(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="FOLDERS...", help="Where to look; default: here and ./recipes.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the recipes in some folders.

    \b
    Example:
      mmkit recipes list recipes
    """
    from mmkit.recipes import list_recipes

    if missing := [folder for folder in folders or () if not folder.is_dir()]:
        raise UsageError("there is no such folder", where=str(missing[0]))
    found = list_recipes(folders or [Path(), Path("recipes")])
    if json:
        for recipe in found:
            emit_json(asdict(recipe))
    elif found:
        table(
            [
                ["recipe", "what it does"],
                *([str(recipe.path), recipe.problem or recipe.description] for recipe in found),
            ]
        )
    else:
        note("no recipe is here")


@app.command()
def show(recipe: RecipeArgument, json: JsonOption = False) -> None:
    """Show a recipe: its parameters, its steps and what each one reads.

    \b
    Example:
      mmkit recipes show recipes/quickstart.toml
    """
    from mmkit.recipes import describe, load_recipe

    facts = describe(load_recipe(recipe, complete=False))
    if json:
        emit_json(facts)
        return
    emit(f"{facts['name']}: {facts['description']}" if facts["description"] else facts["name"])
    if facts["params"]:
        emit("")
        table([["parameter", "default", "what it is"], *(_param_row(param) for param in facts["params"])])
    emit("")
    steps = ([step["id"], step["use"], ", ".join(step["needs"]), step["summary"]] for step in facts["steps"])
    table([["step", "use", "after", "what it does"], *steps])


def _param_row(param: dict[str, Any]) -> list[str]:
    return [param["name"], "(required)" if param["required"] else str(param["default"]), param["help"]]


@app.command()
def check(
    recipes: Annotated[list[Path], typer.Argument(metavar="RECIPES...", help="TOML files.", show_default=False)],
) -> int:
    """Report every error of one or more recipes, each as file:line:col.

    \b
    Example:
      mmkit recipes check recipes/*.toml
    """
    from mmkit.recipes import load_recipe

    code = EXIT_OK
    for path in recipes:
        try:
            recipe = load_recipe(path, complete=False)
            for warning in recipe.warnings:
                emit(str(warning))
            emit(f"{path}: no errors")
        except RecipeError as error:
            for problem in error.problems:
                emit(problem)
            code = EXIT_USAGE
    return code
