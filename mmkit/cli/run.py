"""``mmkit run``: run a recipe."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmkit.cli.options import DeviceOption, JsonOption, OfflineOption, chosen_settings, new_app
from mmkit.cli.output import emit, emit_json, note, shown_path, table
from mmkit.cli.progress import Progress
from mmkit.errors import UsageError

if TYPE_CHECKING:
    from mmkit.recipes import Event, RunResult

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
        plan = plan_recipe(recipe, params, from_step=from_step, settings=chosen)
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
        on_event=_Listener(),
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


class _Listener:
    """Tells what happens in a run on stderr: a line a step, and a bar for a step that counts its items."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._done = 0

    def __call__(self, event: Event) -> None:
        if event.kind == "progress":
            if self._bar is None:
                self._bar = Progress(event.step, total=event.total or None)
                self._done = 0
            self._bar.advance(event.done - self._done)
            self._done = event.done
            return
        if event.kind in ("done", "failed") and self._bar is not None:
            self._bar.close()
            self._bar = None
        if event.kind == "done":
            note(f"{event.step}: done in {event.seconds:.1f} s")
        elif event.kind in ("message", "failed", "cached", "skipped"):
            words = "" if event.kind == "message" else f"{event.kind} "
            note(f"{event.step}: {words}{event.message}".rstrip())


def _print(result: RunResult, json: bool) -> None:
    if json:
        emit_json(
            {
                "recipe": result.plan.recipe.name,
                "out": str(result.out),
                "exit_code": result.exit_code,
                "steps": [asdict(step) for step in result.steps.values()],
            }
        )
        return
    heads = ["step", "status", "rows", "failed", "seconds"]
    rows = [
        [step.id, step.status, str(step.rows), str(step.failures), f"{step.seconds:.1f}"]
        for step in result.steps.values()
    ]
    table([heads, *rows])
    emit(f"outputs: {shown_path(str(result.out))}")
    for made in _artefacts(result):
        emit(f"made: {shown_path(str(made))}")
    for error in result.errors:
        note(f"error: {error}")


def _artefacts(result: RunResult) -> list[Path]:
    """The files that steps made beside their tables, such as pictures and reports; stores are folders of their own."""
    if result.out is None:
        return []
    return [file for step in result.steps for file in sorted((result.out / step).glob("*")) if file.is_file()]
