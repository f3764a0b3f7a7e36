"""How long a run goes on, and what the learning rate is meanwhile."""

from __future__ import annotations

import math
import time

__all__ = ["Budget", "one_cycle"]


class Budget:
    """Ends after so many seconds or steps, whichever comes first. The clock starts when it is made.

    Args:
        seconds, steps: at most; None for no limit, 0 for nothing at all.

    Attributes:
        step: how many are done; the training counts it up.

    Raises:
        ValueError: neither is given.
    """

    def __init__(self, *, seconds: float | None = None, steps: int | None = None) -> None:
        if seconds is None and steps is None:
            raise ValueError("Expected seconds or steps")
        self.seconds = math.inf if seconds is None else seconds
        self.steps = math.inf if steps is None else steps
        self.step = 0
        self._spent = 0.0
        self._started = time.monotonic()

    def take_up(self, *, spent: float, step: int) -> None:
        """Go on from what an earlier part of the run took."""
        self._spent, self._started = spent, time.monotonic()
        self.step = step

    @property
    def elapsed(self) -> float:
        """Seconds, those of an earlier part included."""
        return self._spent + time.monotonic() - self._started

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        if not self.steps or not self.seconds:
            return 1.0
        return min(1.0, max(self.step / self.steps, self.elapsed / self.seconds))

    @property
    def over(self) -> bool:
        """True where the run ends."""
        return self.progress >= 1.0


def one_cycle(progress: float, *, rise: float = 0.03, floor: float = 0.01) -> float:
    """The factor of the learning rate at a point from 0 to 1: up over the share ``rise``, then half a cosine down.

    It never falls below ``floor``.
    """
    if progress < rise:
        return max(floor, progress / rise)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - rise) / (1 - rise))))
