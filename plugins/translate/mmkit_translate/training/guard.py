"""A watch for losses and gradients that are no numbers."""

from __future__ import annotations

import math

from mmkit.errors import MmkitError

__all__ = ["FiniteGuard"]


class FiniteGuard:
    """Counts the steps that must be left out, and ends a run that gives nothing else.

    Attributes:
        skipped: steps left out so far.
    """

    def __init__(self, *, patience: int = 20) -> None:
        self._patience = patience
        self._row = 0
        self.skipped = 0

    def passes(self, value: float) -> bool:
        """False where ``value``, a loss or the norm of gradients, is no number: leave this step out.

        Raises:
            MmkitError: ``patience`` in a row.
        """
        if math.isfinite(value):
            self._row = 0
            return True
        self._row += 1
        self.skipped += 1
        if self._row >= self._patience:
            raise MmkitError(
                f"{self._row} steps in a row had a loss or gradient that is not finite",
                mend="the last good checkpoint stands: go on with --resume and a smaller --learning-rate",
            )
        return False
