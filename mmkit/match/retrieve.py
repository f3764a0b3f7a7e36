"""``match``: the one call that finds the best gallery rows of every query.

Legend: Q queries, N gallery rows, K hits a query.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput, UsageError
from mmkit.match.best import Best
from mmkit.match.exact import MEASURES, name_matches, search_blocks, search_exactly
from mmkit.match.operands import Comparable, Operand, as_operand, check_comparable, check_finite, is_array
from mmkit.match.scorers import SCORERS, Scorer, resolve_scorer
from mmkit.types import Embeddings, Matches, SharedSpaceQuery

__all__ = ["StoredVectors", "match", "store_ids"]

_ROWS_AT_ONCE: Final = 4096


class SpaceFields(Protocol):
    """What a store states of its vectors without reading them."""

    @property
    def space(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def kind(self) -> str: ...


@runtime_checkable
class StoredVectors(Protocol):
    """Vectors on disk, such as a ``mmkit.Store``."""

    @property
    def spec_fields(self) -> SpaceFields: ...

    def blocks(self) -> Iterator[NDArray[Any]]: ...

    def vectors(self) -> Embeddings: ...

    def rows(self, indices: Sequence[int]) -> Sequence[Mapping[str, Any]]: ...


def match(
    queries: Comparable,
    gallery: Comparable | StoredVectors | Iterable[Any],
    k: int = 10,
    scorer: str | Scorer = "cosine",
    threshold: float | None = None,
    *,
    index: str = "exact",
    device: str = "cpu",
    extra_scorers: Mapping[str, str] | None = None,
) -> Matches:
    """The k best gallery rows of every query, best first.

    Args:
        queries: Q rows: Embeddings, a SharedSpaceQuery or an (Q, D) array.
        gallery: N rows likewise, a store, or an iterable of (n, D) blocks; blocks, also those of a store, are read
            once and never held whole.
        k: hits a query; the result has min(k, N) columns.
        scorer: a name, a ``module:attribute`` or a Scorer. ``cosine`` normalises rows that are not unit rows, and
            gives a zero row 0 with everything.
        threshold: hits that score less are dropped; the row is padded with -1, -inf and "".
        index: ``exact``, or ``faiss:`` and a factory string such as ``faiss:IVF256,Flat`` or ``faiss:HNSW32``,
            with search parameters after a semicolon: ``faiss:IVF256,Flat;nprobe=16``.
        device: where the exact search of cosine, dot and euclidean runs; a gallery tensor runs where it lives.
        extra_scorers: names that plugins offer, each with its ``module:attribute``.

    Returns:
        Matches whose scores descend; equal float32 scores go by the lower row.

    Raises:
        SpaceMismatch: the sides state different spaces or fingerprints, or differ in width.
        BadInput: a vector holds NaN or infinite values.
        UsageError: the scorer does not take these kinds, or an argument is out of range.
        MissingExtra: the index needs faiss.
    """
    chosen = resolve_scorer(scorer, extra_scorers)
    built_in = chosen.name in MEASURES and SCORERS.get(chosen.name) is chosen
    if isinstance(gallery, StoredVectors):
        if built_in and index == "exact" and gallery.spec_fields.kind == "vector":
            check_comparable(as_operand(queries, name="queries"), as_operand(_no_rows(gallery), name="gallery"))
            found = search_blocks(queries, gallery.blocks(), k, scorer=chosen.name, threshold=threshold, device=device)
            return Matches(found.indices, found.scores, store_ids(gallery, found.indices))
        gallery = gallery.vectors()
    if _is_stream(gallery):
        if not built_in or index != "exact":
            raise UsageError(
                f"a stream of blocks is searched exactly by {', '.join(MEASURES)}, "
                f"but received the scorer {chosen.name!r} and the index {index!r}",
                mend="pass the gallery as one array",
            )
        return search_blocks(queries, gallery, k, scorer=chosen.name, threshold=threshold, device=device)
    asked, held = as_operand(queries, name="queries"), as_operand(gallery, name="gallery")
    chosen.check_kinds(asked.kind, held.kind)
    check_comparable(asked, held)
    if index != "exact":
        if not built_in:
            raise UsageError(f"Expected one of {', '.join(MEASURES)} with {index!r}, but received {chosen.name!r}")
        from mmkit.match.ann import FaissIndex

        return FaissIndex(held, index, scorer=chosen.name).search(asked, k, threshold=threshold)
    if built_in:
        return search_exactly(asked, held, k, scorer=chosen.name, threshold=threshold, device=device)
    return _search_any(asked, held, k, chosen, threshold)


def _search_any(asked: Operand, held: Operand, k: int, scorer: Scorer, threshold: float | None) -> Matches:
    """Score every row by the scorer's own function, block by block."""
    if k < 1:
        raise UsageError(f"Expected k of at least 1, but received {k}")
    asked, held = _on_host(asked, "queries"), _on_host(held, "gallery")
    best = Best(len(asked), min(k, len(held)), threshold)
    everyone = np.arange(len(asked))
    for start in range(0, len(held) if len(asked) else 0, _ROWS_AT_ONCE):
        block = held.rows(start, min(start + _ROWS_AT_ONCE, len(held)))
        scores = np.asarray(scorer.function(asked, block), np.float32)
        if scores.shape != (len(asked), len(block)):
            raise UsageError(
                f"Expected scores of shape {(len(asked), len(block))}, but received {scores.shape}",
                where=f"scorer {scorer.name}",
            )
        if np.isnan(scores).any():
            raise BadInput("a score is NaN", where=f"scorer {scorer.name}")
        best.offer_block(everyone, start, scores)
    return name_matches(best, held.ids)


def _no_rows(gallery: StoredVectors) -> Embeddings:
    fields = gallery.spec_fields
    return Embeddings(np.empty((0, fields.dim), np.float32), space=fields.space, fingerprint=fields.fingerprint)


def store_ids(gallery: StoredVectors, indices: NDArray[np.int64]) -> NDArray[Any]:
    """The store's ids of rows, "" for -1; only the rows that were hit are read."""
    rows = np.unique(indices[indices >= 0])
    names = {int(row): record["id"] for row, record in zip(rows, gallery.rows([int(r) for r in rows]), strict=True)}
    ids = np.full(indices.shape, "", object)
    for place, row in np.ndenumerate(indices):
        if row >= 0:
            ids[place] = names[int(row)]
    return ids


def _on_host(operand: Operand, name: str) -> Operand:
    vectors = operand.vectors if isinstance(operand.vectors, np.ndarray) else operand.vectors.float().cpu().numpy()
    if operand.kind != "bits":
        check_finite(vectors, name=name)
    return Operand(vectors, operand.kind, operand.mask, operand.space, operand.fingerprint, operand.ids)


def _is_stream(gallery: Any) -> TypeGuard[Iterable[Any]]:
    if isinstance(gallery, (Embeddings, SharedSpaceQuery)) or is_array(gallery):
        return False
    if isinstance(gallery, (list, tuple)):
        # A list of numbers or of rows is an array; a list of matrices is a stream of blocks.
        return bool(gallery) and getattr(gallery[0], "ndim", 0) == 2
    return isinstance(gallery, Iterable)
