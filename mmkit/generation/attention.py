"""Attention over keys and values that are given apart.

N sentences, Q places of a sentence that ask, S places that are asked, H heads, W width.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Attention"]


class Attention(nn.Module):
    """Multi-head attention; keys and values are made by `keys_values`, once for a source."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)
        for layer in (self.query, self.key_value, self.output):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def keys_values(self, states: Tensor) -> Tensor:
        """Keys and values (2, N, H, S, W/H) of states (N, S, W)."""
        both: Tensor = self.key_value(states).unflatten(-1, (2, self.heads, -1))
        return both.permute(2, 0, 3, 1, 4)

    def forward(
        self, states: Tensor, keys_values: Tensor, *, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """(N, Q, W): what each of the states (N, Q, W) reads from keys and values (2, N, H, S, W/H).

        ``mask`` (N, Q, S), where Q may be 1 for all: True where a key counts, or what is added to its score.
        """
        queries = self.query(states).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        keys, values = keys_values
        allowed = None if mask is None else mask[:, None]
        read = F.scaled_dot_product_attention(queries, keys, values, attn_mask=allowed, is_causal=causal)
        output: Tensor = self.output(read.transpose(1, 2).flatten(2))
        return output
