"""Attention over keys and values that are given apart, and the cache that keeps them while a text is written.

N sentences, B beams of a sentence, R = N·B rows, T places, S places that are attended to, H heads, W width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Attention", "DecoderState"]


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

    def keys_values(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (N, H, S, W/H) of states (N, S, W)."""
        both = self.key_value(states).unflatten(-1, (2, self.heads, -1))
        keys, values = both.permute(2, 0, 3, 1, 4)
        return keys, values

    def forward(
        self, states: Tensor, keys: Tensor, values: Tensor, *, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """(R, T, W): what each place reads. ``mask`` (N, S) is True where a key counts.

        R may be a multiple of N: the beams of a sentence then read the same keys, which are not copied.
        """
        rows, length, width = states.shape
        sentences = keys.shape[0]
        queries = self.query(states).view(sentences, -1, self.heads, width // self.heads).transpose(1, 2)
        allowed = None if mask is None else mask[:, None, None, :]
        read = F.scaled_dot_product_attention(queries, keys, values, attn_mask=allowed, is_causal=causal)
        output: Tensor = self.output(read.transpose(1, 2).reshape(rows, length, width))
        return output


class DecoderState:
    """Keys and values of all that a decoder has read, a pair a layer, and those of the source.

    Attributes:
        cross: a layer's keys and values (N, H, S, W/H) of the source; empty without one.
        memory_mask: (N, S), True at real tokens of the source.
        length: places read so far.
    """

    def __init__(self, cross: list[tuple[Tensor, Tensor]], memory_mask: Tensor | None) -> None:
        self.cross = cross
        self.memory_mask = memory_mask
        self.length = 0
        self._own: list[tuple[Tensor, Tensor]] = []

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """A layer's keys and values (R, H, length + T, W/H) after those of T new places."""
        if layer == len(self._own):
            self._own.append((keys, values))
        else:
            old_keys, old_values = self._own[layer]
            self._own[layer] = torch.cat([old_keys, keys], dim=2), torch.cat([old_values, values], dim=2)
        return self._own[layer]

    def select(self, rows: Tensor, sentences: Tensor | None = None) -> None:
        """Goes on with the given rows (R',) of what was read, and where given with those of the N sentences."""
        self._own = [(keys.index_select(0, rows), values.index_select(0, rows)) for keys, values in self._own]
        if sentences is None:
            return
        self.cross = [(k.index_select(0, sentences), v.index_select(0, sentences)) for k, v in self.cross]
        if self.memory_mask is not None:
            self.memory_mask = self.memory_mask.index_select(0, sentences)
