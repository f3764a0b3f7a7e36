"""The weight of the picture and the cut of single linkage, searched on labelled records.

The best adjusted Rand index on one set of records is a poor guide to the next: one chain between two large classes
moves it by tens, and lies a hundredth beside the best cut as often as not. So a weight and a cut are as good as the
worst index at that cut and at the next laxer ones: a cut at which records that lie a little nearer would not chain.

Legend: N records, D dims, C cuts.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import UsageError
from mmkit_link.encoding import pooled
from mmkit_link.grouping import single_tree

__all__ = ["PooledCut", "search_cut", "search_pooling"]

_MOST_TUNED: Final = 5000
_WEIGHTS: Final = tuple(round(0.05 * step, 2) for step in range(21))
_CUTS: Final = np.round(np.arange(0.01, 1.0, 0.01), 2)
#: Laxer cuts, in hundredths, at which the index must hold too.
_LAXER: Final = 3


@dataclass(frozen=True, slots=True)
class PooledCut:
    """The weight of the picture, the cosine of the cut, and the adjusted Rand index they reached on all records."""

    weight: float
    threshold: float
    ari: float


def search_pooling(
    pictures: NDArray[np.float32],
    texts: NDArray[np.float32],
    labels: Sequence[Hashable],
    *,
    weights: Sequence[float] = _WEIGHTS,
) -> PooledCut:
    """The weight and cosine whose single-linkage clusters have the highest adjusted Rand index, at laxer cuts too.

    Raises:
        UsageError: more than 5,000 records, or fewer than 2; tune on fewer, or more.
    """
    if len(labels) > _MOST_TUNED:
        raise UsageError(f"Expected at most {_MOST_TUNED} records to tune on, but received {len(labels)}")
    if len(labels) < 2:
        raise UsageError(f"Expected at least 2 records to tune on, but received {len(labels)}")
    classes = _numbered(labels)
    found = []
    for weight in weights:
        rows = pooled(pictures, texts, weight)
        found.append(_ari_by_cut(1 - (rows @ rows.T).astype(np.float64), classes))
    at, cut = _safest(np.array(found))
    return PooledCut(float(weights[at]), float(1 - _CUTS[cut]), float(found[at][cut]))


def search_cut(distances: NDArray[np.float64], labels: Sequence[Hashable]) -> tuple[float, float]:
    """The distance, in hundredths, at which single linkage has the highest adjusted Rand index, at laxer ones too, and
    the index there.

    Args:
        distances: (N, N) from 0 to about 1, N at least 2.
    """
    found = _ari_by_cut(distances, _numbered(labels))
    cut = _safest(found[None])[1]
    return float(_CUTS[cut]), float(found[cut])


def _numbered(labels: Sequence[Hashable]) -> NDArray[np.int64]:
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(label, len(known)) for label in labels], np.int64)


def _ari_by_cut(distances: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """(C,) the adjusted Rand index at every cut (Hubert and Arabie 1985), in one walk up the tree of single linkage."""
    tree, count = single_tree(distances), len(classes)
    held = np.zeros((2 * count - 1, int(classes.max()) + 1))
    held[np.arange(count), classes] = 1
    together = np.zeros(len(tree))
    for place, (one, other) in enumerate(tree[:, :2].astype(int).tolist()):
        held[count + place] = held[one] + held[other]
        # Pairs of one class that this merge brings together.
        together[place] = held[one] @ held[other]
    sizes = held.sum(axis=1)
    merged = tree[:, :2].astype(int)
    rows = np.concatenate([[0.0], np.cumsum(sizes[merged[:, 0]] * sizes[merged[:, 1]])])
    cells = np.concatenate([[0.0], np.cumsum(together)])
    of_class = np.bincount(classes)
    columns = float((of_class * (of_class - 1) / 2).sum())
    expected = rows * columns / (count * (count - 1) / 2)
    most = (rows + columns) / 2
    same = (rows == columns) & (cells == columns)
    index = np.where(same, 1.0, (cells - expected) / np.where(most == expected, 1.0, most - expected))
    return np.asarray(index[np.searchsorted(tree[:, 2], _CUTS, "right")])


def _safest(index: NDArray[np.float64]) -> tuple[int, int]:
    """The row and column of (W, C) whose worst index, of the cut and the laxer ones, is highest.

    Of several that are equally good it is the one in the middle, which is the least likely to be so by chance.
    """
    padded = np.pad(index, ((0, 0), (0, _LAXER)), mode="edge")
    worst = np.lib.stride_tricks.sliding_window_view(padded, _LAXER + 1, axis=1).min(axis=2)
    best = np.argwhere(worst >= worst.max() - 1e-9)
    row, column = best[len(best) // 2]
    return int(row), int(column)
