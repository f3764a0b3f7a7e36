"""The running mean of a network's weights, which is better than where the training stands at any moment."""

from __future__ import annotations

import copy

import torch
from torch import nn

__all__ = ["Average"]


class Average:
    """An exponential moving average of weights, quick at first.

    Args:
        network: whose weights; on the same device.
        decay: what the mean keeps of itself at a step, once there have been many.

    Attributes:
        network: a copy that holds the mean, in evaluation mode; buffers are those of the last step.
        count: how often it was updated.
    """

    def __init__(self, network: nn.Module, *, decay: float = 0.999) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.count = 0
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take the weights of this step in."""
        self.count += 1
        keep = min(self._decay, (1 + self.count) / (10 + self.count))
        torch._foreach_lerp_(list(self.network.parameters()), list(network.parameters()), 1 - keep)
        for mine, theirs in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(theirs)

    @torch.no_grad()
    def swap(self, network: nn.Module) -> None:
        """Exchange the weights of ``network`` and the mean; a second call undoes it."""
        for mine, theirs in zip(self.network.parameters(), network.parameters(), strict=True):
            kept = theirs.clone()
            theirs.copy_(mine)
            mine.copy_(kept)
