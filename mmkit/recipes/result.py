"""What a run gives back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mmkit.errors import EXIT_OK, EXIT_PARTIAL, MmkitError
from mmkit.recipes.plan import Plan
from mmkit.recipes.tables import open_table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RunResult", "StepResult", "Tables"]


@dataclass(frozen=True, slots=True)
class StepResult:
    """What became of one step.

    Attributes:
        status: ``cached`` (its output was at hand), ``done``, ``failed``, or ``skipped`` (after a failure).
        seconds: what it took; of a cached step, nothing.
        failures: items it could not process, also when cached.
        table: the Arrow file of its output.
    """

    id: str
    status: Literal["cached", "done", "failed", "skipped"]
    seconds: float = 0.0
    rows: int = 0
    failures: int = 0
    error: MmkitError | None = None
    table: Path | None = None


class Tables(Mapping[str, "pa.Table"]):
    """The tables of the finished steps by id, each mapped from its file when it is asked for."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = dict(paths)

    def __getitem__(self, step: str) -> pa.Table:
        return open_table(self._paths[step])

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a recipe.

    Attributes:
        plan: what was to be done; ``str(plan)`` is the text of ``--dry-run``.
        out: the output folder; None after a dry run.
        steps: by id, in the order of the plan; empty after a dry run.
    """

    plan: Plan
    out: Path | None = None
    steps: Mapping[str, StepResult] = field(default_factory=dict)

    @property
    def tables(self) -> Tables:
        """The tables of all steps that finished, by id."""
        return Tables({name: step.table for name, step in self.steps.items() if step.table is not None})

    @property
    def failures(self) -> int:
        """How many items could not be processed; ``failures.jsonl`` in ``out`` lists them."""
        return sum(step.failures for step in self.steps.values())

    @property
    def errors(self) -> tuple[MmkitError, ...]:
        """The errors of the steps that failed."""
        return tuple(step.error for step in self.steps.values() if step.error is not None)

    @property
    def exit_code(self) -> int:
        """0; 3 where items failed; that of the first error where a step did."""
        if self.errors:
            return self.errors[0].exit_code
        return EXIT_PARTIAL if self.failures else EXIT_OK

    def check(self) -> RunResult:
        """This result, or the error of the first step that failed.

        Raises:
            MmkitError: a step failed.
        """
        if self.errors:
            raise self.errors[0]
        return self
