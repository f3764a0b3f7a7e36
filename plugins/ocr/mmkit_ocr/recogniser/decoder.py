"""PARSeq's decoder: one layer, two streams, trained on permutations of the reading order.

The query stream holds one learned query a slot; the content stream holds the characters known so far. A mask says
which characters a slot may see, so one set of weights reads forwards, backwards and in any other order, and can
refine a whole draft at once (Bautista and Atienza, "Scene Text Recognition with Permuted Autoregressive Sequence
Models", 2022).

Legend: N crops, L = 26 slots, M memory states, D dims, P permutations, C = 95 classes (94 characters and EOS).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mmkit_ocr.recogniser.charset import BOS, EOS, MAX_LENGTH, PAD, SLOTS
from mmkit_ocr.recogniser.layers import Attention, Mlp, initialise

__all__ = ["Decoder", "cloze_mask", "forward_mask", "permutation_masks"]


def permutation_masks(count: int, generator: torch.Generator) -> Tensor:
    """(P, L, L) bool: which inputs (BOS, then 25 characters) each slot sees, for P permutations in mirrored pairs.

    The first is the reading order and the second its reverse, in which EOS comes first; the others are drawn with
    their mirrors. The draw is made on the CPU.
    """
    forward = torch.arange(SLOTS)
    ranks = [forward, MAX_LENGTH - forward]
    while len(ranks) < count:
        drawn = torch.randperm(MAX_LENGTH, generator=generator)
        last = torch.tensor([MAX_LENGTH])
        ranks += [torch.cat([drawn, last]), torch.cat([MAX_LENGTH - 1 - drawn, last])]
    return torch.stack([_seen(rank) for rank in ranks[:count]])


def forward_mask() -> Tensor:
    """(L, L) bool: each slot sees BOS and the characters to its left."""
    return _seen(torch.arange(SLOTS))


def cloze_mask() -> Tensor:
    """(L, L) bool: each slot sees BOS and every character but its own."""
    seen = ~torch.eye(SLOTS, dtype=torch.bool)
    return torch.cat([torch.ones(SLOTS, 1, dtype=torch.bool), seen[:, :MAX_LENGTH]], 1)


def _seen(ranks: Tensor) -> Tensor:
    earlier = ranks[None, :MAX_LENGTH] < ranks[:, None]
    return torch.cat([torch.ones(SLOTS, 1, dtype=torch.bool), earlier], 1)


class Decoder(nn.Module):
    """Memory states and the characters known so far -> the characters of all slots."""

    def __init__(self, dim: int = 384, heads: int = 6, *, ratio: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.dim = dim
        self.embedding = nn.Embedding(PAD + 1, dim)
        self.positions = nn.Parameter(torch.randn(1, SLOTS, dim) * 0.02)
        self.norm_query = nn.LayerNorm(dim)
        self.norm_content = nn.LayerNorm(dim)
        self.self_attention = Attention(dim, heads, dropout=dropout)
        self.norm_cross = nn.LayerNorm(dim)
        self.cross_attention = Attention(dim, heads, dropout=dropout)
        self.norm_mlp = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, ratio, dropout=dropout)
        self.norm_out = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, EOS + 1)
        self.dropout = nn.Dropout(dropout)
        self.apply(initialise)

    def content(self, inputs: Tensor, first: int = 0) -> Tensor:
        """(N, K) numbers that stand at inputs ``first``, ``first + 1``, … -> (N, K, D), normed; input 0 is BOS."""
        embedded = self.embedding(inputs) * math.sqrt(self.dim)
        places = torch.arange(first, first + inputs.shape[1], device=inputs.device)
        # BOS has no place of its own: the characters after it take the slots' positions from the first on.
        offsets = self.positions[0, (places - 1).clamp_min(0)] * (places > 0)[:, None]
        return self.norm_content(self.dropout(embedded + offsets))

    def step(
        self, queries: Tensor, kept: tuple[Tensor, Tensor], memory: tuple[Tensor, Tensor], mask: Tensor | None
    ) -> Tensor:
        """Queries (N, Q, D) against kept content and memory, as keys and values -> logits (N, Q, C)."""
        x = queries + self.dropout(self.self_attention(self.norm_query(queries), *kept, mask))
        x = x + self.dropout(self.cross_attention(self.norm_cross(x), *memory))
        x = x + self.dropout(self.mlp(self.norm_mlp(x)))
        return self.head(self.norm_out(x))

    def forward(self, memory: Tensor | tuple[Tensor, Tensor], numbers: Tensor, masks: Tensor) -> Tensor:
        """Teacher-forced logits.

        Args:
            memory: (N, M, D), or the keys and values that the cross-attention makes of it.
            numbers: (N, L) as ``charset.to_numbers`` makes them, or a draft; L may be cut to what is needed.
            masks: (P, L, L), as ``permutation_masks`` makes them.

        Returns:
            (N, P, L, C).
        """
        (n, slots), p = numbers.shape, masks.shape[0]
        inputs = torch.cat([torch.full_like(numbers[:, :1], BOS), numbers[:, :-1]], 1)
        ended = (inputs == EOS).int().cumsum(1) > 0
        visible = ~(ended | (inputs == PAD))
        # One layer means that the content stream is the same under every permutation: only its mask differs, so
        # all permutations pass at once as further queries.
        mask = masks.reshape(1, 1, p * slots, slots) & visible[:, None, None, :]
        queries = self.dropout(self.positions[:, :slots].repeat(n, p, 1))
        kept = self.self_attention.keys_values(self.content(inputs))
        remembered = self.cross_attention.keys_values(memory) if isinstance(memory, Tensor) else memory
        return self.step(queries, kept, remembered, mask).view(n, p, slots, -1)
