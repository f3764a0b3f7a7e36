"""Two tables as weighted sets of terms over one vocabulary, compared pair by pair or searched.

Legend: N left records, M right records, V terms, P pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["View", "grams_view", "overlap", "term_view"]

_HASHED: Final = 1 << 20
_PAIRS_AT_ONCE: Final = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Terms of both tables.

    Attributes:
        left: (N, V) CSR, the weight of each term that a record holds.
        right: (M, V) CSR.
        weight: (V,) inverse document frequency over both tables.
        terms: the vocabulary; empty where terms are hashed.
    """

    left: sparse.csr_matrix
    right: sparse.csr_matrix
    weight: NDArray[np.float32]
    terms: dict[str, int]

    def unit(self) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        """Both sides with rows of length 1; empty rows stay empty."""
        return _unit(self.left), _unit(self.right)


def term_view(left: Sequence[Iterable[str]], right: Sequence[Iterable[str]]) -> View:
    """A view of given terms; a term counts once a record."""
    terms: dict[str, int] = {}
    sides = []
    for docs in (left, right):
        pointers, indices = [0], []
        for doc in docs:
            indices += sorted({terms.setdefault(term, len(terms)) for term in doc})
            pointers.append(len(indices))
        sides.append((pointers, indices))
    matrices = [
        sparse.csr_matrix(
            (np.ones(len(indices), np.float32), np.array(indices, np.int32), np.array(pointers, np.int64)),
            shape=(len(pointers) - 1, max(1, len(terms))),
        )
        for pointers, indices in sides
    ]
    return _weighted(matrices[0], matrices[1], terms)


def grams_view(left: Sequence[str], right: Sequence[str], *, sizes: tuple[int, int] = (2, 4)) -> View:
    """A view of hashed character n-grams within words, so that its memory does not grow with the vocabulary."""
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(
        analyzer="char_wb", ngram_range=sizes, n_features=_HASHED, norm=None, alternate_sign=False, lowercase=False
    )
    shape = (0, _HASHED)
    one, other = (
        sparse.csr_matrix(vectorizer.transform(texts), dtype=np.float32) if len(texts) else sparse.csr_matrix(shape)
        for texts in (left, right)
    )
    for matrix in (one, other):
        # A gram that occurs often in one record says little more than one that occurs once.
        matrix.data = (1 + np.log(matrix.data)).astype(np.float32)
    return _weighted(one, other, {})


def overlap(view: View, pairs: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
    """How the term sets of P pairs overlap, each value from 0 to 1; sets that are empty give -1.

    ``cosine``: of the weighted sets. ``left_in_right``, ``right_in_left``: the share of one side's weight that the
    other holds. ``shared``: the greatest weight shared, ``left_only``, ``right_only``: the greatest weight that the
    other side lacks, in units of the rarest term's weight.
    """
    names = ("cosine", "left_in_right", "right_in_left", "shared", "left_only", "right_only")
    found = {name: np.full(len(pairs), -1, np.float32) for name in names}
    top = max(float(view.weight.max(initial=0)), 1e-6)
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        one, other = view.left[pairs[part, 0]], view.right[pairs[part, 1]]
        # Weights depend on the term alone where terms count once, so the smaller one is the shared one.
        shared = one.minimum(other)
        sums = [_sum(matrix) for matrix in (one, other, shared)]
        lengths = np.sqrt(_sum(one.multiply(one)) * _sum(other.multiply(other)))
        both = (sums[0] > 0) & (sums[1] > 0)
        products = _sum(one.multiply(other))
        for name, value, scale in (
            ("cosine", products, lengths),
            ("left_in_right", sums[2], sums[0]),
            ("right_in_left", sums[2], sums[1]),
        ):
            found[name][part] = np.where(both, value / np.maximum(scale, 1e-9), -1)
        for name, matrix in (("shared", shared), ("left_only", one - shared), ("right_only", other - shared)):
            found[name][part] = np.where(both, _max(matrix) / top, -1)
    return found


def _weighted(left: sparse.csr_matrix, right: sparse.csr_matrix, terms: dict[str, int]) -> View:
    counted = np.bincount(left.indices, minlength=left.shape[1]) + np.bincount(right.indices, minlength=left.shape[1])
    total = left.shape[0] + right.shape[0]
    weight = np.log((1 + total) / np.maximum(1, counted)).astype(np.float32)
    for matrix in (left, right):
        matrix.data = (matrix.data * weight[matrix.indices]).astype(np.float32)
    return View(left, right, weight, terms)


def _unit(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    lengths = np.sqrt(_sum(matrix.multiply(matrix)))
    scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return sparse.csr_matrix(sparse.diags(scale.astype(np.float32)) @ matrix)


def _sum(matrix: sparse.spmatrix) -> NDArray[np.float64]:
    return np.asarray(matrix.sum(axis=1), np.float64).ravel()


def _max(matrix: sparse.spmatrix) -> NDArray[np.float64]:
    if 0 in matrix.shape:
        return np.zeros(matrix.shape[0])
    return np.asarray(matrix.max(axis=1).todense(), np.float64).ravel()
