"""The training objectives, as pure functions of vectors and targets.

N pictures, M texts, K concepts, D dimensions; rows of vectors have unit length.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["concept_distillation", "contrastive", "divergence", "geometry", "logit_matching"]


def contrastive(images: Tensor, texts: Tensor, scale: Tensor | float, positives: Tensor) -> Tensor:
    """Symmetric InfoNCE with several positives: mean over anchors of -log of the positives' share.

    images (N, D), texts (M, D), positives (N, M) boolean; anchors without a positive are left out.
    Equals the loss of CLIP (Radford et al., 2021, figure 3) where `positives` is the identity;
    several positives share the target evenly (Khosla et al., 2020, equation 2).
    """
    logits = scale * images @ texts.T
    return 0.5 * (_share_of_positives(logits, positives) + _share_of_positives(logits.T, positives.T))


def _share_of_positives(logits: Tensor, positives: Tensor) -> Tensor:
    counts = positives.sum(1)
    picked = torch.where(positives, logits.log_softmax(1), 0.0).sum(1) / counts.clamp_min(1)
    anchors = (counts > 0).to(logits.dtype)
    return -(picked * anchors).sum() / anchors.sum().clamp_min(1)


def concept_distillation(
    images: Tensor,
    concepts: Tensor,
    scale: Tensor | float,
    target: Tensor,
    members: Tensor,
    prior: Tensor | None = None,
) -> Tensor:
    """KL from a picture's class probabilities, gathered into concepts, to its text similarities.

    images (N, D), concepts (K, D), target (N, C) class probabilities, members (C, K) of 0 and 1.
    Each picture counts by the probability that the K concepts cover (Hinton et al., 2015, section 2,
    over a cut of the class hierarchy); pictures that no concept covers count nothing.
    prior: how often the pictures show each of the C classes. It then explains why a concept is frequent, and
    the similarities need not (Menon et al., 2021, equation 10): they become those of equally likely concepts.
    """
    gathered = target @ members
    covered = gathered.sum(1)
    wanted = gathered / covered.clamp_min(1e-6)[:, None]
    logits = scale * images @ concepts.T
    if prior is not None:
        logits = logits + (prior @ members).clamp_min(1e-9).log()
    each = _divergences(logits, wanted)
    return (each * covered).sum() / covered.sum().clamp_min(1e-6)


def divergence(logits: Tensor, target: Tensor) -> Tensor:
    """Mean KL from probabilities `target` (N, C) to the softmax of `logits` (N, C)."""
    return _divergences(logits, target).mean()


def _divergences(logits: Tensor, target: Tensor) -> Tensor:
    return (torch.xlogy(target, target) - target * logits.log_softmax(1)).sum(1)


def logit_matching(
    images: Tensor, concepts: Tensor, scale: Tensor | float, target_logits: Tensor, temperature: float
) -> Tensor:
    """KL between class distributions flattened by `temperature`, times its square.

    images (N, D), concepts (C, D), target_logits (N, C). At high temperature this matches centred logits
    (Hinton et al., 2015, section 2.1), which teaches the classes that no picture shows.
    """
    wanted = (target_logits / temperature).log_softmax(1)
    predicted = (scale * images @ concepts.T / temperature).log_softmax(1)
    return temperature**2 * F.kl_div(predicted, wanted, log_target=True, reduction="batchmean")


def geometry(vectors: Tensor, reference: Tensor) -> Tensor:
    """Mean squared difference of all pairs' cosines: (N, D) against (N, D')."""
    if len(vectors) < 2:
        return vectors.sum() * 0.0
    kept = vectors @ vectors.T - reference @ reference.T
    return kept.square().sum() / (len(vectors) * (len(vectors) - 1))
