"""What the stages of training share: steps for a given time, and the average of the weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

__all__ = ["Average", "Clock"]


@dataclass(slots=True)
class Clock:
    """Steps until a number of seconds is over, with a learning rate that follows the time.

    Attributes:
        seconds: of the stage.
        rate: the highest learning rate, after a rise over the first 3 % of the time; then half a cosine to a hundredth.
    """

    seconds: float
    rate: float
    most_steps: int = 10**9
    every: float = 12.0

    def steps(self, report: Callable[[int, float], None]) -> Iterator[tuple[float, float]]:
        """The share of the time that is over and the factor of the learning rate, step by step."""
        began = told = time.monotonic()
        step = 0
        while True:
            now = time.monotonic()
            share = max((now - began) / self.seconds, step / self.most_steps)
            if share >= 1.0:
                report(step, now - began)
                return
            if now - told > self.every:
                report(step, now - began)
                told = now
            yield share, min(1.0, share / 0.03 + 1e-3) * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)
            step += 1


class Average:
    """A moving average of the weights, which is what is kept."""

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        self.model, self.decay, self.count = model, decay, 0
        self.kept = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        self.count += 1
        decay = min(self.decay, self.count / (self.count + 10))
        state = self.model.state_dict()
        mine = [self.kept[name] for name, value in state.items() if value.is_floating_point()]
        theirs = [value for value in state.values() if value.is_floating_point()]
        torch._foreach_lerp_(mine, theirs, 1 - decay)

    def take(self) -> None:
        """Give the model the averaged weights."""
        self.model.load_state_dict(self.kept)
