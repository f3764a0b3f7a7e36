"""Groups of vectors that lie close together, without an N x N matrix.

Legend: N vectors, D dims, m members of one group.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import UsageError
from mmkit.match.operands import Comparable, as_operand, check_finite
from mmkit.match.scorers import unit_rows

__all__ = ["Linkage", "cluster"]

Linkage = Literal["single", "average", "complete"]

#: The stricter linkages need all distances inside one group at once: m (m - 1) / 2 doubles, 1.6 GB here.
_LARGEST_GROUP: Final = 20_000


def cluster(
    vectors: Comparable, threshold: float, *, linkage: Linkage = "single", rows_at_once: int = 2048
) -> NDArray[np.int64]:
    """Cluster by cosine similarity.

    Args:
        vectors: Embeddings or an (N, D) array; rows need not have length 1, a zero row is alone (if threshold > 0).
        threshold: the cosine at which two vectors, or two clusters, are one.
        linkage: ``single`` joins whatever a chain of pairs at the threshold connects. Against chaining,
            ``average`` joins two clusters only while their members' mean cosine reaches the threshold, and
            ``complete`` only while every pair of members does, so that no cluster is wider than the threshold.
            Both split the groups of ``single`` further and never join across them.
        rows_at_once: memory is about 5 x rows_at_once^2 bytes.

    Returns:
        (N,) int64 labels from 0, numbered in the order of first appearance.

    Raises:
        BadInput: a vector holds NaN or infinite values.
        UsageError: an argument is out of range, or a group is too large for average or complete linkage.
    """
    if linkage not in ("single", "average", "complete"):
        raise UsageError(f"Expected linkage single, average or complete, but received {linkage!r}")
    if not -1.0 <= threshold <= 1.0:
        raise UsageError(f"Expected a cosine from -1 to 1 as threshold, but received {threshold}")
    operand = as_operand(vectors, name="vectors")
    if operand.kind != "vector":
        raise UsageError(f"Expected embeddings of kind vector to cluster, but received {operand.kind}")
    raw = operand.vectors if isinstance(operand.vectors, np.ndarray) else operand.vectors.float().cpu().numpy()
    check_finite(raw, name="vectors")
    labels = _connected(raw, np.float32(threshold), rows_at_once)
    if linkage != "single":
        labels = _split(raw, labels, threshold, linkage)
    return _by_first_appearance(labels)


def _connected(raw: NDArray[Any], threshold: np.float32, step: int) -> NDArray[np.int64]:
    """Labels of the connected components of the graph of pairs at or above the threshold."""
    count = len(raw)
    labels = np.arange(count)
    units = np.empty(raw.shape, np.float32)
    for start in range(0, count, step):
        units[start : start + step] = unit_rows(raw[start : start + step])
    # Products of unit float32 rows, summed in float32 in any order, are this close to the cosine.
    slack = np.float32((raw.shape[1] + 8) * 2.0**-23)
    for start in range(0, count, step):
        for other in range(start, count, step):
            left, right = labels[start : start + step], labels[other : other + step]
            products = units[start : start + step] @ units[other : other + step].T
            close = (products >= threshold - slack) & (left[:, None] != right[None])
            i, j = np.nonzero(close)
            sure = products[i, j] >= threshold + slack
            labels = _join(labels, start + i[sure], other + j[sure])
            unsure = np.flatnonzero(~sure)
            for part in range(0, len(unsure), step):
                a, b = start + i[unsure[part : part + step]], other + j[unsure[part : part + step]]
                apart = labels[a] != labels[b]
                a, b = a[apart], b[apart]
                cosines = (unit_rows(raw[a]) * unit_rows(raw[b])).sum(axis=1).astype(np.float32)
                labels = _join(labels, a[cosines >= threshold], b[cosines >= threshold])
    return labels


def _join(labels: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels after the components of paired rows became one; labels stay smaller than N."""
    if not len(left):
        return labels
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = np.ones(len(left), bool), (labels[left], labels[right])
    _, joined = connected_components(coo_matrix(edges, shape=(len(labels), len(labels))), directed=False)
    return np.asarray(joined[labels], np.int64)


def _split(raw: NDArray[Any], labels: NDArray[np.int64], threshold: float, linkage: Linkage) -> NDArray[np.int64]:
    """Labels after every component was clustered by the stricter linkage on its own.

    Both linkages join only clusters that hold a pair at the threshold, hence never two components.
    """
    from scipy.cluster.hierarchy import fcluster
    from scipy.cluster.hierarchy import linkage as agglomerate
    from scipy.spatial.distance import squareform

    result, used = np.empty_like(labels), 0
    order = np.argsort(labels, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        if len(members) > _LARGEST_GROUP:
            raise UsageError(
                f"one group of {len(members)} vectors is connected at the threshold {threshold}, and {linkage} linkage "
                f"takes at most {_LARGEST_GROUP}",
                mend="raise the threshold or use single linkage",
            )
        parts = np.ones(len(members), np.int64)
        if len(members) > 1:
            units = unit_rows(raw[members])
            distances = 1.0 - units @ units.T
            np.fill_diagonal(distances, 0.0)
            tree = agglomerate(squareform(np.maximum(distances, 0.0), checks=False), linkage)
            parts = fcluster(tree, 1.0 - threshold + 2.0**-24, criterion="distance").astype(np.int64)
        result[members] = used + parts - 1
        used += int(parts.max(initial=0))
    return result


def _by_first_appearance(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
