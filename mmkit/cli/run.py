"""``mmkit run``: run a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmkit.cli.options import DeviceOption, JsonOption, OfflineOption, chosen_settings, new_app
from mmkit.cli.output import emit, emit_json, note
from mmkit.errors import UsageError

if TYPE_CHECKING:
    from mmkit.recipes import RunResult

app = new_app("Run a recipe: a pipeline written down in TOML.")


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="The TOML file.", show_default=False)],
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="Set a parameter; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where outputs go.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run and why, and stop.")] = False,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="After a failure, go on with what can.")] = False,
    from_step: Annotated[
        str | None, typer.Option("--from", metavar="STEP", help="Run this step and all after it again.")
    ] = None,
    engine: Annotated[str, typer.Option("--engine", metavar="NAME", help="local or ray.")] = "local",
    device: DeviceOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """Run a recipe; steps whose inputs have not changed are taken from the cache.

    \b
    Examples:
      mmkit run recipes/quickstart.toml
      mmkit run recipes/quickstart.toml -p query="a red car" --out red-cars
      mmkit run recipes/quickstart.toml --dry-run
    """
    from mmkit.recipes import plan_recipe, run_recipe

    params = _params(param or [])
    chosen = chosen_settings(device=device, offline=offline)
    if dry_run:
        plan = plan_recipe(recipe, params, out=out, from_step=from_step, settings=chosen)
        emit(str(plan))
        return 0
    result = run_recipe(
        recipe,
        params,
        out=out,
        keep_going=keep_going,
        from_step=from_step,
        engine=engine,
        settings=chosen,
        on_event=note,
    )
    _print(result, json)
    return result.exit_code


def _params(given: list[str]) -> dict[str, str]:
    params: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"Expected NAME=VALUE, but received {text!r}", where="--param")
        params[name.strip()] = value
    return params


def _print(result: RunResult, json: bool) -> None:
    if json:
        emit_json(result.summary())
    else:
        emit(str(result))
