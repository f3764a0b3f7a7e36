"""The four losses of LaMP (section 3.2), as pure functions.

N pairs, Q queries, E embedding, T tokens, V vocabulary, L codes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "caption_loss",
    "code_loss",
    "contrastive_loss",
    "hard_negatives",
    "match_loss",
    "pair_scores",
]


def pair_scores(motions: Tensor, texts: Tensor) -> Tensor:
    """(M, N) of motions (M, Q, E) and texts (N, E), unit rows: the best of the Q cosines."""
    return torch.einsum("mqe,ne->mnq", motions, texts).amax(-1)


def contrastive_loss(
    scores: Tensor, scale: Tensor, same: Tensor, *, ignore: Tensor | None = None, smoothing: float = 0.1
) -> Tensor:
    """Cross-entropy both ways over (N, N) scores with label smoothing.

    Args:
        scale: multiplies the scores, the exponential of the learned logarithm.
        same: (N, N), true where motion and text mean the same; these share the target equally. With the diagonal
            alone it is the paper's loss.
        ignore: (N, N), true where a pair is neither right nor wrong, as between two texts that say nearly the same
            (the filter of TMR, Petrovich et al., 2023).
    """
    logits = scores * scale
    if ignore is not None:
        logits = logits.masked_fill(ignore & ~same, -1e4)
    truth = same.float()
    losses = []
    for way, target in ((logits, truth), (logits.T, truth.T)):
        target = target / target.sum(1, keepdim=True)
        shown = (way > -1e3).float()
        target = (1 - smoothing) * target + smoothing * shown / shown.sum(1, keepdim=True)
        losses.append(-(target * way.log_softmax(1) * shown).sum(1).mean())
    return (losses[0] + losses[1]) / 2


def hard_negatives(scores: Tensor, scale: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
    """For each text a motion and for each motion a text that do not belong to it, drawn by how like they seem.

    (The released code fills the diagonal of a temporary, so that positives can be drawn as negatives; here all of
    ``same`` is out of the draw.)

    Returns:
        (N,) numbers of motions, one a text, and (N,) numbers of texts, one a motion.
    """
    logits = (scores * scale).masked_fill(same, -torch.inf)
    # A row without any negative draws at random rather than not at all.
    logits = torch.where(same.all(1, keepdim=True) | same.all(0, keepdim=True), torch.zeros_like(logits), logits)
    texts = torch.multinomial(logits.softmax(1), 1)[:, 0]
    motions = torch.multinomial(logits.T.softmax(1), 1)[:, 0]
    return motions, texts


def match_loss(right: Tensor, wrong: Tensor) -> Tensor:
    """Cross-entropy of (N, 2) logits of true pairs and (M, 2) of false ones."""
    truth = torch.cat([torch.ones(len(right)), torch.zeros(len(wrong))]).long().to(right.device)
    return F.cross_entropy(torch.cat([right, wrong]), truth)


def caption_loss(logits: Tensor, words: Tensor, *, smoothing: float = 0.1) -> Tensor:
    """Cross-entropy of (N, 1 + T, V) next-word logits against (N, 1 + T) words; -100 counts for nothing."""
    return F.cross_entropy(logits.flatten(0, 1), words.flatten(), ignore_index=-100, label_smoothing=smoothing)


def code_loss(logits: Tensor, codes: Tensor, mask: Tensor, *, smoothing: float = 0.1) -> Tensor:
    """Cross-entropy of (N, L, C) logits against (N, L) codes where ``mask`` holds."""
    return F.cross_entropy(logits[mask], codes[mask], label_smoothing=smoothing)
