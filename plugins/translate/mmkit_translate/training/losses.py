"""What training makes small.

N items, C pieces, V vocabulary, D dims.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["distance", "smoothed_cross_entropy"]


def smoothed_cross_entropy(logits: Tensor, pieces: Tensor, *, smoothing: float = 0.1) -> Tensor:
    """The mean over C of the cross-entropy of scores (C, V) with pieces (C,), ``smoothing`` of it spread evenly.

    Zero pieces give 0. With no smoothing it is the cross-entropy (Szegedy et al. 2016, section 7).
    """
    total = F.cross_entropy(logits.float(), pieces, label_smoothing=smoothing, reduction="sum")
    return total / max(len(pieces), 1)


def distance(vectors: Tensor, wanted: Tensor) -> Tensor:
    """1 less the cosine, the mean over unit rows (N, D): half the squared distance of M-CLIP's teacher learning."""
    return (1.0 - (vectors * wanted).sum(dim=1)).sum() / max(len(vectors), 1)
