"""Tells sentences of people from those of a captioner (CgT-GAN, section 3.3), with a small transformer of our own.

N sentences, T pieces.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkit.generation.transformer import TextEncoder, TransformerSizes

__all__ = ["Discriminator", "discriminator_loss"]


class Discriminator(nn.Module):
    """Ids (N, T) to logits (N,): above 0 where a sentence looks human."""

    def __init__(self, vocabulary: int, *, pad: int, width: int = 192, layers: int = 2, dropout: float = 0.1) -> None:
        super().__init__()
        self.pad = pad
        sizes = TransformerSizes(vocabulary, width, 4, 4 * width, encoder_layers=layers, dropout=dropout)
        self.tokens = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.tokens.weight, std=width**-0.5)
        self.encoder = TextEncoder(sizes)
        self.head = nn.Sequential(nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, 1))

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of sentences that are padded at the end; a sentence of padding alone has the logit of nothing."""
        mask = ids != self.pad
        # A row without any token would have nothing to attend to.
        mask[:, 0] = True
        states = self.encoder(self.tokens(ids) * math.sqrt(self.tokens.embedding_dim), mask)
        kept = mask[..., None].to(states.dtype)
        logits: Tensor = self.head((states * kept).sum(1) / kept.sum(1))[:, 0]
        return logits


def discriminator_loss(real: Tensor, written: Tensor) -> Tensor:
    """Binary cross-entropy of the logits of real (N,) and written (M,) sentences, both sides alike."""
    ones, zeros = torch.ones_like(real), torch.zeros_like(written)
    return 0.5 * (F.binary_cross_entropy_with_logits(real, ones) + F.binary_cross_entropy_with_logits(written, zeros))
