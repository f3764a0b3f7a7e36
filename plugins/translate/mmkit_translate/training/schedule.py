"""The learning rate over a run, and the running average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["Average", "learning_rate"]

_WARM_UP = 0.06


def learning_rate(peak: float, done: float) -> float:
    """Up in a straight line to ``peak`` over the first 6 % of the run, then down along half a cosine to 1 % of it.

    Args:
        done: the part of the run that is over, 0 to 1.
    """
    if done < _WARM_UP:
        return peak * max(done / _WARM_UP, 0.02)
    falling = min((done - _WARM_UP) / (1.0 - _WARM_UP), 1.0)
    return peak * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * falling)))


class Average:
    """A running mean of parameters that forgets with time: what ships.

    Args:
        decay: at most this much of the mean is kept a step; early steps keep less.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], *, decay: float = 0.999) -> None:
        self._parameters = list(parameters)
        self._decay = decay
        self.mean = [value.detach().clone() for value in self._parameters]
        self.steps = 0

    @torch.no_grad()
    def update(self) -> None:
        """Take the present weights in."""
        self.steps += 1
        keep = min(self._decay, self.steps / (self.steps + 9.0))
        torch._foreach_lerp_(self.mean, [value.detach() for value in self._parameters], 1.0 - keep)

    @torch.no_grad()
    def exchange(self) -> None:
        """Swap the mean and the weights: once to use the mean, once more to go on training."""
        for mean, value in zip(self.mean, self._parameters, strict=True):
            kept = value.detach().clone()
            value.copy_(mean)
            mean.copy_(kept)

    def restore(self, mean: Iterable[Tensor], steps: int) -> None:
        """Put back what was stored."""
        for own, stored in zip(self.mean, mean, strict=True):
            own.copy_(stored)
        self.steps = steps
