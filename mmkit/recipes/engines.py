"""Where the steps of a recipe run: here, one after the other, or as tasks of Ray."""

from __future__ import annotations

import os
from concurrent.futures import Future
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Protocol

from mmkit.errors import MissingExtra, UsageError
from mmkit.plugins import load_target, registry
from mmkit.recipes.context import OnEvent
from mmkit.recipes.execute import StepJob, StepOutcome, execute
from mmkit.recipes.problems import nearest, shown

__all__ = ["Engine", "LocalEngine", "RayEngine", "engine"]


class Engine(Protocol):
    """Runs jobs that are ready; entered before the first and left after the last, also when the run breaks off.

    ``submit`` may run the job at once or later and elsewhere; the run hands it every job as soon as the job's needs
    are met, and waits for whichever future is done first. Jobs and outcomes can be pickled.
    """

    def __enter__(self) -> Engine: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def submit(self, job: StepJob, on_event: OnEvent) -> Future[StepOutcome]: ...


class LocalEngine:
    """One step after the other in this process.

    Steps that could run side by side do not: each already keeps the cores or the device busy with batches of its own,
    and two models at once would only share the memory.
    """

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def submit(self, job: StepJob, on_event: OnEvent) -> Future[StepOutcome]:
        future: Future[StepOutcome] = Future()
        future.set_result(execute(job, on_event))
        return future


class RayEngine:
    """Each ready step is a task of Ray; independent branches run at once.

    Joins the cluster that ``RAY_ADDRESS`` names, else starts Ray on this machine and stops it at the end. The cache
    folder must be on a disk that every node sees. Progress within a step is not shown.

    Raises:
        MissingExtra: the package ray is not installed.
    """

    def __init__(self) -> None:
        if find_spec("ray") is None:
            raise MissingExtra("ray", extra="ray", feature="the engine 'ray'")
        self._started = False
        self._tasks: dict[Future[StepOutcome], Any] = {}

    def __enter__(self) -> RayEngine:
        import ray

        if not ray.is_initialized():
            # Ray reports its use over the network unless told not to.
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
            self._started = True
        self._execute = ray.remote(execute)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import ray

        for future, task in self._tasks.items():
            if not future.done():
                ray.cancel(task)
        if self._started:
            ray.shutdown()

    def submit(self, job: StepJob, on_event: OnEvent) -> Future[StepOutcome]:
        task = self._execute.remote(job)
        future: Future[StepOutcome] = task.future()
        self._tasks[future] = task
        return future


def engine(name: str) -> Engine:
    """The engine of that name, of the core or of a plugin, not entered yet.

    Raises:
        UsageError: there is none of that name.
        MissingExtra: it needs a package that is not installed.
    """
    entries = registry().engines
    if name not in entries:
        raise UsageError(f"no engine {shown(name)}{nearest(name, entries)}", where="--engine")
    entry = entries[name]
    made: Engine = load_target(entry.target, extra=entry.extra, feature=f"the engine '{name}'")()
    return made
