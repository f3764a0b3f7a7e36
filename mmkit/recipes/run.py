"""Run a recipe: plan it, hand ready steps to an engine, and keep what is finished."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mmkit.errors import MmkitError
from mmkit.hookspecs import StepSpec
from mmkit.recipes.cache import TABLE, Cache, Entry
from mmkit.recipes.context import Event, OnEvent, ignore_event
from mmkit.recipes.engines import Engine
from mmkit.recipes.engines import engine as named_engine
from mmkit.recipes.execute import StepError, StepOutcome, job_of
from mmkit.recipes.outputs import RunFolder, with_readable_tables
from mmkit.recipes.plan import Plan, PlannedStep, cache_of, make_plan, place_of
from mmkit.recipes.record import run_record
from mmkit.recipes.result import RunResult, StepResult
from mmkit.recipes.validate import load_recipe

if TYPE_CHECKING:
    from mmkit.config import Settings

__all__ = ["run_recipe"]


def run_recipe(
    path: str | os.PathLike[str],
    params: Mapping[str, object] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
    keep_going: bool = False,
    from_step: str | None = None,
    engine: str = "local",
    steps: Mapping[str, StepSpec] | None = None,
    on_event: OnEvent | None = None,
    settings: Settings | None = None,
) -> RunResult:
    """Run a recipe and return what became of every step; a failed step is in the result, not raised.

    A step whose output is in the cache is not run again, so a run that was killed goes on from its finished steps.

    Args:
        params: values for ``[params]``; relative paths in them start at the working directory.
        out: the output folder; ``runs/NAME`` in the working directory where None. The outputs of an earlier run of the
            same recipe are replaced step by step; a folder that holds anything else is refused.
        dry_run: plan only.
        keep_going: after a failed step go on with the steps that do not need it.
        from_step: run this step and all that need it, even if their outputs are at hand.
        engine: ``local``, ``ray``, or a plugin's.
        steps: the steps there are by name; those installed where None.
        on_event: called with every ``Event``, in this thread.

    Raises:
        RecipeError: the recipe has problems; nothing has run.
        UsageError: there is no such step or engine, or ``out`` cannot be used.
        ModelUnavailable: a step names a model that cannot be had.
        KeyboardInterrupt: passed on after the step in hand was cleaned up.
    """
    from mmkit.config import settings as settings_in_force

    settings = settings or settings_in_force()
    listen = on_event or ignore_event
    recipe = load_recipe(path, params, steps=steps)
    cache = cache_of(settings)
    plan = make_plan(recipe, cache, from_step=from_step)
    listen(Event("plan", message=str(plan)))
    if dry_run:
        return RunResult(plan)
    chosen = named_engine(engine)
    folder = RunFolder(
        Path(os.path.abspath(out)) if out is not None else Path.cwd() / "runs" / recipe.name, recipe.name
    )
    try:
        folder.claim(planned.id for planned in plan.steps)
        if from_step is not None:
            for planned in plan.steps:
                if not planned.cached:
                    cache.forget(planned.key)
        run = _Run(plan, cache, folder, settings, listen, keep_going, engine)
        results = run.go(chosen)
        cache.sweep()
    except OSError as error:
        where = os.fspath(error.filename) if error.filename else str(folder.path)
        raise MmkitError(f"the outputs cannot be written: {error.strerror or error}", where=where) from error
    return RunResult(plan, folder.path, results)


@dataclass(slots=True)
class _Run:
    plan: Plan
    cache: Cache
    folder: RunFolder
    settings: Settings
    listen: OnEvent
    keep_going: bool
    engine_name: str
    entries: dict[str, Entry] = field(default_factory=dict)
    results: dict[str, StepResult] = field(default_factory=dict)
    running: dict[Future[StepOutcome], PlannedStep] = field(default_factory=dict)
    clock: float = field(default_factory=time.perf_counter)
    started: str = field(default_factory=lambda: datetime.datetime.now(datetime.timezone.utc).isoformat("T", "seconds"))

    def go(self, engine: Engine) -> dict[str, StepResult]:
        self.write("running")
        status = "interrupted"
        try:
            with engine:
                self.loop(engine)
            for planned in self.plan.steps:
                if planned.id not in self.results:
                    self.skip(planned)
            failed = any(result.error is not None for result in self.results.values())
            partial = any(result.failures for result in self.results.values())
            status = "failed" if failed else "partial" if partial else "ok"
        except OSError:
            status = "failed"
            raise
        finally:
            self.folder.write_failures(self.cache, self.entries)
            self.write(status)
        return {planned.id: self.results[planned.id] for planned in self.plan.steps}

    def loop(self, engine: Engine) -> None:
        while True:
            planned = self.next_ready()
            if planned is not None:
                entry = self.cache.find(planned.key) if planned.cached else None
                if entry is not None:
                    self.finish(planned, entry, "cached")
                    continue
                self.listen(Event("start", planned.id, planned.reason))
                job = job_of(
                    planned, self.entries, root=self.plan.recipe.root, cache=self.cache, settings=self.settings
                )
                self.running[engine.submit(job, self.listen)] = planned
            elif self.running:
                wait(self.running, return_when=FIRST_COMPLETED)
            else:
                return
            for future in [future for future in self.running if future.done()]:
                self.settle(self.running.pop(future), future)

    def next_ready(self) -> PlannedStep | None:
        if not self.keep_going and any(result.status == "failed" for result in self.results.values()):
            return None
        begun = {planned.id for planned in self.running.values()} | self.results.keys()
        for planned in self.plan.steps:
            if planned.id not in begun and all(need in self.entries for need in planned.step.needs):
                return planned
        return None

    def settle(self, planned: PlannedStep, future: Future[StepOutcome]) -> None:
        trouble = future.exception()
        if trouble is not None:
            error: MmkitError = StepError(f"the engine lost the step: {trouble}", where=f"step '{planned.id}'")
            outcome = StepOutcome(planned.id, 0.0, error=error)
        else:
            outcome = future.result()
        if outcome.entry is not None:
            self.finish(planned, outcome.entry, "done")
            return
        self.results[planned.id] = StepResult(planned.id, "failed", outcome.seconds, error=outcome.error)
        self.listen(Event("failed", planned.id, str(outcome.error), seconds=outcome.seconds))

    def finish(self, planned: PlannedStep, entry: Entry, status: str) -> None:
        if planned.final:
            entry = with_readable_tables(self.cache, entry)
        self.entries[planned.id] = entry
        self.folder.put(planned.id, self.cache, entry, final=planned.final)
        self.cache.note_last(place_of(self.plan.recipe, planned.id), planned.parts)
        table = self.cache.folder(entry) / TABLE
        if status == "cached":
            result = StepResult(planned.id, "cached", 0.0, entry.rows, entry.failures, table=table)
            self.listen(Event("cached", planned.id))
        else:
            result = StepResult(planned.id, "done", entry.seconds, entry.rows, entry.failures, table=table)
            self.listen(Event("done", planned.id, f"{entry.rows} rows", seconds=entry.seconds))
        self.results[planned.id] = result

    def skip(self, planned: PlannedStep) -> None:
        missing = [need for need in planned.step.needs if need not in self.entries]
        why = f"needs {', '.join(missing)}" if missing else "an earlier step failed"
        self.results[planned.id] = StepResult(planned.id, "skipped")
        self.listen(Event("skipped", planned.id, why))

    def write(self, status: str) -> None:
        seconds = time.perf_counter() - self.clock
        self.folder.write_run(
            run_record(
                self.plan,
                self.results,
                engine=self.engine_name,
                status=status,
                started=self.started,
                seconds=seconds,
            )
        )
