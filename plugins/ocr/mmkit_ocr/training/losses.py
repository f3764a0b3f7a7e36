"""The losses of both stages.

Legend: N crops, P permutations, L = 26 slots, C = 95 classes, T columns.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mmkit_ocr.recogniser.charset import EOS, PAD

__all__ = ["draft_loss", "permuted_loss"]


def permuted_loss(logits: Tensor, numbers: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """PARSeq's loss: the mean cross-entropy over all characters of all permutations.

    EOS counts under the first two permutations alone (reading order and its reverse): in a drawn order its place
    says nothing.

    Args:
        logits: (N, P, L, C).
        numbers: (N, L).
    """
    p = logits.shape[1]
    ends = torch.where(numbers == EOS, PAD, numbers)
    wanted = torch.stack([numbers] * min(2, p) + [ends] * (p - 2), 1)
    return F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]).float(), wanted.reshape(-1), ignore_index=PAD, label_smoothing=smoothing
    )


def draft_loss(logits: Tensor, numbers: Tensor) -> Tensor:
    """CTC loss of a draft, over the crops whose words fit into its columns.

    Args:
        logits: (N, T, 1 + 94), class 0 is the blank.
        numbers: (N, L).
    """
    lengths = (numbers < EOS).sum(1)
    columns = torch.full_like(lengths, logits.shape[1])
    logs = logits.float().log_softmax(-1).transpose(0, 1)
    targets = torch.where(numbers < EOS, numbers + 1, 0)
    losses = F.ctc_loss(logs, targets, columns, lengths, reduction="none", zero_infinity=True)
    return (losses / lengths.clamp_min(1)).mean()
