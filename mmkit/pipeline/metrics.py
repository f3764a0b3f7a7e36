"""Ranking metrics, as pure functions of scores.

Legend: Q queries, G gallery items, k cut-offs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["best_ranks", "rank_summary", "top_k_accuracy"]

_CHUNK = 1024


def best_ranks(
    queries: NDArray[np.float32], gallery: NDArray[np.float32], relevant: Sequence[Sequence[int]] | NDArray[np.int64]
) -> NDArray[np.float64]:
    """The rank, from 1, of the best-ranked relevant gallery item of each query.

    Equal scores share the mean of their ranks, so a constant score ranks in the middle and cannot look good.

    Args:
        queries: (Q, D); gallery: (G, D); scores are dot products.
        relevant: for each query at least one gallery index.

    Returns:
        (Q,) ranks; halves occur where scores tie.
    """
    import numpy as np

    ranks = np.empty(len(queries), np.float64)
    for start in range(0, len(queries), _CHUNK):
        scores = queries[start : start + _CHUNK] @ gallery.T
        for row, row_scores in enumerate(scores):
            own = np.asarray(relevant[start + row])
            best = row_scores[own].max()
            others = np.delete(row_scores, own)
            ranks[start + row] = 1 + np.count_nonzero(others > best) + np.count_nonzero(others == best) / 2
    return ranks


def rank_summary(ranks: NDArray[np.float64], *, cutoffs: Sequence[int] = (1, 5, 10)) -> dict[str, float]:
    """``R@k`` as fractions and the median rank; all zero for no queries."""
    import numpy as np

    if not len(ranks):
        return {**{f"R@{k}": 0.0 for k in cutoffs}, "median_rank": 0.0}
    recalls = {f"R@{k}": float(np.mean(ranks <= k)) for k in cutoffs}
    return {**recalls, "median_rank": float(np.median(ranks))}


def top_k_accuracy(scores: NDArray[np.float32], labels: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """(Q,) whether the label's score is among the k best of (Q, C); a tie counts against it."""
    import numpy as np

    own = np.take_along_axis(scores, labels[:, None], axis=1)
    return np.asarray((scores >= own).sum(axis=1) <= k)
