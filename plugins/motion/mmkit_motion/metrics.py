"""Numbers of the field, as pure functions: recall and rank, FID, diversity, R-precision, foot skate, bone lengths.

Q queries, N gallery items, D dims, T frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit_motion.skeleton import BONE_LENGTHS, PARENTS

__all__ = [
    "RANKS",
    "batched_recall",
    "bone_error",
    "diversity",
    "foot_skate",
    "frechet_distance",
    "greedy_f1",
    "r_precision",
    "ranks_of",
    "recall",
]

Floats = NDArray[np.floating]
RANKS: Final = (1, 2, 3, 5, 10)
#: Metres over the floor below which a foot is on it, as in the foot-skate ratio of Karunratanakul et al. (2023).
_ON_FLOOR: Final = 0.05
#: Metres a frame: 0.5 m/s at 20 frames a second.
_SLIDES: Final = 0.025


def ranks_of(scores: Floats, right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(Q,) rank, from 1, of the best right item of each query; items with an equal score count as before it."""
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    return np.asarray(((scores >= best) & ~right).sum(axis=1) + 1)


def recall(ranks: NDArray[np.integer]) -> dict[str, float]:
    """``R@k`` for each k of ``RANKS`` as fractions, and ``median_rank``."""
    if not len(ranks):
        return {**{f"R@{k}": 0.0 for k in RANKS}, "median_rank": 0.0}
    return {**{f"R@{k}": float((ranks <= k).mean()) for k in RANKS}, "median_rank": float(np.median(ranks))}


def batched_recall(
    scores: Floats, right: NDArray[np.bool_], owner: Sequence[int], *, size: int = 32, seed: int = 0
) -> dict[str, float]:
    """Recall within random batches of ``size`` items (the protocol of Guo et al., 2022), each query once.

    Args:
        owner: for each query the item that it belongs to; a query is asked in the batch of its item.
    """
    order = np.random.default_rng(seed).permutation(scores.shape[1])
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    # A last batch that is not full would be easier than the others.
    if len(batches) > 1 and len(batches[-1]) < size:
        batches.pop()
    owners = np.asarray(owner)
    ranks = []
    for batch in batches:
        rows = np.isin(owners, batch)
        ranks.append(ranks_of(scores[np.ix_(rows, batch)], right[np.ix_(rows, batch)]))
    return recall(np.concatenate(ranks))


def frechet_distance(one: Floats, other: Floats) -> float:
    """Distance of two Gaussians fitted to (N, D) vectors each (Heusel et al., 2017)."""
    means = one.mean(0) - other.mean(0)
    first, second = np.atleast_2d(np.cov(one.T)), np.atleast_2d(np.cov(other.T))
    # The trace of sqrt(A B) from the eigenvalues of the symmetric sqrt(A) B sqrt(A): no complex numbers.
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None)).sum()
    return float(max(0.0, means @ means + np.trace(first) + np.trace(second) - 2 * cross))


def diversity(vectors: Floats, *, pairs: int = 300, seed: int = 0) -> float:
    """Mean distance of random pairs of (N, D) vectors."""
    if len(vectors) < 2:
        return 0.0
    draw = np.random.default_rng(seed)
    first = draw.integers(0, len(vectors), pairs)
    second = (first + draw.integers(1, len(vectors), pairs)) % len(vectors)
    return float(np.linalg.norm(vectors[first] - vectors[second], axis=-1).mean())


def r_precision(scores: Floats, *, size: int = 32, seed: int = 0, most: int = 3) -> dict[str, float]:
    """``top-k`` for k to ``most``: how often a motion's own text is among the k best of ``size`` texts; (N, N) scores.

    With fewer than ``size`` pairs all of them are the pool.
    """
    count = len(scores)
    draw = np.random.default_rng(seed)
    ranks = []
    for motion in range(count):
        others = draw.permutation(np.delete(np.arange(count), motion))[: size - 1]
        ranks.append(1 + int((scores[motion, others] >= scores[motion, motion]).sum()))
    return {f"top-{k}": float(np.mean(np.array(ranks) <= k)) for k in range(1, most + 1)}


def greedy_f1(one: Floats, other: Floats) -> float:
    """BERTScore (Zhang et al., 2020): F1 of each token's best cosine in the other text; unit rows (S, D), (T, D)."""
    if not len(one) or not len(other):
        return 0.0
    cosines = one @ other.T
    precision, found = float(cosines.max(1).mean()), float(cosines.max(0).mean())
    return 2 * precision * found / max(precision + found, 1e-9)


def foot_skate(joints: Floats) -> float:
    """Share of frames of (T, 22, 3) in which toes that are on the floor slide along it."""
    if len(joints) < 2:
        return 0.0
    toes = joints[:, [10, 11]]
    floor = toes[..., 1].min()
    down = (toes[1:, :, 1] < floor + _ON_FLOOR) & (toes[:-1, :, 1] < floor + _ON_FLOOR)
    slide = np.linalg.norm(np.diff(toes[..., [0, 2]], axis=0), axis=-1) > _SLIDES
    return float((down & slide).any(axis=1).mean())


def bone_error(joints: Floats) -> float:
    """Mean difference of bone lengths of (T, 22, 3) from the standard ones, in millimetres."""
    bones = np.linalg.norm(joints[:, 1:] - joints[:, list(PARENTS[1:])], axis=-1)
    return float(np.abs(bones - BONE_LENGTHS[1:]).mean() * 1000)


def mean_of(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each entry."""
    return {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}
