"""Ask a store: queries in, hits with their sources out.

Legend: Q queries, K hits a query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmkit.errors import UsageError
from mmkit.types import Embeddings, Matches

if TYPE_CHECKING:
    from mmkit.store import Store

__all__ = ["Hit", "check_same_space", "hits_of", "search_one_to_one", "search_store"]


@dataclass(frozen=True, slots=True)
class Hit:
    """One row of a gallery that matched.

    Attributes:
        rank: from 1.
        source: the file or text it was made from.
    """

    rank: int
    score: float
    id: str
    source: str
    modality: str
    metadata: Mapping[str, Any]


def search_store(
    store: Store,
    queries: Embeddings,
    *,
    k: int = 10,
    scorer: str = "cosine",
    threshold: float | None = None,
    index: str = "exact",
    device: str = "cpu",
) -> Matches:
    """``match`` against a store, with the scorers of plugins too.

    Raises:
        SpaceMismatch: the queries are of another space, width or preprocessing.
        UsageError: no such scorer, or a kind of embedding that it does not take.
    """
    from mmkit.match.retrieve import match
    from mmkit.plugins import registry

    offered = {name: entry.target for name, entry in registry().scorers.items()}
    return match(queries, store, k, scorer, threshold, index=index, device=device, extra_scorers=offered)


def check_same_space(queries: Embeddings, gallery: Embeddings) -> None:
    """Refuse vectors that must not be compared. Raises SpaceMismatch, naming both."""
    from mmkit.match.operands import as_operand, check_comparable

    check_comparable(as_operand(queries, name="queries"), as_operand(gallery, name="gallery"))


def search_one_to_one(store: Store, queries: Embeddings, *, threshold: float | None = None) -> Matches:
    """Pair queries with rows so that each is used once and the sum of scores is highest; K is 1."""
    import numpy as np

    from mmkit.match import assign
    from mmkit.match.retrieve import store_ids

    gallery = store.vectors()
    if gallery.kind != "vector" or queries.kind != "vector":
        raise UsageError("one-to-one matching takes single vectors", where="--one-to-one")
    check_same_space(queries, gallery)
    scores = queries.vectors @ gallery.vectors.T
    pairs, values = assign(scores, threshold=threshold)
    indices = np.full((len(queries), 1), -1, np.int64)
    best = np.full((len(queries), 1), -np.inf, np.float32)
    indices[pairs[:, 0], 0], best[pairs[:, 0], 0] = pairs[:, 1], values
    return Matches(indices, best, store_ids(store, indices))


def hits_of(store: Store, matches: Matches, query: int) -> list[Hit]:
    """The hits of one query, best first, with what the store knows of them."""
    kept = [(int(row), float(score)) for row, score in zip(matches.indices[query], matches.scores[query], strict=True)]
    kept = [(row, score) for row, score in kept if row >= 0]
    records = store.rows([row for row, _ in kept])
    return [
        Hit(rank, score, record["id"], record["source"], record["modality"], record["metadata"])
        for rank, ((_, score), record) in enumerate(zip(kept, records, strict=True), start=1)
    ]
