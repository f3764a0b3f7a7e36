"""Attention blocks shared by the networks. N items, T tokens, S memory tokens, D width."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Attention", "FeedForward", "sinusoids"]


class Attention(nn.Module):
    """Multi-head attention from (N, T, D) to a memory (N, S, D) or to itself; ``attend`` is true where it may look.

    The mask is boolean, so that it forbids. (The released LaMP gives torch a float triangle of zeros and ones, which
    is added to the scores: it favours the past and forbids nothing.)
    """

    def __init__(self, width: int, heads: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, states: Tensor, memory: Tensor, attend: Tensor | None) -> Tensor:
        """(N, T, D); ``attend`` broadcasts to (N, heads, T, S)."""

        def split(values: Tensor) -> Tensor:
            return values.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        key, value = self.key_value(memory).chunk(2, -1)
        mixed = F.scaled_dot_product_attention(
            split(self.query(states)),
            split(key),
            split(value),
            attn_mask=attend,
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.out(mixed.transpose(1, 2).flatten(-2))


class FeedForward(nn.Sequential):
    """Widen four times, GELU, back."""

    def __init__(self, width: int, *, dropout: float = 0.0) -> None:
        super().__init__(nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * width, width))


def sinusoids(length: int, width: int) -> Tensor:
    """(length, width) position code of Vaswani et al. (2017)."""
    place = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, width, 2) / width)
    return torch.stack([place.sin(), place.cos()], -1).flatten(1)
