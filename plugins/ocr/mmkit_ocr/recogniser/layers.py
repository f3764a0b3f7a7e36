"""The transformer pieces of the recogniser.

Legend: N items, Q queries, T context tokens, D dims, H heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Attention", "EncoderLayer", "FeatureMerge", "Mlp", "initialise"]


class Attention(nn.Module):
    """Multi-head attention whose keys and values are made apart from its queries, so that they can be kept.

    Args:
        dim: D.
        heads: H.
    """

    def __init__(self, dim: int, heads: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def keys_values(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, D) -> keys and values, each (N, H, T, D / H)."""
        n, t, d = context.shape
        keys, values = self.key_value(context).view(n, t, 2, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        return keys, values

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """(N, Q, D) against kept keys and values -> (N, Q, D); ``mask`` is True where a query may look."""
        n, q, d = x.shape
        queries = self.query(x).view(n, q, self.heads, d // self.heads).transpose(1, 2)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, dropout_p=dropout)
        return self.out(mixed.transpose(1, 2).reshape(n, q, d))


class Mlp(nn.Module):
    """Linear, GELU, Linear."""

    def __init__(self, dim: int, ratio: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.widen = nn.Linear(dim, ratio * dim)
        self.narrow = nn.Linear(ratio * dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.narrow(self.dropout(F.gelu(self.widen(x))))


class EncoderLayer(nn.Module):
    """A pre-norm transformer layer over (N, T, D)."""

    def __init__(self, dim: int, heads: int, *, ratio: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads, dropout=dropout)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, ratio, dropout=dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        x = x + self.dropout(self.attention(normed, *self.attention.keys_values(normed)))
        return x + self.dropout(self.mlp(self.norm2(x)))


class FeatureMerge(nn.Module):
    """DPTR's Feature Merge Unit: any number of visual tokens -> Q states that look like the decoder's memory.

    Learned queries attend to the tokens; residual and feed-forward follow.
    """

    def __init__(self, dim: int, heads: int, queries: int, *, ratio: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(1, queries, dim) * 0.02)
        self.norm_context = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads, dropout=dropout)
        self.norm_mlp = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, ratio, dropout=dropout)
        self.norm_out = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T, D) -> (N, Q, D)."""
        queries = self.queries.expand(tokens.shape[0], -1, -1)
        states = queries + self.attention(queries, *self.attention.keys_values(self.norm_context(tokens)))
        return self.norm_out(states + self.mlp(self.norm_mlp(states)))


def initialise(module: nn.Module) -> None:
    """Small normal weights and zero biases, for ``module.apply``."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.trunc_normal_(module.weight, std=0.02)
