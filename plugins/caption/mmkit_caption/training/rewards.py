"""What a written caption earns: likeness to the picture, and to the corpus's account of it (CgT-GAN, section 3.4).

N captions, D dims; captions' and pictures' vectors are unit rows.
"""

from __future__ import annotations

from torch import Tensor

__all__ = ["clip_agg", "clip_cos", "self_critical_loss", "semantic_reward", "semantic_weight"]


def clip_cos(pictures: Tensor, captions: Tensor) -> Tensor:
    """R_cos (N,) = 100 cos(x, T(g)) (equation 5)."""
    return 100 * (pictures * captions).sum(-1)


def clip_agg(targets: Tensor, captions: Tensor) -> Tensor:
    """R_agg (N,) = 50 cos(e, T(g)) + 50 (1 - mean |e - T(g)|) against aggregated targets e(x) (N, D) (equation 7)."""
    cosine = (targets * captions).sum(-1) / targets.norm(dim=-1).clamp_min(1e-8)
    return 50 * cosine + 50 * (1 - (targets - captions).abs().mean(-1))


def semantic_reward(pictures: Tensor, targets: Tensor, captions: Tensor, *, cos_share: float = 0.0) -> Tensor:
    """(1 - a) R_agg + a R_cos (N,), with a = ``cos_share``; the paper's default is 0."""
    if cos_share == 0.0:
        return clip_agg(targets, captions)
    return (1 - cos_share) * clip_agg(targets, captions) + cos_share * clip_cos(pictures, captions)


def self_critical_loss(log_probs: Tensor, rewards: Tensor, baseline: Tensor) -> Tensor:
    """-mean log p(g) (R(g) - R(greedy)) (Rennie et al. 2017); zero where every sample earns what the greedy text does.

    Args:
        log_probs: (N, K) of K samples of each picture, summed over their pieces.
        rewards: (N, K), and ``baseline`` (N,) of the greedy text.
    """
    return -(log_probs * (rewards - baseline[:, None]).detach()).mean()


def semantic_weight(step: int, *, quiet: int = 150, ramp: int = 2350, most: float = 0.5) -> float:
    """w of L = w L_semantic + (1 - w) L_natural: 0 for ``quiet`` steps, then up to ``most`` over ``ramp`` steps."""
    return most * min(1.0, max(0.0, (step - quiet) / max(1, ramp)))
