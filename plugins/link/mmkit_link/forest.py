"""A forest of extremely randomised trees (Geurts, Ernst and Wehenkel 2006) as plain arrays.

Legend: P pairs, F features, N nodes of all trees, T trees.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Forest", "check_forest", "fit_forest"]


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Trees one after another: node n sends a pair left where its feature is at most ``cut``.

    Attributes:
        roots: (T,) the first node of each tree.
        feature: (N,) int32, -1 at a leaf.
        cut: (N,) float64.
        left, right: (N,) int32 nodes.
        value: (N,) float32 share of positives.
    """

    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    cut: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float32]

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """(P,) the mean over the trees."""
        total = np.zeros(len(values))
        for number in range(len(self.roots)):
            total += self.tree(number, values)
        return total / max(1, len(self.roots))

    def tree(self, number: int, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(P,) the share of positives that one tree gives."""
        node = np.full(len(values), self.roots[number], np.int32)
        rows = np.arange(len(values))
        while len(rows):
            feature = self.feature[node[rows]]
            rows = rows[feature >= 0]
            at = node[rows]
            goes_left = values[rows, self.feature[at]] <= self.cut[at]
            node[rows] = np.where(goes_left, self.left[at], self.right[at])
        return self.value[node]


def fit_forest(
    values: NDArray[np.float32], labels: NDArray[np.int64], weights: NDArray[np.float64], *, trees: int, seed: int
) -> tuple[Forest, NDArray[np.float64]]:
    """Fit T trees, each on as many pairs as there are, drawn with replacement.

    Args:
        values: (P, F).
        labels: (P,) 0 or 1.
        weights: (P,) of the pairs in the trees. Every pair is as likely to be drawn as any other, whatever its weight,
            so that each is left out of a third of the trees: drawn by weight, as scikit-learn's own forests draw them,
            the few links would be in all.

    Returns:
        The forest, and (P,) the mean over the trees that have not seen a pair; over all, where all have.
    """
    from sklearn.tree import ExtraTreeClassifier

    values, count = np.ascontiguousarray(values, np.float32), len(labels)

    def grown(number: int) -> tuple[Any, NDArray[np.bool_]]:
        rng = np.random.default_rng([seed, number])
        drawn = np.bincount(rng.integers(0, count, count), minlength=count)
        if len(set(labels[drawn > 0].tolist())) < 2:
            drawn = np.maximum(drawn, 1)
        tree = ExtraTreeClassifier(max_features=0.3, min_samples_leaf=2, random_state=int(rng.integers(2**31)))
        return tree.fit(values, labels, sample_weight=drawn * weights).tree_, drawn == 0

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(grown, range(trees)))
    forest = _plain([tree for tree, _ in found])
    total, times = np.zeros(count), np.zeros(count)
    for number, (_, left_out) in enumerate(found):
        rows = np.flatnonzero(left_out)
        total[rows] += forest.tree(number, values[rows])
        times[rows] += 1
    unseen = np.divide(total, times, out=np.zeros(count), where=times > 0)
    seen = np.flatnonzero(times == 0)
    unseen[seen] = forest(values[seen])
    return forest, unseen


def _plain(trees: Sequence[Any]) -> Forest:
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in Forest.__slots__}
    used = 0
    for tree in trees:
        leaf = tree.children_left < 0
        shares = tree.value[:, 0, :]
        parts["roots"].append(np.array([used], np.int32))
        parts["feature"].append(np.where(leaf, -1, tree.feature).astype(np.int32))
        parts["cut"].append(tree.threshold.astype(np.float64))
        parts["left"].append(np.where(leaf, 0, tree.children_left + used).astype(np.int32))
        parts["right"].append(np.where(leaf, 0, tree.children_right + used).astype(np.int32))
        parts["value"].append((shares[:, 1] / np.maximum(shares.sum(axis=1), 1e-12)).astype(np.float32))
        used += tree.node_count
    return Forest(**{name: np.concatenate(arrays) for name, arrays in parts.items()})


def check_forest(forest: Forest, features: int) -> None:
    """Raise ValueError where a walk down the trees could leave them or never end."""
    count = len(forest.feature)
    inner = np.flatnonzero(forest.feature >= 0)
    shapes = {len(getattr(forest, name)) for name in Forest.__slots__ if name != "roots"}
    children = np.concatenate([forest.left[inner], forest.right[inner]])
    parents = np.concatenate([inner, inner])
    if (
        len(shapes) != 1
        or (len(forest.roots) and not 0 <= forest.roots.min() <= forest.roots.max() < count)
        or (len(inner) and int(forest.feature.max()) >= features)
        or (len(children) and (int(children.max()) >= count or (children <= parents).any()))
    ):
        raise ValueError("its trees are malformed")
