"""One-to-one assignment: which left row belongs to which right row when each may be used once.

Legend: N left rows, M right rows, P pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput, UsageError

__all__ = ["assign"]


def assign(scores: NDArray[Any], *, threshold: float | None = None) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """As many allowed pairs as can be, and among those the ones with the highest total score.

    The Hungarian algorithm as scipy has it (Crouse 2016, rectangular).

    Args:
        scores: (N, M), higher is better; -inf forbids a pair.
        threshold: pairs that score less are forbidden too, before the assignment is made.

    Returns:
        pairs: (P, 2) int64 of (left, right), by ascending left; P <= min(N, M).
        scores: (P,) float32.

    Raises:
        UsageError: scores has not two axes.
        BadInput: a score is NaN or +inf.
    """
    table = np.asarray(scores, np.float64)
    if table.ndim != 2:
        raise UsageError(f"Expected scores of shape (N, M), but received {table.shape}")
    if np.isnan(table).any() or np.isposinf(table).any():
        raise BadInput("a score to assign by is NaN or +inf", mend="use -inf to forbid a pair")
    allowed = np.isfinite(table) if threshold is None else np.isfinite(table) & (table >= threshold)
    if not allowed.any():
        return np.empty((0, 2), np.int64), np.empty(0, np.float32)
    from scipy.optimize import linear_sum_assignment

    low, high = float(table[allowed].min()), float(table[allowed].max())
    span = high - low if high > low else 1.0
    # Scaled to 0..1, a forbidden pair must cost more than any gain elsewhere: at most min(N, M) pairs gain 1 each.
    penalty = -float(min(table.shape) + 1)
    gains = np.where(allowed, (np.where(allowed, table, low) - low) / span, penalty)
    left, right = linear_sum_assignment(gains, maximize=True)
    kept = allowed[left, right]
    pairs = np.stack([left[kept], right[kept]], axis=1).astype(np.int64)
    return pairs, table[pairs[:, 0], pairs[:, 1]].astype(np.float32)
