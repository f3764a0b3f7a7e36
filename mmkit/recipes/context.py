"""What a step is given beside its parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from mmkit.errors import UsageError
from mmkit.types import Failure

if TYPE_CHECKING:
    from mmkit.config import Settings

__all__ = ["Event", "EventKind", "OnEvent", "StepContext", "ignore_event"]

EventKind = Literal["plan", "start", "message", "progress", "cached", "done", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run, for a progress display.

    Attributes:
        step: the step's id, empty for ``plan``.
        message: one line: the text of ``report``, why a step runs, or how it failed.
        done, total: items; total is 0 where it is not known.
        seconds: what the step took, for ``done`` and ``failed``.
    """

    kind: EventKind
    step: str = ""
    message: str = ""
    done: int = 0
    total: int = 0
    seconds: float = 0.0


OnEvent = Callable[[Event], None]


def ignore_event(event: Event) -> None:
    """The listener of a run that nobody watches."""


@dataclass(slots=True)
class StepContext:
    """The surroundings of one running step.

    Attributes:
        step: the step's id.
        out_dir: the folder that is this step's own; what is written there is kept with its output.
        root: the recipe's folder.
        settings: how mmkit runs.
        device: ``settings.device``.
        failures: items that could not be processed; add to it, or call ``fail``.
    """

    step: str
    out_dir: Path
    root: Path
    settings: Settings
    on_event: OnEvent = ignore_event
    failures: list[Failure] = field(default_factory=list)

    @property
    def device(self) -> str:
        return self.settings.device

    def report(self, message: str) -> None:
        """Tell the user something in one line."""
        self.on_event(Event("message", self.step, " ".join(str(message).split())))

    def progress(self, done: int, total: int = 0) -> None:
        """Say how many items are done, of how many."""
        self.on_event(Event("progress", self.step, done=done, total=total))

    def fail(self, id: str, reason: object) -> None:
        """Record an item that could not be processed and go on."""
        self.failures.append(Failure(str(id), " ".join(str(reason).split()) or type(reason).__name__))

    def artefact(self, name: str) -> Path:
        """The path of a file to write in ``out_dir``; folders in ``name`` are made.

        Raises:
            UsageError: the name would leave ``out_dir``.
        """
        relative = PurePosixPath(name)
        if not relative.parts or relative.is_absolute() or ".." in relative.parts or "\0" in name or "\\" in name:
            raise UsageError(f"Expected a name within the step's folder, but received {name!r}", where=self.step)
        path = self.out_dir / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
