"""How two embeddings are compared: the scorers, and the kinds of embedding each takes.

Legend: Q queries, N gallery rows, T tokens, D dims.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import MmkitError, PluginError, UsageError
from mmkit.match.operands import Operand
from mmkit.types import EmbeddingKind

__all__ = ["SCORERS", "Scorer", "resolve_scorer"]

#: Blocks of the largest intermediate array are kept under this many numbers.
_BUDGET: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class Scorer:
    """A way to compare, higher is better.

    Attributes:
        name: what ``match(scorer=...)`` takes.
        function: from queries (Q rows) and gallery (N rows) to (Q, N) scores; it must not depend on which other
            rows are in the call, because galleries are scored block by block.
        query_kinds, gallery_kinds: the kinds of embedding it takes on either side.
    """

    name: str
    function: Callable[[Operand, Operand], NDArray[Any]]
    query_kinds: frozenset[EmbeddingKind] = frozenset({"vector"})
    gallery_kinds: frozenset[EmbeddingKind] = frozenset({"vector"})

    def check_kinds(self, queries: EmbeddingKind, gallery: EmbeddingKind) -> None:
        """Refuse kinds this scorer does not take.

        Raises:
            UsageError: naming both kinds received and those expected.
        """
        if queries in self.query_kinds and gallery in self.gallery_kinds:
            return
        raise UsageError(
            f"the scorer {self.name!r} compares {_listed(self.query_kinds)} with {_listed(self.gallery_kinds)}, "
            f"but received {queries} queries and a {gallery} gallery",
            mend="choose another scorer or another output of the encoder",
        )


def cosine(queries: Operand, gallery: Operand) -> NDArray[np.float64]:
    """(Q, N) cosines; a zero row scores 0 with everything."""
    return np.asarray(unit_rows(queries.vectors) @ unit_rows(gallery.vectors).T)


def dot(queries: Operand, gallery: Operand) -> NDArray[np.float64]:
    """(Q, N) inner products."""
    return np.asarray(np.asarray(queries.vectors, np.float64) @ np.asarray(gallery.vectors, np.float64).T)


def euclidean(queries: Operand, gallery: Operand) -> NDArray[np.float64]:
    """(Q, N) negative Euclidean distances, from differences rather than from norms: no cancellation."""
    left, right = np.asarray(queries.vectors, np.float64), np.asarray(gallery.vectors, np.float64)
    scores = np.empty((len(left), len(right)))
    for number, query in enumerate(left):
        scores[number] = -np.sqrt(np.square(right - query).sum(axis=1))
    return scores


def maxsim(queries: Operand, gallery: Operand) -> NDArray[np.float64]:
    """(Q, N) late interaction: the sum over query tokens of the best gallery token (ColBERT, equation 3).

    Where one side has a single vector the score is its best dot product with any token of the other (LaMP).
    Padding tokens are left out; a row with no token at all scores -inf.
    """
    return _max_similarity(queries, gallery, mean=False)


def maxsim_mean(queries: Operand, gallery: Operand) -> NDArray[np.float64]:
    """As ``maxsim``, averaged over the query's tokens, so that queries of different lengths compare."""
    return _max_similarity(queries, gallery, mean=True)


def hamming(queries: Operand, gallery: Operand) -> NDArray[np.float64]:
    """(Q, N) negative count of differing bits; rows are bits packed into uint8."""
    left, right = np.asarray(queries.vectors, np.uint8), np.asarray(gallery.vectors, np.uint8)
    scores = np.empty((len(left), len(right)))
    for number, query in enumerate(left):
        scores[number] = -_BIT_COUNTS[right ^ query].sum(axis=1, dtype=np.int64)
    return scores


def unit_rows(vectors: NDArray[Any]) -> NDArray[np.float64]:
    """(N, D) float64 rows of length 1; zero rows stay zero."""
    rows = np.asarray(vectors, np.float64)
    # Scaling by the largest value first keeps the squares of very small and very large rows in range.
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    rows = rows / np.where(largest > 0, largest, 1.0)
    lengths = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), np.float64)


_BIT_COUNTS: Final = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)
_TOKENS: Final[frozenset[EmbeddingKind]] = frozenset({"vector", "multivector"})
_BITS: Final[frozenset[EmbeddingKind]] = frozenset({"bits"})

#: The scorers of the core, by name.
SCORERS: Final[Mapping[str, Scorer]] = {
    scorer.name: scorer
    for scorer in (
        Scorer("cosine", cosine),
        Scorer("dot", dot),
        Scorer("euclidean", euclidean),
        Scorer("maxsim", maxsim, _TOKENS, _TOKENS),
        Scorer("maxsim_mean", maxsim_mean, _TOKENS, _TOKENS),
        Scorer("hamming", hamming, _BITS, _BITS),
    )
}


def resolve_scorer(name: str | Scorer, extra: Mapping[str, str] | None = None) -> Scorer:
    """The scorer of that name.

    Args:
        name: a name of ``SCORERS`` or of extra, a ``module:attribute`` string, or a Scorer, which is returned.
        extra: names that plugins offer, each with its ``module:attribute``.

    Raises:
        UsageError: no scorer has that name.
        PluginError: the code that a name stands for cannot be loaded or is no Scorer.
    """
    if isinstance(name, Scorer):
        return name
    if name in SCORERS:
        return SCORERS[name]
    known = {**SCORERS, **(extra or {})}
    target = (extra or {}).get(name, name)
    module, colon, attribute = target.partition(":")
    if not colon:
        raise UsageError(f"no scorer is named {name!r}", mend=f"choose one of {', '.join(sorted(known))}")
    try:
        scorer = getattr(import_module(module), attribute)
    except Exception as error:
        raise PluginError(f"cannot load {target!r}: {type(error).__name__}: {error}", where=f"scorer {name}") from error
    if not isinstance(scorer, Scorer):
        raise PluginError(f"Expected {target!r} to be a Scorer, but received {type(scorer).__name__}")
    return scorer


def _max_similarity(queries: Operand, gallery: Operand, *, mean: bool) -> NDArray[np.float64]:
    left, left_mask = _tokens(queries)
    right, right_mask = _tokens(gallery)
    single = "vector" in (queries.kind, gallery.kind)
    scores = np.full((len(left), len(right)), -np.inf)
    if not scores.size or not left.shape[1] or not right.shape[1]:
        return scores
    step = max(1, _BUDGET // max(1, left.shape[1] * right.shape[0] * right.shape[1]))
    flat = right.reshape(-1, right.shape[-1])
    for start in range(0, len(left), step):
        some, mask = left[start : start + step], left_mask[start : start + step]
        pairs = (some.reshape(-1, some.shape[-1]) @ flat.T).reshape(*some.shape[:2], *right.shape[:2])
        pairs[:, :, ~right_mask] = -np.inf
        best = pairs.max(axis=3)  # (q, Tq, N)
        if single:
            best[~mask] = -np.inf
            scores[start : start + step] = best.max(axis=1)
            continue
        best[~mask] = 0.0
        total, counted = best.sum(axis=1), mask.sum(axis=1)
        total = total / np.maximum(counted, 1)[:, None] if mean else total
        scores[start : start + step] = np.where(counted[:, None] > 0, total, -np.inf)
    return scores


def _tokens(operand: Operand) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(N, T, D) tokens and (N, T) mask; a single vector is a set of one."""
    vectors = np.asarray(operand.vectors, np.float64)
    vectors = vectors[:, None] if operand.kind == "vector" else vectors
    mask = np.ones(vectors.shape[:2], bool) if operand.mask is None else np.asarray(operand.mask, bool)
    if mask.shape != vectors.shape[:2]:
        raise MmkitError(f"Expected a mask of shape {vectors.shape[:2]}, but received {mask.shape}")
    return vectors, mask


def _listed(kinds: frozenset[EmbeddingKind]) -> str:
    return " or ".join(sorted(kinds))
