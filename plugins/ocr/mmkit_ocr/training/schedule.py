"""How long to train and how fast: budgets in steps or seconds, a one-cycle rate, averaged weights."""

from __future__ import annotations

import math
import time
from typing import Final

import torch
from torch import Tensor, nn

__all__ = ["Average", "Budget", "one_cycle"]

_FLOOR: Final = 0.002


class Budget:
    """A stage's length, in steps or in seconds from its first step.

    Args:
        until: instead of both, the second (of ``time.time``) at which it ends.

    Raises:
        ValueError: none or several are given.
    """

    def __init__(self, *, steps: int | None = None, seconds: float | None = None, until: float | None = None) -> None:
        if sum(given is not None for given in (steps, seconds, until)) != 1:
            raise ValueError("Expected either steps, or seconds, or until")
        if until is not None:
            seconds = max(0.0, until - time.time())
        self.steps, self.seconds = steps, seconds
        self.step = 0
        self._started: float | None = None

    def progress(self) -> float:
        """From 0 to 1 at the end."""
        if self.steps is not None:
            return min(1.0, self.step / max(1, self.steps))
        if not self.seconds:
            return 1.0
        if self._started is None:
            self._started = time.monotonic()
        return min(1.0, (time.monotonic() - self._started) / self.seconds)

    def advance(self) -> None:
        """Count one step as done."""
        self.step += 1


def one_cycle(progress: float, *, warm: float = 0.08) -> float:
    """The share of the peak rate at a point from 0 to 1: a linear rise, then a cosine down to almost nothing."""
    if progress < warm:
        return max(_FLOOR, progress / warm)
    return _FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm) / (1 - warm))))


class Average:
    """An exponential moving average of a module's weights, quick at first.

    Attributes:
        mean: the averaged weights, in the order of ``module.parameters()``.
        steps: how often they were updated.
    """

    def __init__(self, module: nn.Module, *, decay: float = 0.9985) -> None:
        self._decay = decay
        self.steps = 0
        self._own = list(module.parameters())
        self.mean = [value.detach().clone() for value in self._own]

    def update(self) -> None:
        """Take the module's weights of this step in."""
        self.steps += 1
        decay = min(self._decay, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            torch._foreach_lerp_(self.mean, [value.detach() for value in self._own], 1 - decay)

    def restore(self, mean: list[Tensor], steps: int) -> None:
        """Go on from what an earlier run averaged."""
        with torch.no_grad():
            for own, kept in zip(self.mean, mean, strict=True):
                own.copy_(kept)
        self.steps = steps

    def swap(self) -> None:
        """Exchange the module's weights and the average; a second call undoes it."""
        with torch.no_grad():
            for own, mean in zip(self._own, self.mean, strict=True):
                kept = own.detach().clone()
                own.copy_(mean)
                mean.copy_(kept)
