"""Pairs worth comparing: the nearest records by vector search, from both sides, without hand-written blocking.

Legend: N left records, M right records, D dims, P pairs, K candidates a record.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["Candidates", "find_candidates", "fused_scores", "nearest"]

#: Multiply-adds a search may spend: terms are used from the rarest on until they are spent.
_WORK: Final = 1_000_000_000
_Sides: TypeAlias = tuple[sparse.csr_matrix, sparse.csr_matrix]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """P pairs and how near they are.

    Attributes:
        pairs: (P, 2) int64 rows of left and right, sorted, each pair once.
        scores: (P,) float32 fused similarity, the mean cosine of all views.
    """

    pairs: NDArray[np.int64]
    scores: NDArray[np.float32]

    def ranks(self, side: int = 0) -> NDArray[np.int64]:
        """(P,) the place of each pair among those of its left (0) or right (1) record, from 0."""
        order = np.lexsort((self.pairs[:, 1 - side], -self.scores, self.pairs[:, side]))
        keys = self.pairs[order, side]
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.zeros(0, int)
        ranks = np.empty(len(keys), np.int64)
        ranks[order] = np.arange(len(keys)) - np.repeat(starts, np.diff(np.append(starts, len(keys))))
        return ranks


def find_candidates(
    sparse_views: Sequence[_Sides],
    dense_views: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]] = (),
    *,
    k: int = 20,
    within: bool = False,
    search: Sequence[_Sides] = (),
) -> Candidates:
    """Search views in both directions, join what was found and keep the k nearest of every record.

    Args:
        sparse_views, dense_views: (N, D) and (M, D) unit rows; zero rows find nothing.
        k: candidates a record, of either side.
        within: both sides are one table; a pair is then given once, with the lower row first, and no row meets itself.
        search: views to search instead of the sparse ones, which then only say how near a pair is; what they find is
            kept, however near.
    """
    found = []
    extra = 1 if within else 0
    for left, right in search or sparse_views:
        found.append(nearest(left, right, k + extra))
        if not within:
            found.append(nearest(right, left, k)[:, ::-1])
    for one, other in dense_views:
        found.append(_dense_nearest(one, other, k + extra))
        if not within:
            found.append(_dense_nearest(other, one, k)[:, ::-1])
    pairs = _different(found, sparse_views, dense_views, within=within)
    scores = fused_scores(pairs, sparse_views, dense_views)
    joined = Candidates(pairs, scores)
    if search:
        return joined
    if within:
        both = np.concatenate([pairs, pairs[:, ::-1]])
        rank = Candidates(both, np.concatenate([scores, scores])).ranks()
        kept = (rank[: len(pairs)] < k) | (rank[len(pairs) :] < k)
    else:
        kept = (joined.ranks(0) < k) | (joined.ranks(1) < k)
    return Candidates(pairs[kept], scores[kept])


def _different(
    found: list[NDArray[np.int64]],
    sparse_views: Sequence[_Sides],
    dense_views: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
    *,
    within: bool,
) -> NDArray[np.int64]:
    """All pairs once, sorted; within one table with the lower row first and without those of a row with itself."""
    if not found:
        return np.zeros((0, 2), np.int64)
    width = max((view[1].shape[0] for view in (*sparse_views, *dense_views)), default=0) + 1
    keys = []
    while found:
        pairs = found.pop()
        if within:
            pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
        keys.append(np.unique(pairs[:, 0] * width + pairs[:, 1]))
    every = np.unique(np.concatenate(keys))
    return np.stack([every // width, every % width], axis=1)


def fused_scores(
    pairs: NDArray[np.int64],
    sparse_views: Sequence[_Sides],
    dense_views: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]] = (),
) -> NDArray[np.float32]:
    """(P,) the mean over all views of the pairs' cosines."""
    total = np.zeros(len(pairs))
    for start in range(0, len(pairs), 50_000):
        part = pairs[start : start + 50_000]
        for left, right in sparse_views:
            total[start : start + len(part)] += np.asarray(left[part[:, 0]].multiply(right[part[:, 1]]).sum(1)).ravel()
        for one, other in dense_views:
            total[start : start + len(part)] += np.einsum("pd,pd->p", one[part[:, 0]], other[part[:, 1]])
    return (total / max(1, len(sparse_views) + len(dense_views))).astype(np.float32)


def nearest(left: sparse.csr_matrix, right: sparse.csr_matrix, k: int, *, work: int = _WORK) -> NDArray[np.int64]:
    """(P, 2) pairs of every left row and its k best right rows by product, fewer where fewer share a term."""
    from sparse_dot_topn import sp_matmul_topn

    left, right = _within_budget(left, right, work)
    if not left.nnz or not right.nnz:
        return np.zeros((0, 2), np.int64)
    best = sp_matmul_topn(left, right.T.tocsr(), top_n=k, n_threads=_threads()).tocoo()
    kept = best.data > 0
    return np.stack([best.row[kept], best.col[kept]], axis=1).astype(np.int64)


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _within_budget(
    left: sparse.csr_matrix, right: sparse.csr_matrix, work: int
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Both sides without their commonest terms, where all together would cost more than ``work``."""
    terms = left.shape[1]
    one = np.bincount(left.indices, minlength=terms).astype(np.int64)
    cost = one * np.bincount(right.indices, minlength=terms)
    if int(cost.sum()) <= work:
        return left, right
    order = np.argsort(cost, kind="stable")
    affordable = np.zeros(terms, bool)
    affordable[order[np.cumsum(cost[order]) <= work]] = True
    kept = _only(left, affordable)
    return kept, kept if right is left else _only(right, affordable)


def _only(matrix: sparse.csr_matrix, terms: NDArray[np.bool_]) -> sparse.csr_matrix:
    kept = terms[matrix.indices]
    pointers = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    return sparse.csr_matrix((matrix.data[kept], matrix.indices[kept], pointers), shape=matrix.shape)


def _dense_nearest(queries: NDArray[np.float32], gallery: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    from mmkit.match import match

    asked, there = np.flatnonzero(queries.any(axis=1)), np.flatnonzero(gallery.any(axis=1))
    if not len(asked) or not len(there):
        return np.zeros((0, 2), np.int64)
    hits = match(queries[asked], gallery[there], k=min(k, len(there)), scorer="dot").indices
    pairs = np.stack([np.repeat(asked, hits.shape[1]), there[hits.ravel()]], axis=1)
    return pairs.astype(np.int64)
