"""Similarities of texts, 0 to 1, and -1 where a text is empty: rapidfuzz over many pairs at once.

Legend: U texts, Q pairs of texts, P pairs of rows, C model numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmkit_link.views import View

__all__ = ["length_ratio", "nearest_codes", "string_similarities"]

_LONGEST: Final = 160
_MOST_CODES: Final = 8
_ROWS_AT_ONCE: Final = 50_000


def string_similarities(
    texts: Sequence[str], one: NDArray[np.int64], other: NDArray[np.int64], scorers: dict[str, str]
) -> dict[str, NDArray[np.float32]]:
    """(Q,) similarities by scorers of rapidfuzz, of at most 160 characters.

    Args:
        scorers: the name of a result to a scorer: ``osa``, ``jaro_winkler`` or one of ``rapidfuzz.fuzz``.
    """
    from rapidfuzz import distance, fuzz

    named = {"jaro_winkler": distance.JaroWinkler.normalized_similarity, "osa": distance.OSA.normalized_similarity}
    short = [text[:_LONGEST] for text in texts]
    left, right = [short[place] for place in one.tolist()], [short[place] for place in other.tolist()]
    filled = np.array([bool(text) for text in texts], bool)
    there = filled[one] & filled[other]
    found = {}
    for label, scorer in scorers.items():
        value = _paired(left, right, named.get(scorer) or getattr(fuzz, scorer))
        found[label] = np.where(there, value if scorer in named else value / 100, -1).astype(np.float32)
    return found


def _paired(left: list[str], right: list[str], scorer: Any) -> NDArray[np.float32]:
    from rapidfuzz import process

    if not left:
        return np.zeros(0, np.float32)
    return process.cpdist(left, right, scorer=scorer, dtype=np.float32, workers=-1)


def length_ratio(texts: Sequence[str], one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float32]:
    """(Q,) the shorter length over the longer one."""
    length = np.array([len(text) for text in texts])
    left, right = length[one], length[other]
    return np.where((left > 0) & (right > 0), np.minimum(left, right) / np.maximum(np.maximum(left, right), 1), -1)


def nearest_codes(
    view: View, codes: Sequence[str], one: NDArray[np.integer], other: NDArray[np.integer]
) -> NDArray[np.float32]:
    """(P,) the highest similarity of any model number of one row to any of the other: equal is 1.

    The common beginning over the longer length, or the edit similarity, whichever is higher; of a row's first 8.
    """
    from rapidfuzz.distance import Indel, Prefix

    held = np.diff(view.rows.indptr)
    found = np.full(len(one), -1, np.float32)
    asked = np.flatnonzero((held[one] > 0) & (held[other] > 0))
    for start in range(0, len(asked), _ROWS_AT_ONCE):
        part = asked[start : start + _ROWS_AT_ONCE]
        left, right = _padded(view, one[part]), _padded(view, other[part])
        row, first, second = np.nonzero((left >= 0)[:, :, None] & (right >= 0)[:, None, :])
        keys = left[row, first].astype(np.int64) * len(codes) + right[row, second]
        different, place = np.unique(keys, return_inverse=True)
        lefts = [codes[number] for number in (different // len(codes)).tolist()]
        rights = [codes[number] for number in (different % len(codes)).tolist()]
        prefix = _paired(lefts, rights, Prefix.normalized_similarity)
        edits = _paired(lefts, rights, Indel.normalized_similarity)
        best = np.zeros(len(part), np.float32)
        np.maximum.at(best, row, np.maximum(prefix, np.float32(0.95) * edits)[place])
        found[part] = best
    return found


def _padded(view: View, rows: NDArray[np.integer]) -> NDArray[np.int32]:
    """(P, 8) the terms of rows, -1 where there are fewer."""
    taken = view.rows[rows]
    held = np.minimum(np.diff(taken.indptr), _MOST_CODES)
    places = np.arange(_MOST_CODES)
    mask = places[None, :] < held[:, None]
    found = np.full((len(rows), _MOST_CODES), -1, np.int32)
    found[mask] = taken.indices[(taken.indptr[:-1, None] + places[None, :])[mask]]
    return found
