"""Exact search: stream a gallery, narrow it down in low precision, score what is left in float64.

The k rows returned are those a float64 comparison of everything would return, ordered by the score rounded to
float32, equal scores by the lower row. Nothing depends on block sizes, threads or the filter that was used.

Legend: Q queries, N gallery rows, D dims, K hits a query.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import UsageError
from mmkit.match.best import Best
from mmkit.match.bounds import BF16, FLOAT32, Measure, Precision, Query
from mmkit.match.filters import Block, Filter, NumpyFilter, TorchFilter, TorchPreparer, has_fast_bf16
from mmkit.match.operands import Comparable, Operand, as_blocks, as_operand, check_comparable
from mmkit.match.scorers import SCORERS
from mmkit.types import Matches

__all__ = ["MEASURES", "ExactIndex", "name_matches", "search_blocks", "search_exactly"]

#: Multiply-adds under which importing torch costs more than it saves.
_SMALL: Final = 200_000_000
_CPU_ROWS: Final = 4096
_BF16_ROWS: Final = 16384
_GPU_ROWS: Final = 65536
_PAIRS_AT_ONCE: Final = 4096
MEASURES: Final = ("cosine", "dot", "euclidean")

Arithmetic = Literal["auto", "bf16", "float32"]


class _Search:
    """One pass of Q queries over a gallery."""

    def __init__(self, query: Query, best: Best, filters: Sequence[Filter]) -> None:
        self.query, self.best, self.filters = query, best, list(filters)

    def visit(self, block: Block) -> None:
        """Take the best rows of a block."""
        active = np.arange(len(self.query))
        full = self.best.full()
        cap = max(64, len(block) // 32, 2 * self.best.k)
        if len(block) > self.best.k or full:
            for number, narrow in enumerate(list(self.filters)):
                left = narrow.survivors(block, active, self.best.floor, k=self.best.k, full=full, cap=cap)
                self._score(block, left.queries, left.rows)
                if full and number == 0 and len(self.filters) > 1 and 2 * len(left.crowded) > len(active):
                    # Scores lie closer together than this format tells apart; it will not pay on later blocks.
                    self.filters.remove(narrow)
                active = left.crowded
                if not len(active):
                    return
        self._score_all(block, active)

    def _score(self, block: Block, queries: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Score pairs in float64, after float32 dropped those that cannot be among the best."""
        query, k = self.query, self.best.k
        low = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), _PAIRS_AT_ONCE):
            part = slice(start, start + _PAIRS_AT_ONCE)
            np.einsum("pd,pd->p", query.single[queries[part]], block.singles(rows[part]), out=low[part])
        if query.measure == "euclidean":
            low -= (np.square(block.geometry.lengths[rows]) / 2).astype(np.float32)
        slack = query.slack(FLOAT32, block.geometry, query.single_shift)
        needed = query.needed(self.best.floor)
        plenty = np.flatnonzero(np.bincount(queries, minlength=len(query)) >= k)
        if len(plenty):
            order = np.lexsort((-low, queries))
            kth = low[order[np.searchsorted(queries[order], plenty) + k - 1]].astype(np.float64)
            needed[plenty] = np.maximum(needed[plenty], query.known(kth, slack[plenty], FLOAT32))
        keep = low >= query.cut(needed, slack, FLOAT32)[queries]
        queries, rows = queries[keep], rows[keep]
        for start in range(0, len(rows), _PAIRS_AT_ONCE):
            part = slice(start, start + _PAIRS_AT_ONCE)
            scores = query.scores(queries[part], block.doubles(rows[part]))
            self.best.offer_pairs(queries[part], block.first + rows[part], scores)

    def _score_all(self, block: Block, active: NDArray[np.int64]) -> None:
        for start in range(0, len(block), _CPU_ROWS):
            rows = block.doubles(slice(start, min(start + _CPU_ROWS, len(block))))
            for some in range(0, len(active), 1024):
                part = active[some : some + 1024]
                self.best.offer_block(part, block.first + start, self.query.all_scores(part, rows))


class ExactIndex:
    """A gallery prepared once for many searches.

    Args:
        gallery: Embeddings or an (N, D) array; it is kept by reference, and a copy in bf16 (half its size) beside it.
        scorer: ``cosine``, ``dot`` or ``euclidean``.
        device: ``cpu`` or a torch device.
        arithmetic: ``bf16`` or ``float32`` forces the filter's format; it changes the time, never the result.

    Raises:
        BadInput: a row holds NaN or infinite values.
    """

    def __init__(
        self,
        gallery: Comparable,
        *,
        scorer: str = "cosine",
        device: str = "cpu",
        arithmetic: Arithmetic = "auto",
    ) -> None:
        self.gallery = as_operand(gallery, name="gallery")
        self.measure = _measure(scorer)
        SCORERS[scorer].check_kinds("vector", self.gallery.kind)
        self.device = _device_of(self.gallery.vectors, device)
        self.precision = _precision(self.device, arithmetic)
        self._blocks: list[Block] | None = None
        # Whether torch is worth its import is only known at the first search of any size.
        if self.precision is not None and _numbers(self.gallery.vectors) * 64 >= _SMALL:
            self._prepare(self.precision)

    def __len__(self) -> int:
        return len(self.gallery)

    def search(self, queries: Comparable, k: int = 10, *, threshold: float | None = None) -> Matches:
        """The k best rows of every query.

        Raises:
            SpaceMismatch: queries and gallery do not share a space.
        """
        asked = as_operand(queries, name="queries")
        check_comparable(asked, self.gallery)
        SCORERS[self.measure].check_kinds(asked.kind, self.gallery.kind)
        total = len(self.gallery)
        query = Query(_on_host(asked.vectors), self.measure)
        best = Best(len(query), _checked_k(k, total), threshold)
        if not len(query) or not total:
            return name_matches(best, self.gallery.ids)
        precision = self.precision
        if precision is None or (self._blocks is None and len(query) * _numbers(self.gallery.vectors) < _SMALL):
            _run_numpy(query, best, [self.gallery.vectors])
        else:
            if self._blocks is None:
                self._prepare(precision)
            search = _Search(query, best, [TorchFilter(query, precision, self.device), NumpyFilter(query)])
            for block in self._blocks or ():
                search.visit(block)
        return name_matches(best, self.gallery.ids)

    def _prepare(self, precision: Precision) -> None:
        preparer = TorchPreparer(self.measure, precision, self.device)
        rows = _rows_at_once(self.device)
        self._blocks = [
            preparer.prepare(part, first, keep=True) for part, first in _parts([self.gallery.vectors], rows)
        ]


def search_blocks(
    queries: Comparable,
    blocks: Iterable[Any],
    k: int = 10,
    *,
    scorer: str = "cosine",
    threshold: float | None = None,
    device: str = "cpu",
    ids: Sequence[str] = (),
    arithmetic: Arithmetic = "auto",
) -> Matches:
    """The k best rows of every query in a gallery that streams past, so that it may be larger than memory.

    Args:
        queries: (Q, D) vectors.
        blocks: arrays (n_i, D) of float16 or float32, such as mapped shards; read once, in order. Row numbers run on
            through all of them.
        k: hits a query; the result has min(k, N) columns.
        ids: N gallery names, or none.
        scorer, threshold, device, arithmetic: as in ``match`` and ``ExactIndex``.

    Raises:
        SpaceMismatch: a block's width is not that of the queries.
        BadInput: a row holds NaN or infinite values.
    """
    asked = as_operand(queries, name="queries")
    measure = _measure(scorer)
    SCORERS[scorer].check_kinds(asked.kind, "vector")
    query = Query(_on_host(asked.vectors), measure)
    best = Best(len(query), _checked_k(k, None), threshold)
    total = 0

    def counted() -> Iterator[Any]:
        nonlocal total
        for block in as_blocks(blocks, dim=None if not len(query) and not query.dim else query.dim):
            total += len(block)
            if len(block):
                yield block

    _run(query, best, counted(), device, arithmetic)
    return name_matches(best.narrowed(min(k, total)), tuple(ids))


def search_exactly(
    asked: Operand,
    gallery: Operand,
    k: int,
    *,
    scorer: str = "cosine",
    threshold: float | None = None,
    device: str = "cpu",
    arithmetic: Arithmetic = "auto",
) -> Matches:
    """The k best rows of every query in one array; asked and gallery are known to be comparable."""
    query = Query(_on_host(asked.vectors), _measure(scorer))
    best = Best(len(query), _checked_k(k, len(gallery)), threshold)
    _run(query, best, iter([gallery.vectors] if len(gallery) else []), device, arithmetic)
    return name_matches(best, gallery.ids)


def name_matches(best: Best, ids: Sequence[str]) -> Matches:
    """Matches of the best rows, named by ids or by their row numbers."""
    names = np.full(best.rows.shape, "", object)
    for place, row in np.ndenumerate(best.rows):
        if row >= 0:
            names[place] = ids[row] if ids else str(row)
    return Matches(best.rows, best.scores, names)


def _run(query: Query, best: Best, blocks: Iterator[Any], device: str, arithmetic: Arithmetic) -> None:
    """Visit blocks, through numpy until they prove large enough for torch."""
    for block in blocks:
        where = _device_of(block, device)
        precision = _precision(where, arithmetic)
        small = where == "cpu" and arithmetic == "auto" and len(query) * _numbers(block) < _SMALL
        if precision is None or small or not len(query):
            _run_numpy(query, best, [block])
            continue
        _run_torch(query, best, block, blocks, where, precision)
        return


def _run_torch(query: Query, best: Best, block: Any, rest: Iterator[Any], device: str, precision: Precision) -> None:
    preparer = TorchPreparer(query.measure, precision, device)
    search = _Search(query, best, [TorchFilter(query, precision, device), NumpyFilter(query)])
    first = best.seen
    for part, start in _parts(_chain(block, rest), _rows_at_once(device)):
        search.visit(preparer.prepare(part, first + start))
        best.seen = first + start + len(part)


def _run_numpy(query: Query, best: Best, blocks: Iterable[Any]) -> None:
    narrow = NumpyFilter(query)
    search = _Search(query, best, [narrow])
    first = best.seen
    for part, start in _parts(blocks, _CPU_ROWS):
        search.visit(narrow.prepare(part, first + start))
        best.seen = first + start + len(part)


def _parts(blocks: Iterable[Any], rows: int) -> Iterator[tuple[Any, int]]:
    """Slices of at most rows rows, each with the row it starts at."""
    first = 0
    for block in blocks:
        for start in range(0, len(block), rows):
            yield block[start : start + rows], first + start
        first += len(block)


def _chain(block: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield block
    yield from rest


def _measure(scorer: str) -> Measure:
    if scorer not in MEASURES:
        raise UsageError(f"Expected one of {', '.join(MEASURES)} for this search, but received {scorer!r}")
    return scorer  # type: ignore[return-value]


def _checked_k(k: int, total: int | None) -> int:
    if k < 1:
        raise UsageError(f"Expected k of at least 1, but received {k}")
    return k if total is None else min(k, total)


def _precision(device: str, arithmetic: Arithmetic) -> Precision | None:
    """The filter's format through torch; None means float32 through numpy."""
    # An accelerator multiplies float32 fast enough that listing fewer candidates matters more than the format.
    if arithmetic == "bf16" or (arithmetic == "auto" and device == "cpu" and has_fast_bf16()):
        return BF16
    return None if device == "cpu" else FLOAT32


def _device_of(vectors: Any, device: str) -> str:
    return device if isinstance(vectors, np.ndarray) else str(vectors.device)


def _numbers(vectors: Any) -> int:
    return int(vectors.shape[0]) * int(vectors.shape[1])


def _rows_at_once(device: str) -> int:
    return _BF16_ROWS if device == "cpu" else _GPU_ROWS


def _on_host(vectors: Any) -> NDArray[Any]:
    return vectors if isinstance(vectors, np.ndarray) else np.asarray(vectors.float().cpu().numpy())
