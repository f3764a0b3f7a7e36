"""Links from scored pairs: how often a record may be linked, and one-to-one by the best total.

Legend: P pairs.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import UsageError
from mmkit_link.rivals import mutual_best

__all__ = ["choose"]

#: Largest dense block of scores that the exact one-to-one assignment takes.
_BLOCK: Final = 4_000_000


def choose(
    pairs: NDArray[np.int64], scores: NDArray[np.float32], threshold: float, *, relation: str = "one-to-one"
) -> NDArray[np.int64]:
    """The places of the pairs that are links, ascending.

    Args:
        relation: ``one-to-one`` assigns within each group of connected pairs so that the total score is highest;
            ``one-to-many`` gives every right record its best left one; ``many-to-one`` the reverse;
            ``many-to-many`` takes every pair at the threshold.

    Raises:
        UsageError: another relation.
    """
    kept = np.flatnonzero(scores >= threshold)
    if relation == "many-to-many":
        return kept
    if relation in ("one-to-many", "many-to-one"):
        side = 1 if relation == "one-to-many" else 0
        order = kept[np.lexsort((pairs[kept, 1 - side], -scores[kept], pairs[kept, side]))]
        _, first = np.unique(pairs[order, side], return_index=True)
        return np.sort(order[first])
    if relation != "one-to-one":
        raise UsageError(
            f"Expected one-to-one, one-to-many, many-to-one or many-to-many, but received {relation!r}",
            where="--relation",
        )
    sure = kept[mutual_best(pairs[kept], scores[kept])]
    used = [np.isin(pairs[kept, side], pairs[sure, side]) for side in (0, 1)]
    rest = kept[~(used[0] | used[1])]
    return np.sort(np.concatenate([sure, _assigned(pairs, scores, rest)]))


def _assigned(pairs: NDArray[np.int64], scores: NDArray[np.float32], kept: NDArray[np.int64]) -> NDArray[np.int64]:
    """One-to-one within each connected group: the best total where it fits into memory, else the best first."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    from mmkit.match import assign

    if not len(kept):
        return kept
    lefts, left = np.unique(pairs[kept, 0], return_inverse=True)
    rights, right = np.unique(pairs[kept, 1], return_inverse=True)
    size = len(lefts) + len(rights)
    graph = coo_matrix((np.ones(len(kept)), (left, len(lefts) + right)), shape=(size, size))
    group = connected_components(graph, directed=False)[1][left]
    order = np.argsort(group, kind="stable")
    found: list[int] = []
    for members in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        rows, row = np.unique(left[members], return_inverse=True)
        columns, column = np.unique(right[members], return_inverse=True)
        if len(rows) * len(columns) > _BLOCK:
            found += _best_first(left, right, scores[kept], members)
            continue
        block = np.full((len(rows), len(columns)), -np.inf)
        block[row, column] = scores[kept[members]]
        where = dict(zip(zip(row.tolist(), column.tolist(), strict=True), members.tolist(), strict=True))
        found += [where[int(one), int(other)] for one, other in assign(block)[0]]
    return kept[np.array(found, np.int64)]


def _best_first(
    left: NDArray[np.int64], right: NDArray[np.int64], scores: NDArray[np.float32], members: NDArray[np.int64]
) -> list[int]:
    used_left: set[int] = set()
    used_right: set[int] = set()
    found = []
    for place in members[np.argsort(-scores[members], kind="stable")].tolist():
        if left[place] not in used_left and right[place] not in used_right:
            used_left.add(int(left[place]))
            used_right.add(int(right[place]))
            found.append(place)
    return found
