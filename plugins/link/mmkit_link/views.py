"""Records as weighted sets of terms over one vocabulary, compared pair by pair or searched.

Legend: N left records, M right records, R rows, V terms, P pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["View", "cosines", "gram_counts", "grams_view", "overlap", "stacked", "term_counts", "view_of"]

_HASHED: Final = 1 << 20
_PAIRS_AT_ONCE: Final = 50_000
_ROWS_AT_ONCE: Final = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """R weighted sets, and which of them each record has.

    Attributes:
        rows: (R, V) CSR, the weight of each term that a set holds.
        weight: (V,) inverse document frequency over the records of both tables.
        left, right: (N,) and (M,) rows.
    """

    rows: sparse.csr_matrix
    weight: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]

    def sides(self) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        """(N, V) and (M, V): the sets of the records; the same object twice where both are one table."""
        if self.left is self.right:
            whole = self._taken(self.left)
            return whole, whole
        return self._taken(self.left), self._taken(self.right)

    def _taken(self, rows: NDArray[np.int32]) -> sparse.csr_matrix:
        every = len(rows) == self.rows.shape[0] and bool((rows == np.arange(len(rows))).all())
        return self.rows if every else self.rows[rows]


def term_counts(docs: Iterable[Iterable[str]], terms: dict[str, int]) -> sparse.csr_matrix:
    """(R, V) ones for the terms of R sets; ``terms`` numbers them, and takes in new ones."""
    pointers, indices = [0], []
    for doc in docs:
        indices += sorted({terms.setdefault(term, len(terms)) for term in doc})
        pointers.append(len(indices))
    return sparse.csr_matrix(
        (np.ones(len(indices), np.float32), np.array(indices, np.int32), np.array(pointers, np.int64)),
        shape=(len(pointers) - 1, max(1, len(terms))),
    )


def gram_counts(texts: Sequence[str], *, sizes: tuple[int, int] = (2, 4)) -> sparse.csr_matrix:
    """(R, V) counts of hashed character n-grams within words, so that memory does not grow with the vocabulary."""
    from sklearn.feature_extraction.text import HashingVectorizer

    if not len(texts):
        return sparse.csr_matrix((0, _HASHED), dtype=np.float32)
    vectorizer = HashingVectorizer(
        analyzer="char_wb",
        ngram_range=sizes,
        n_features=_HASHED,
        norm=None,
        alternate_sign=False,
        lowercase=False,
        dtype=np.float32,
    )
    return sparse.csr_matrix(vectorizer.transform(texts))


def stacked(
    parts: Sequence[tuple[sparse.csr_matrix, NDArray[np.int32], NDArray[np.int32]]], *, width: int, within: bool
) -> sparse.csr_matrix:
    """(N + M, V), or (N, V) within one table: for each record the sum of its rows in all parts.

    Args:
        parts: at least one: (R, V') counts with V' at most ``width``, and which rows the N and the M records have.
    """
    found = []
    for side in (1,) if within else (1, 2):
        for start in range(0, len(parts[0][side]), _ROWS_AT_ONCE):
            total = None
            for part in parts:
                rows = part[0][part[side][start : start + _ROWS_AT_ONCE]]
                rows.resize(rows.shape[0], width)
                total = rows if total is None else total + rows
            found.append(total)
    return sparse.csr_matrix(sparse.vstack(found, format="csr")) if found else sparse.csr_matrix((0, width))


def view_of(
    counts: sparse.csr_matrix, left: NDArray[np.int32], right: NDArray[np.int32], *, unit: bool = False
) -> View:
    """Counted terms weighted by inverse document frequency; ``unit`` scales rows to length 1 (empty ones stay empty).

    A term that occurs often in one record says little more than one that occurs once: counts enter as 1 + log.
    """
    rows = sparse.csr_matrix(counts, dtype=np.float32)
    each = np.bincount(left, minlength=rows.shape[0]) + np.bincount(right, minlength=rows.shape[0])
    held = np.bincount(rows.indices, np.repeat(each, np.diff(rows.indptr)), rows.shape[1])
    weight = np.log((1 + len(left) + len(right)) / np.maximum(1, held)).astype(np.float32)
    data = (1 + np.log(rows.data)) * weight[rows.indices]
    if unit:
        lengths = np.sqrt(_sums(data * data, rows.indptr))
        scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0).astype(np.float32)
        data *= np.repeat(scale, np.diff(rows.indptr))
    weighted = sparse.csr_matrix((data.astype(np.float32), rows.indices, rows.indptr), shape=rows.shape)
    return View(weighted, weight, left, right)


def grams_view(left: Sequence[str], right: Sequence[str], *, sizes: tuple[int, int] = (2, 4)) -> View:
    """Unit rows of the hashed character n-grams of texts."""
    counts = gram_counts([*left, *right], sizes=sizes)
    rows = np.arange(len(left) + len(right), dtype=np.int32)
    return view_of(counts, rows[: len(left)], rows[len(left) :], unit=True)


def cosines(view: View, one: NDArray[np.integer], other: NDArray[np.integer]) -> NDArray[np.float32]:
    """(P,) products of pairs of rows, which of unit rows are cosines; -1 where one is empty."""
    found = np.empty(len(one), np.float32)
    filled = np.diff(view.rows.indptr) > 0
    for start in range(0, len(one), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        product = view.rows[one[part]].multiply(view.rows[other[part]])
        there = filled[one[part]] & filled[other[part]]
        found[part] = np.where(there, np.asarray(product.sum(axis=1)).ravel(), -1)
    return found


def overlap(view: View, one: NDArray[np.integer], other: NDArray[np.integer]) -> dict[str, NDArray[np.float32]]:
    """How the sets of P pairs of rows overlap, each value from 0 to 1; sets that are empty give -1.

    ``cosine``: of the weighted sets. ``left_in_right``, ``right_in_left``: the share of one side's weight that the
    other holds. ``shared``: the greatest weight shared, ``left_only``, ``right_only``: the greatest weight that the
    other side lacks, in units of the rarest term's weight.
    """
    names = ("cosine", "left_in_right", "right_in_left", "shared", "left_only", "right_only")
    found = {name: np.full(len(one), -1, np.float32) for name in names}
    top = max(float(view.weight.max(initial=0)), 1e-6)
    rows = view.rows
    weights, lengths = _sums(rows.data, rows.indptr), np.sqrt(_sums(rows.data * rows.data, rows.indptr))
    for start in range(0, len(one), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        left, right = one[part], other[part]
        first, second = rows[left], rows[right]
        # Weights depend on the term alone where terms count once, so the smaller one is the shared one.
        shared = first.minimum(second)
        held = _sums(shared.data, shared.indptr)
        both = (weights[left] > 0) & (weights[right] > 0)
        for name, value, scale in (
            ("cosine", _sums(shared.data * shared.data, shared.indptr), lengths[left] * lengths[right]),
            ("left_in_right", held, weights[left]),
            ("right_in_left", held, weights[right]),
            ("shared", _maxima(shared), top),
            ("left_only", _maxima(first - shared), top),
            ("right_only", _maxima(second - shared), top),
        ):
            found[name][part] = np.where(both, value / np.maximum(scale, 1e-9), -1)
    return found


def _sums(data: NDArray[np.floating], pointers: NDArray[np.integer]) -> NDArray[np.float64]:
    """(R,) sums of the data of each row."""
    total = np.concatenate([[0.0], np.cumsum(data, dtype=np.float64)])
    return np.asarray(total[pointers[1:]] - total[pointers[:-1]])


def _maxima(matrix: sparse.csr_matrix) -> NDArray[np.float32]:
    """(R,) the greatest value of each row, 0 of an empty one."""
    found = np.zeros(matrix.shape[0], np.float32)
    filled = np.flatnonzero(np.diff(matrix.indptr))
    if len(filled):
        found[filled] = np.maximum.reduceat(matrix.data, matrix.indptr[filled])
    return np.maximum(found, 0)
