"""Records as sets of word pairs, for tables so large that single words and character n-grams no longer tell apart.

Two records of the same person, firm or thing almost always share two words that few others share together, such as a
name and a date, whichever columns they are from. Such a pair of words is a key; keys that too many records share say
nothing and are left out, so that the search stays far from comparing all with all.

Legend: N left records, M right records, R rows, K keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mmkit_link.prepared import WHOLE, Prepared
from mmkit_link.views import View, view_of

__all__ = ["shared_words_view"]

#: Words of a record that are paired: its rarest.
_WORDS: Final = 10
#: Keys are counted in this many parts, which bounds the memory.
_PARTS: Final = 4
#: Records that may share a key.
_COMMONEST: Final = 60


def shared_words_view(prepared: Prepared) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """(N, K) and (M, K) unit rows over the pairs of words that at least two records share, and at most 60."""
    view = prepared.terms[WHOLE]
    words = _rarest(view)
    parts = [_keys_of(words, part) for part in range(_PARTS)]
    rows = np.concatenate([row for row, _ in parts])
    # Keys of different parts are different keys.
    offsets = np.cumsum([0, *(int(key.max(initial=-1)) + 1 for _, key in parts)])
    keys = np.concatenate([key + offset for (_, key), offset in zip(parts, offsets[:-1], strict=True)])
    width = max(1, int(offsets[-1]))
    counts = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, keys)), shape=(len(words), width))
    counts.data[:] = 1
    return view_of(counts, view.left, view.right, unit=True).sides()


def _rarest(view: View) -> NDArray[np.int32]:
    """(R, 10) the rarest words of each row, ascending by number, -1 where there are fewer."""
    rows = view.rows
    found = np.full((rows.shape[0], _WORDS), -1, np.int32)
    pointers = rows.indptr
    held = np.diff(pointers)
    row = np.repeat(np.arange(rows.shape[0]), held)
    order = np.lexsort((-view.weight[rows.indices], row))
    place = np.arange(len(order)) - np.repeat(pointers[:-1], held)
    kept = place < _WORDS
    found[row[kept], place[kept]] = rows.indices[order][kept]
    return np.sort(found, axis=1)


def _keys_of(words: NDArray[np.int32], part: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Rows and key numbers of one part of all keys; keys of one row alone, or of too many, are left out."""
    rows, hashes = [], []
    for row, key in _pairs_of_words(words):
        mine = key % np.uint64(_PARTS) == part
        rows.append(row[mine])
        hashes.append(key[mine])
    row, key = np.concatenate(rows), np.concatenate(hashes)
    order = np.argsort(key, kind="stable")
    row, key = row[order], key[order]
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if len(key) else np.zeros(0, np.int64)
    sizes = np.diff(np.append(starts, len(key)))
    kept = (sizes > 1) & (sizes <= _COMMONEST)
    number = np.cumsum(kept) - 1
    mask = np.repeat(kept, sizes)
    return row[mask], np.repeat(number, sizes)[mask]


def _pairs_of_words(words: NDArray[np.int32]) -> Iterator[tuple[NDArray[np.int32], NDArray[np.uint64]]]:
    """Rows and hashes for each two of the places of a row's words."""
    every = np.arange(len(words), dtype=np.int32)
    for one in range(_WORDS):
        for other in range(one + 1, _WORDS):
            there = words[:, one] >= 0
            left, right = words[there, one].astype(np.uint64), words[there, other].astype(np.uint64)
            mixed = (left << np.uint64(32)) | right
            # Multiplied by an odd constant, so that the low bits, which choose the part, depend on all others.
            mixed *= np.uint64(0x9E3779B97F4A7C15)
            yield every[there], mixed ^ (mixed >> np.uint64(29))
