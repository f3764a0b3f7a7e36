"""How long a run goes on, and what the learning rate is meanwhile."""

from __future__ import annotations

import math
import time

__all__ = ["Budget", "one_cycle"]


class Budget:
    """Ends after so many seconds or steps, whichever comes first. The clock starts when it is made.

    Args:
        seconds, steps: at most; 0 for no limit, and one of them must be above 0.
        spent, step: seconds and steps that an earlier part of the run took.

    Attributes:
        step: how many are done; the training counts it up.

    Raises:
        ValueError: neither is above 0.
    """

    def __init__(self, *, seconds: float = 0.0, steps: int = 0, spent: float = 0.0, step: int = 0) -> None:
        if seconds <= 0 and steps <= 0:
            raise ValueError("Expected seconds or steps above 0")
        self.seconds = seconds if seconds > 0 else math.inf
        self.steps = steps if steps > 0 else math.inf
        self.step = step
        self._spent = spent
        self._started = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds, those of an earlier part included."""
        return self._spent + time.monotonic() - self._started

    @property
    def progress(self) -> float:
        """From 0 to 1."""
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
