"""Measures of links and clusters.

Legend: P pairs, N records.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["adjusted_rand", "average_precision", "f1_of", "link_scores"]


def f1_of(predicted: NDArray[np.bool_], labels: NDArray[np.int64]) -> dict[str, float]:
    """``precision``, ``recall`` and ``f1`` of P decisions; 0 where undefined."""
    hits = int((predicted & (labels == 1)).sum())
    return _scores(hits, int(predicted.sum()), int((labels == 1).sum()))


def link_scores(
    found: Collection[tuple[Hashable, Hashable]], truth: Collection[tuple[Hashable, Hashable]]
) -> dict[str, float]:
    """``precision``, ``recall`` and ``f1`` of a set of links."""
    found, truth = set(found), set(truth)
    return _scores(len(found & truth), len(found), len(truth))


def _scores(hits: int, taken: int, positives: int) -> dict[str, float]:
    precision = hits / taken if taken else 0.0
    recall = hits / positives if positives else 0.0
    f1 = 2 * hits / (taken + positives) if taken + positives else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


def average_precision(scores: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """The mean over positives of the precision at their score; ties count as one step. 0 without positives."""
    labels = np.asarray(labels)
    if not labels.any():
        return 0.0
    _, inverse = np.unique(np.asarray(scores), return_inverse=True)
    positives = np.bincount(inverse, weights=labels)[::-1]
    taken = np.bincount(inverse)[::-1].cumsum()
    precision = positives.cumsum() / taken
    return float((precision * positives).sum() / labels.sum())


def adjusted_rand(one: Sequence[Hashable], other: Sequence[Hashable]) -> float:
    """Adjusted Rand index of two labellings of N records (Hubert and Arabie 1985); 1 where both are the same."""
    if len(one) != len(other):
        raise ValueError(f"Expected two labellings of one length, but received {len(one)} and {len(other)}")
    first, second = _numbered(one), _numbered(other)
    cells = _pairs(np.unique(first * (int(second.max(initial=0)) + 1) + second, return_counts=True)[1])
    rows, columns = _pairs(np.bincount(first)), _pairs(np.bincount(second))
    total = len(first) * (len(first) - 1) / 2
    if total == 0 or (rows == columns == cells):
        return 1.0
    expected = rows * columns / total
    return (cells - expected) / ((rows + columns) / 2 - expected)


def _numbered(labels: Sequence[Hashable]) -> NDArray[np.int64]:
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(label, len(known)) for label in labels], np.int64)


def _pairs(counts: NDArray[np.int64]) -> float:
    return float((counts * (counts - 1) / 2).sum())
