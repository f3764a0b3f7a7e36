"""The running best k of every query: what is kept while a gallery streams past.

Legend: Q queries, K kept a query, P pairs, n rows of a block.
Scores are ordered as float32; equal scores go by the lower row. Blocks must arrive in ascending row order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Best"]


class Best:
    """The K best rows of Q queries so far.

    Attributes:
        scores: (Q, K) float32, descending; -inf where fewer than K rows were offered.
        rows: (Q, K) int64; -1 beside each -inf.
        seen: how many gallery rows have passed.
        floor: (Q,) float64, what a score must reach to be kept: the threshold, then the K-th best score.
    """

    __slots__ = ("floor", "k", "rows", "scores", "seen", "threshold")

    def __init__(self, queries: int, k: int, threshold: float | None = None) -> None:
        self.k = k
        self.seen = 0
        self.threshold = -np.inf if threshold is None else float(threshold)
        self.scores = np.full((queries, k), -np.inf, np.float32)
        self.rows = np.full((queries, k), -1, np.int64)
        self.floor = np.full(queries, self.threshold, np.float64)

    def full(self) -> bool:
        """Whether every query has K rows."""
        return bool(self.rows.size) and bool((self.rows[:, -1] >= 0).all())

    def narrowed(self, k: int) -> Best:
        """The best k of these."""
        other = Best(len(self.rows), k, self.threshold)
        other.scores, other.rows, other.seen = self.scores[:, :k], self.rows[:, :k], self.seen
        return other

    def offer_pairs(self, queries: NDArray[np.int64], rows: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
        """Offer P scored pairs.

        Args:
            queries: (P,) query numbers.
            rows: (P,) gallery rows, none of them offered before to the same query.
            scores: (P,) their scores.
        """
        keep = (scores >= self.floor[queries]) & (scores > -np.inf)
        if not keep.any():
            return
        queries, rows, scores = queries[keep], rows[keep], scores[keep]
        touched = np.unique(queries)
        old = np.repeat(touched, self.k)
        all_queries = np.concatenate([old, queries])
        all_rows = np.concatenate([self.rows[touched].ravel(), rows])
        all_scores = np.concatenate([self.scores[touched].ravel(), scores])
        order = np.lexsort((all_rows, -all_scores, all_queries))
        starts = np.searchsorted(all_queries[order], touched)
        chosen = order[starts[:, None] + np.arange(self.k)]
        self.rows[touched] = all_rows[chosen]
        self.scores[touched] = all_scores[chosen]
        self.floor[touched] = np.maximum(self.threshold, self.scores[touched, -1])

    def offer_block(self, queries: NDArray[np.int64], first: int, scores: NDArray[np.float32]) -> None:
        """Offer every row of a block to some queries.

        Args:
            queries: (q,) query numbers, each once.
            first: the gallery row of the block's first row.
            scores: (q, n) their scores.
        """
        width = scores.shape[1]
        if width > 2 * self.k:
            cut = np.partition(scores, width - self.k, axis=1)[:, width - self.k]
            mask = scores >= cut[:, None]
            crowded = np.flatnonzero(mask.sum(axis=1) > self.k)
            for number in crowded:
                # Ties at the cut: the first rows win, and only as many as are wanted.
                tied = np.flatnonzero(scores[number] == cut[number])
                above = int((scores[number] > cut[number]).sum())
                mask[number, tied[self.k - above :]] = False
            line, column = np.nonzero(mask)
        else:
            line, column = np.nonzero(np.ones(scores.shape, bool))
        self.offer_pairs(queries[line], first + column.astype(np.int64), scores[line, column])
