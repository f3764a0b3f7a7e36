"""Run one step: read its tables, call it, and leave a finished output in the cache."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmkit.errors import MmkitError, PluginError
from mmkit.plugins import load_target
from mmkit.recipes.cache import FILES, TABLE, Cache, Entry
from mmkit.recipes.context import OnEvent, StepContext, ignore_event
from mmkit.recipes.model import StepFolder, StepTable, StoreFolder, TableFile, rebuilt
from mmkit.recipes.plan import PlannedStep
from mmkit.recipes.tables import atomically, open_table, write_table

if TYPE_CHECKING:
    import pyarrow as pa

    from mmkit.config import Settings

__all__ = ["FAILURES", "StepError", "StepJob", "StepOutcome", "execute", "job_of"]

FAILURES = "failures.jsonl"


class StepError(MmkitError):
    """A step raised something that is no ``MmkitError``: a defect of the step, or of what it rests on."""


@dataclass(frozen=True, slots=True)
class StepJob:
    """A step with everything it needs to run, here or in another process that sees the same disk.

    Attributes:
        values: the parameters; ``TableFile`` stands for tables still to be read.
    """

    step: str
    target: str
    values: Mapping[str, object]
    key: str
    parts: Mapping[str, str]
    root: Path
    cache_root: Path
    settings: Settings


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What came of a job: an entry of the cache, or the error."""

    step: str
    seconds: float
    entry: Entry | None = None
    error: MmkitError | None = None


def job_of(planned: PlannedStep, done: Mapping[str, Entry], *, root: Path, cache: Cache, settings: Settings) -> StepJob:
    """The job of a step whose needs are all in ``done``."""

    def folder(leaf: StepFolder) -> Path:
        return cache.folder(done[leaf.step]) / FILES / leaf.below

    values = {}
    for spec in planned.step.spec.params:
        value = rebuilt(
            planned.step.values.get(spec.name),
            {StepTable: lambda leaf: TableFile(cache.folder(done[leaf.step]) / TABLE), StepFolder: folder},
        )
        values[spec.name] = TableFile(value) if spec.kind == "table" and isinstance(value, Path) else value
    target = planned.step.spec.target
    return StepJob(planned.id, target, values, planned.key, planned.parts, root, cache.root, settings)


def execute(job: StepJob, on_event: OnEvent = ignore_event) -> StepOutcome:
    """Run ``job``; its output is in the cache when this returns without an error, and nothing is left otherwise."""
    started = time.perf_counter()
    cache = Cache(job.cache_root)
    try:
        folder = cache.new_folder(job.key)
    except OSError as error:
        trouble = MmkitError(f"the cache cannot be written: {error}", where=str(job.cache_root))
        return StepOutcome(job.step, time.perf_counter() - started, error=trouble)
    finished = False
    try:
        entry = _run(job, cache, folder, on_event, started)
        finished = True
        return StepOutcome(job.step, entry.seconds, entry)
    except MmkitError as error:
        return StepOutcome(job.step, time.perf_counter() - started, error=error)
    # A step is foreign code: whatever it raises, SystemExit too, is this step's failure and not the run's.
    except (Exception, SystemExit) as error:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        failure = StepError(f"the step failed with {text}", where=f"step '{job.step}'")
        failure.__cause__ = error
        return StepOutcome(job.step, time.perf_counter() - started, error=failure)
    finally:
        if not finished:
            shutil.rmtree(folder, ignore_errors=True)


def _run(job: StepJob, cache: Cache, folder: Path, on_event: OnEvent, started: float) -> Entry:
    function = load_target(job.target)
    context = StepContext(job.step, folder / FILES, job.root, job.settings, on_event)
    outside: list[str] = []

    def store(leaf: StoreFolder) -> Path:
        if leaf.path.is_absolute():
            outside.append(str(leaf.path))
        return context.out_dir / leaf.path

    values = {
        name: rebuilt(value, {TableFile: lambda leaf: _table(leaf.path, job.cache_root), StoreFolder: store})
        for name, value in job.values.items()
    }
    table = function(context, **values)
    import pyarrow as pa

    if not isinstance(table, pa.Table):
        raise PluginError(
            f"Expected a pyarrow.Table from {job.target}, but received {type(table).__name__}",
            where=f"step '{job.step}'",
        )
    write_table(table, folder / TABLE)
    if context.failures:
        lines = [
            json.dumps({"step": job.step, "id": failure.id, "reason": failure.reason}) for failure in context.failures
        ]
        atomically(folder / FAILURES, lambda path: path.write_text("\n".join(lines) + "\n", encoding="utf-8"))
    return cache.publish(
        Entry(
            job.key,
            dict(job.parts),
            folder.name,
            outside=tuple(path for path in outside if Path(path).is_dir()),
            rows=table.num_rows,
            failures=len(context.failures),
            seconds=time.perf_counter() - started,
        )
    )


def _table(path: Path, cache_root: Path) -> pa.Table:
    if path.name == TABLE and path.is_relative_to(cache_root):
        return open_table(path)
    from mmkit.media import read_table

    return read_table(path)
