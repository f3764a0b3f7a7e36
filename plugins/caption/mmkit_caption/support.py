"""A vector re-expressed by the sentences of a corpus: CgT-GAN's e(x), DeCap's projection.

N vectors, S sentences, D dims; all vectors are unit rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["aggregate"]

_SCORES_AT_ONCE = 1 << 26


def aggregate(vectors: Tensor, support: Tensor, *, temperature: float) -> Tensor:
    """e(x) = sum_j softmax_j(t cos(x, T_j)) T_j, (N, D) (CgT-GAN, equation 6; DeCap, Li et al. 2023, equation 5).

    The rows are not normalised: how short one is tells how much the sentences it is made of differ. With t to
    infinity it is the nearest sentence, with t = 0 the mean of all.

    Args:
        vectors: (N, D), of pictures or of texts.
        support: (S, D) text vectors, S > 0; kept in half precision or float32.
        temperature: t.
    """
    if not len(support):
        raise ValueError("Expected at least one sentence to re-express a vector by")
    step = max(1, _SCORES_AT_ONCE // len(support))
    corpus = support.float()
    parts = [
        ((vectors[first : first + step].float() @ corpus.T) * temperature).softmax(1) @ corpus
        for first in range(0, len(vectors), step)
    ]
    return torch.cat(parts) if parts else vectors.float()
