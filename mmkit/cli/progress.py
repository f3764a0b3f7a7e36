"""A progress bar on stderr, for a terminal, for work that takes longer than a second."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final

__all__ = ["Progress"]

_PATIENCE_S: Final = 1.0
_UNCOUNTED: Final = (".tar", ".tar.gz", ".tgz", ".parquet", ".csv", ".tsv", ".jsonl")


class Progress:
    """Counts items; shows a bar with rate and remaining time once a second has passed.

    Args:
        label: what is being done.
        total: how many items there will be; None if unknown.
        inputs: arguments to count in the background where ``total`` is not known.
    """

    def __init__(self, label: str, *, total: int | None = None, inputs: Sequence[str] = ()) -> None:
        self._label = label
        self._total = total
        self._done = 0
        self._started = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._wanted = sys.stderr.isatty()
        if self._wanted and total is None and inputs and not any(_uncountable(text) for text in inputs):
            threading.Thread(target=self._count, args=(list(inputs),), daemon=True).start()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def set_total(self, total: int) -> None:
        """Say how many items there will be, once that is known."""
        self._total = total

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self._started

    def advance(self, items: int = 1) -> None:
        """Count items as done."""
        self._done += items
        if not self._wanted or self.seconds < _PATIENCE_S:
            return
        if self._bar is None:
            self._show()
        rate = f"{self._done / self.seconds:.1f}/s"
        self._bar.update(self._task, completed=self._done, total=self._total, rate=rate)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(self._label, total=self._total, rate="")
        self._bar.start()

    def _count(self, inputs: list[str]) -> None:
        from mmkit.pipeline.sources import items_from

        count = sum(1 for _ in items_from(inputs))
        self._total = count


def _uncountable(text: str) -> bool:
    return text == "-" or text.lower().endswith(_UNCOUNTED) or not (os.path.exists(text) or "*" in text)
