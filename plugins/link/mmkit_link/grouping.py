"""Groups of records that mean the same thing: by scored pairs, or by one pooled vector a record.

Legend: N records, P pairs, D dims.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mmkit.match import cluster
from mmkit_link.encoding import pooled

__all__ = ["Linkage", "cluster_pooled", "group_pairs", "side_by_side", "single_linkage", "single_tree"]

Linkage = Literal["single", "average", "complete"]
_LARGEST: Final = 2000


def group_pairs(
    count: int,
    pairs: NDArray[np.int64],
    scores: NDArray[np.float32],
    threshold: float,
    *,
    linkage: Linkage = "average",
) -> NDArray[np.int64]:
    """(N,) labels from 0 of records joined by pairs at the threshold, by first appearance.

    Args:
        linkage: ``single`` joins whatever a chain of pairs connects. Against chaining, ``average`` joins two groups
            only while the mean score of their pairs reaches the threshold, ``complete`` only while all do; pairs that
            were never compared score 0. A chain of more than 2,000 records is first cut at higher scores.
    """
    labels = _connected(count, pairs[scores >= threshold])
    if linkage != "single":
        labels = _split(labels, pairs, scores, threshold, linkage)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _connected(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _split(
    labels: NDArray[np.int64], pairs: NDArray[np.int64], scores: NDArray[np.float32], threshold: float, linkage: Linkage
) -> NDArray[np.int64]:
    from scipy.cluster.hierarchy import fcluster
    from scipy.cluster.hierarchy import linkage as agglomerate
    from scipy.spatial.distance import squareform

    sizes = np.bincount(labels)
    inside = np.flatnonzero((labels[pairs[:, 0]] == labels[pairs[:, 1]]) & (sizes[labels[pairs[:, 0]]] > 2))
    inside = inside[np.argsort(labels[pairs[inside, 0]], kind="stable")]
    result, used = labels.copy(), len(labels)
    starts = np.flatnonzero(np.diff(labels[pairs[inside, 0]])) + 1
    for places in np.split(inside, starts) if len(inside) else []:
        members, row = np.unique(pairs[places], return_inverse=True)
        row = row.reshape(-1, 2)
        if len(members) > _LARGEST:
            parts = _thinned(len(members), row, scores[places], threshold)
        else:
            distances = np.ones((len(members), len(members)))
            distances[row[:, 0], row[:, 1]] = distances[row[:, 1], row[:, 0]] = 1 - scores[places]
            np.fill_diagonal(distances, 0)
            tree = agglomerate(squareform(distances, checks=False), linkage)
            parts = fcluster(tree, 1 - threshold + 1e-6, criterion="distance")
        result[members] = used + parts
        used += int(parts.max()) + 1
    return result


def _thinned(count: int, row: NDArray[np.int64], scores: NDArray[np.float32], threshold: float) -> NDArray[np.int64]:
    """Labels of a group too large for a dense linkage: the cut rises until its parts are small, or all scores are 1."""
    labels = np.zeros(count, np.int64)
    while threshold < 1 - 1e-4 and int(np.bincount(labels).max()) > _LARGEST:
        threshold = (1 + threshold) / 2
        labels = _connected(count, row[scores >= threshold])
    return labels


def side_by_side(
    pictures: NDArray[np.float32], texts: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vectors of two spaces as vectors of one, each zero where the other lies."""
    one = np.concatenate([pictures, np.zeros((len(pictures), texts.shape[1]), np.float32)], axis=1)
    other = np.concatenate([np.zeros((len(texts), pictures.shape[1]), np.float32), texts], axis=1)
    return one, other


def cluster_pooled(
    pictures: NDArray[np.float32],
    texts: NDArray[np.float32],
    *,
    weight: float,
    threshold: float,
    linkage: Linkage = "single",
) -> NDArray[np.int64]:
    """(N,) labels: the pooled vectors N(w N(I) + (1 - w) N(T)) clustered at a cosine, as in CLIPPINGS (section 4)."""
    return cluster(pooled(pictures, texts, weight), threshold, linkage=linkage)


def single_linkage(distances: NDArray[np.float64], cut: float) -> list[int]:
    """N labels of (N, N) distances."""
    from scipy.cluster.hierarchy import fcluster

    if len(distances) < 2:
        return [1] * len(distances)
    return list(map(int, fcluster(single_tree(distances), cut, criterion="distance")))


def single_tree(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N - 1, 4) the merges of single linkage of (N, N) distances, nearest first, as scipy writes them."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    plain = np.maximum((distances + distances.T) / 2, 0)
    np.fill_diagonal(plain, 0)
    return np.asarray(linkage(squareform(plain, checks=False), "single"))
