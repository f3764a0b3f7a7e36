"""Approximate search through faiss, chosen by name; the hits it proposes are re-scored exactly.

Legend: Q queries, N gallery rows, K hits a query.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mmkit.errors import MissingExtra, UsageError
from mmkit.match.best import Best
from mmkit.match.bounds import Query
from mmkit.match.exact import MEASURES, name_matches
from mmkit.match.operands import Comparable, Operand, as_operand, check_comparable, check_finite
from mmkit.match.scorers import unit_rows
from mmkit.types import Matches

__all__ = ["FaissIndex"]


class FaissIndex:
    """A faiss index over a gallery.

    Args:
        gallery: Embeddings, an Operand or an (N, D) array.
        name: ``faiss:FACTORY`` or ``faiss:FACTORY;parameter=value,…``, such as ``faiss:IVF256,Flat;nprobe=16``.
            Without parameters an IVF index visits a sixteenth of its lists, and HNSW searches with a list of 64.
        scorer: ``cosine``, ``dot`` or ``euclidean``.

    Raises:
        MissingExtra: faiss is not installed.
        UsageError: faiss does not know the factory string, or the gallery is too small to train it.
    """

    def __init__(self, gallery: Comparable | Operand, name: str, *, scorer: str = "cosine") -> None:
        self.gallery = gallery if isinstance(gallery, Operand) else as_operand(gallery, name="gallery")
        if scorer not in MEASURES:
            raise UsageError(f"Expected one of {', '.join(MEASURES)} with {name!r}, but received {scorer!r}")
        self.name, self.scorer = name, scorer
        family, _, rest = name.partition(":")
        factory, _, parameters = rest.partition(";")
        if family != "faiss" or not factory:
            raise UsageError(f"Expected the index exact or faiss:FACTORY, but received {name!r}")
        try:
            import faiss
        except ImportError as error:
            raise MissingExtra("faiss-cpu", extra="faiss", feature=f"the index {name}") from error
        self._index: Any = None
        if len(self.gallery):
            self._index = self._build(faiss, factory, parameters)

    def search(self, queries: Comparable | Operand, k: int = 10, *, threshold: float | None = None) -> Matches:
        """The k best of the rows that faiss proposes for every query, fewer where it proposes fewer."""
        asked = queries if isinstance(queries, Operand) else as_operand(queries, name="queries")
        check_comparable(asked, self.gallery)
        if k < 1:
            raise UsageError(f"Expected k of at least 1, but received {k}")
        query = Query(_host(asked.vectors), self.scorer)  # type: ignore[arg-type]
        wanted = min(k, len(self.gallery))
        best = Best(len(query), wanted, threshold)
        if len(query) and self._index is not None:
            _, proposed = self._index.search(query.single, wanted)
            numbers, column = np.nonzero(proposed >= 0)
            rows = proposed[numbers, column].astype(np.int64)
            best.offer_pairs(numbers, rows, query.scores(numbers, _host(self.gallery.vectors)[rows].astype(np.float64)))
        return name_matches(best, self.gallery.ids)

    def _build(self, faiss: Any, factory: str, parameters: str) -> Any:
        vectors = _host(self.gallery.vectors)
        check_finite(vectors, name="gallery")
        rows = unit_rows(vectors) if self.scorer == "cosine" else vectors
        rows = np.ascontiguousarray(rows, np.float32)
        metric = faiss.METRIC_L2 if self.scorer == "euclidean" else faiss.METRIC_INNER_PRODUCT
        try:
            index = faiss.index_factory(rows.shape[1], factory, metric)
            index.train(rows)
            index.add(rows)
            faiss.ParameterSpace().set_index_parameters(index, parameters or _usual_parameters(faiss, index))
        except (RuntimeError, AssertionError) as error:
            reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
            raise UsageError(
                f"faiss cannot build this index over {len(rows)} rows of {rows.shape[1]} dims: {reason}",
                where=f"index {self.name}",
                mend="use fewer lists, or the index exact",
            ) from error
        return index


def _usual_parameters(faiss: Any, index: Any) -> str:
    lists = faiss.try_extract_index_ivf(index)
    if lists is not None:
        return f"nprobe={max(1, lists.nlist // 16)}"
    return "efSearch=64" if "HNSW" in type(faiss.downcast_index(index)).__name__ else ""


def _host(vectors: Any) -> Any:
    return vectors if isinstance(vectors, np.ndarray) else vectors.float().cpu().numpy()
