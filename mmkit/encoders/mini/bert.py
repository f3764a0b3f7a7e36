"""The text tower: a BERT encoder (Devlin et al., 2018, section 3) in the shape of all-MiniLM-L6-v2.

N texts, T tokens, D width of a token, A attention heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["BertConfig", "BertEncoder", "masked_mean"]


@dataclass(frozen=True, slots=True)
class BertConfig:
    """Sizes of the encoder; the defaults are all-MiniLM-L6-v2 with its first 128 positions."""

    vocabulary: int = 30522
    positions: int = 128
    width: int = 384
    inner_width: int = 1536
    layers: int = 6
    heads: int = 12
    norm_eps: float = 1e-12


class _Layer(nn.Module):
    """Self-attention and a feed-forward net, each added to its input and normalised after."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.attention_out = nn.Linear(config.width, config.width)
        self.attention_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.inner = nn.Linear(config.width, config.inner_width)
        self.outer = nn.Linear(config.inner_width, config.width)
        self.outer_norm = nn.LayerNorm(config.width, eps=config.norm_eps)

    def forward(self, states: Tensor, attend: Tensor) -> Tensor:
        """(N, T, D) -> (N, T, D); `attend` is boolean and broadcasts to (N, A, T, T)."""
        count, length, width = states.shape
        qkv = self.qkv(states).view(count, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=attend)
        mixed = mixed.transpose(1, 2).reshape(count, length, width)
        states = self.attention_norm(states + self.attention_out(mixed))
        return self.outer_norm(states + self.outer(F.gelu(self.inner(states))))


class BertEncoder(nn.Module):
    """Token states of a batch of texts; single-segment, no pooling head."""

    def __init__(self, config: BertConfig | None = None) -> None:
        super().__init__()
        self.config = config or BertConfig()
        self.words = nn.Embedding(self.config.vocabulary, self.config.width)
        self.positions = nn.Embedding(self.config.positions, self.config.width)
        # The embedding of segment 0 is the same for every token and is folded into `positions`.
        self.norm = nn.LayerNorm(self.config.width, eps=self.config.norm_eps)
        self.layers = nn.ModuleList(_Layer(self.config) for _ in range(self.config.layers))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """States (N, T, D) of token ids (N, T); `mask` (N, T) is true or 1 at real tokens.

        Raises ValueError for texts longer than the tower's positions.
        """
        return self.encode_embeddings(self.words(ids), mask)

    def encode_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """States (N, T, D) from word embeddings (N, T, D), so that gradients can reach them."""
        length = embeddings.shape[1]
        if length > self.config.positions:
            raise ValueError(
                f"Expected at most {self.config.positions} tokens, but received {length}; "
                "truncate the texts with the tokenizer."
            )
        states = self.norm(embeddings + self.positions.weight[:length])
        attend = mask.bool()[:, None, None, :]
        for layer in self.layers:
            states = layer(states, attend)
        return states


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Mean (N, D) of states (N, T, D) over the tokens where `mask` (N, T) is set."""
    weights = mask.to(states.dtype)[..., None]
    return (states * weights).sum(1) / weights.sum(1).clamp_min(torch.finfo(states.dtype).tiny)
