"""The losses of CLIPPINGS (Arora, Yang, Jheng and Dell 2023): contrastive between sides, supervised, and by pairs.

Legend: N items, D dims.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["clip_loss", "pair_margin_loss", "supervised_contrastive_loss"]


def clip_loss(pictures: Tensor, texts: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Each picture's own text among all texts, and the reverse, as cross-entropy (Radford et al. 2021); (N, D) each."""
    logits = pictures @ texts.T / temperature
    own = torch.arange(len(logits))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def supervised_contrastive_loss(rows: Tensor, labels: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Khosla et al. 2020, their loss with the sum outside the logarithm; 0 where no class has two items.

    Args:
        rows: (N, D) unit rows.
        labels: (N,) classes.
    """
    itself = torch.eye(len(rows), dtype=torch.bool)
    logits = (rows @ rows.T / temperature).masked_fill(itself, -torch.inf)
    log_share = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    same = (labels[:, None] == labels[None]) & ~itself
    count = same.sum(1)
    kept = count > 0
    if not bool(kept.any()):
        return rows.sum() * 0
    mean = log_share.masked_fill(~same, 0).sum(1)[kept] / count[kept]
    return -mean.mean()


def pair_margin_loss(rows: Tensor, labels: Tensor, *, positive: float = 0.0, negative: float = 0.5) -> Tensor:
    """Cosine distances of pairs of a class above ``positive``, and of other pairs below ``negative``, each averaged
    over the pairs that break their margin; 0 where none does."""
    distance = 1 - rows @ rows.T
    upper = torch.triu(torch.ones_like(distance, dtype=torch.bool), 1)
    same = labels[:, None] == labels[None]
    near = F.relu(distance - positive)[upper & same]
    far = F.relu(negative - distance)[upper & ~same]
    return _mean_of_positive(near) + _mean_of_positive(far)


def _mean_of_positive(values: Tensor) -> Tensor:
    kept = values[values > 0]
    return kept.mean() if len(kept) else values.sum() * 0
