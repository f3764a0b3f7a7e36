"""A progress bar on stderr, for a terminal, for work that takes longer than a second."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mmkit.types import Modality

__all__ = ["Progress"]

_PATIENCE_S: Final = 1.0
_UNCOUNTED: Final = (".tar", ".tar.gz", ".tgz", ".parquet", ".csv", ".tsv", ".jsonl")


class Progress:
    """Counts items; shows a bar with rate and remaining time once a second has passed, whether or not one is done.

    Args:
        label: what is being done.
        total: how many items there will be; None if unknown.
        inputs: arguments to count in the background where ``total`` is not known.
        modality: what the inputs are taken as; by default whatever each of them is.
    """

    def __init__(
        self,
        label: str,
        *,
        total: int | None = None,
        inputs: Sequence[str] = (),
        modality: Modality | None = None,
    ) -> None:
        self._label = label
        self._total = total
        self._done = 0.0
        self._started = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._wanted = sys.stderr.isatty()
        self._lock = threading.Lock()
        self._first: threading.Timer | None = None
        if self._wanted and total is None and inputs and not any(_uncountable(text) for text in inputs):
            threading.Thread(target=self._count, args=(list(inputs), modality), daemon=True).start()

    def __enter__(self) -> Progress:
        if self._wanted:
            # The first item may itself take minutes.
            self._first = threading.Timer(1.1 * _PATIENCE_S, self.advance, (0,))
            self._first.daemon = True
            self._first.start()
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
        with self._lock:
            self._wanted = False
            if self._first is not None:
                self._first.cancel()
            if self._bar is not None:
                self._bar.stop()

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self._started

    def advance(self, items: float = 1) -> None:
        """Count items, or a share of one, as done."""
        with self._lock:
            self._done += items
            if not self._wanted or self.seconds < _PATIENCE_S:
                return
            if self._bar is None:
                self._show()
            rate = self._done / self.seconds
            shown = f"{rate:.1f}/s" if rate >= 0.1 or not rate else f"{60 * rate:.1f}/min"
            self._bar.update(self._task, completed=self._done, total=self._total, rate=shown)

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

    def _count(self, inputs: list[str], modality: Modality | None) -> None:
        from mmkit.pipeline.sources import items_from

        count = sum(1 for _ in items_from(inputs, modality=modality))
        self._total = count


def _uncountable(text: str) -> bool:
    return text == "-" or text.lower().endswith(_UNCOUNTED) or not (os.path.exists(text) or "*" in text)
