"""How long a run goes on, and what the learning rate is meanwhile."""

from __future__ import annotations

import math
import time

__all__ = ["Budget"]


class Budget:
    """Ends after so many seconds or steps, whichever comes first.

    Args:
        seconds, steps: at most; 0 for no limit, and one of them must be above 0.
        spent: seconds that an earlier part of the run took.
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

    def rate(self, *, warmup: int = 200) -> float:
        """The factor of the learning rate: up over ``warmup`` steps or a tenth of all, then half a cosine to 2 %."""
        rise = min(1.0, (self.step + 1) / max(1.0, min(warmup, self.steps / 10)))
        return rise * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * self.progress)))

    @property
    def over(self) -> bool:
        """True where the run ends."""
        return self.progress >= 1.0
