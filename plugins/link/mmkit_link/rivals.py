"""How a pair stands beside the other pairs of its two records: most records have one partner at most.

Legend: P pairs.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["RIVAL_PARTS", "best_rival", "mutual_best", "ranks", "rival_features", "rivals_of"]

RIVAL_PARTS: Final = ("left_margin", "right_margin", "left_rank", "right_rank")


def best_rival(keys: NDArray[np.int64], scores: NDArray[np.floating]) -> NDArray[np.float32]:
    """(P,) the best score among the other pairs with the same key; 0 where there is none."""
    order = np.lexsort((-scores, keys))
    values = np.asarray(scores, np.float32)[order]
    first = _starts(keys[order])
    group = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    seconds = np.zeros(len(starts), np.float32)
    several = np.diff(np.append(starts, len(keys))) > 1
    seconds[several] = values[starts[several] + 1]
    found = np.empty(len(keys), np.float32)
    if len(keys):
        found[order] = np.where(first, seconds[group], values[starts][group])
    return found


def ranks(keys: NDArray[np.int64], scores: NDArray[np.floating]) -> NDArray[np.int64]:
    """(P,) how many pairs with the same key score higher."""
    order = np.lexsort((-scores, keys))
    values = np.asarray(scores)[order]
    place = np.arange(len(keys))
    new_key = _starts(keys[order])
    new_value = new_key | _starts(values)
    found = np.empty(len(keys), np.int64)
    found[order] = np.maximum.accumulate(np.where(new_value, place, 0)) - np.maximum.accumulate(
        np.where(new_key, place, 0)
    )
    return found


def rivals_of(
    pairs: NDArray[np.int64], scores: NDArray[np.floating], *, within: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(P,) and (P,): the best rival of each pair for its left and for its right record.

    Args:
        within: both records are of one table, so that a record's pairs may name it on either side.
    """
    if not within:
        return best_rival(pairs[:, 0], scores), best_rival(pairs[:, 1], scores)
    both = best_rival(pairs.T.ravel(), np.tile(scores, 2))
    return both[: len(pairs)], both[len(pairs) :]


def mutual_best(pairs: NDArray[np.int64], scores: NDArray[np.floating], *, within: bool = False) -> NDArray[np.bool_]:
    """(P,) True where a pair scores higher than every other pair of both its records."""
    values = np.asarray(scores, np.float32)
    left, right = rivals_of(pairs, values, within=within)
    return (values > left) & (values > right)


def rival_features(pairs: NDArray[np.int64], scores: NDArray[np.floating]) -> NDArray[np.float32]:
    """(P, 4): the score less the best rival's, for the left and the right record, and 1 / (1 + rank) for both."""
    left, right = rivals_of(pairs, scores)
    places = [1 / (1 + ranks(pairs[:, side], scores)) for side in (0, 1)]
    return np.stack([scores - left, scores - right, *places], axis=1).astype(np.float32)


def _starts(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """(P,) True where a value differs from the one before it."""
    if not len(values):
        return np.zeros(0, bool)
    return np.concatenate([[True], values[1:] != values[:-1]])
