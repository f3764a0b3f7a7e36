"""Removing rows and compacting: explicit acts, each one switch of the manifest."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import pyarrow as pa

from mmkit.errors import UsageError
from mmkit.store.columns import merged
from mmkit.store.commit import Commit, Editing
from mmkit.store.keys import escape_name
from mmkit.store.known import KnownRows
from mmkit.store.view import RowRecord, StoreView

__all__ = ["CompactReport", "compact", "remove"]

_SHARD_BYTES: Final = 64 << 20


class CompactReport(NamedTuple):
    """What compacting did: deleted rows that are gone, and shards and bytes before and after."""

    dropped_rows: int
    shards_before: int
    shards_after: int
    bytes_before: int
    bytes_after: int


def remove(
    view: StoreView,
    ids: str | Iterable[str] | None = None,
    *,
    glob: str | None = None,
    where: Callable[[RowRecord], bool] | None = None,
) -> int:
    """See ``Store.remove``."""
    given = [choice for choice in (ids, glob, where) if choice is not None]
    if len(given) != 1:
        raise UsageError(f"Expected exactly one of ids, glob and where, but received {len(given)} of them")
    with Editing(view):
        known = KnownRows.load(view)
        if ids is not None:
            chosen = _known_names([ids] if isinstance(ids, str) else ids, known)
        elif glob is not None:
            matches = re.compile(fnmatch.translate(escape_name(glob))).match
            chosen = {name for name in view.ids() if matches(name)}
        else:
            assert where is not None  # one of the three is given
            chosen = {row["id"] for row in view.rows(range(len(view))) if where(row)}
        commit = Commit(view)
        for name in chosen:
            place = known.place(name)
            assert place is not None  # chosen from the rows that are there
            commit.delete(place.shard, place.row)
        if chosen:
            commit.apply()
    return len(chosen)


def _known_names(names: Iterable[str], known: KnownRows) -> set[str]:
    """The names that are there, each first taken as ``Store.ids`` prints it, then as it was given to ``add``."""
    candidates = ((name, escape_name(name)) for name in names)
    found = (next((name for name in pair if known.place(name)), None) for pair in candidates)
    return {name for name in found if name is not None}


def compact(view: StoreView, *, shard_rows: int | None = None) -> CompactReport:
    """See ``Store.compact``."""
    if shard_rows is not None and shard_rows < 1:
        raise UsageError(f"Expected shard_rows of at least 1, but received {shard_rows}")
    with Editing(view):
        before = view.manifest
        rows = sum(entry.rows for entry in before.shards)
        size = sum(entry.bytes for entry in before.shards)
        target = shard_rows or max(1, _SHARD_BYTES * rows // max(1, size))
        live = [entry.live_rows for entry in before.shards]
        if rows > sum(live) or any(a + b <= target for a, b in pairwise(live)):
            Commit(view).apply(_full_tables(view, target), replace_all=True)
        after = view.manifest
        return CompactReport(
            rows - sum(live), len(before.shards), len(after.shards), size, sum(entry.bytes for entry in after.shards)
        )


def _full_tables(view: StoreView, shard_rows: int) -> Iterator[pa.Table]:
    """The live rows in their order, ``shard_rows`` at a time; the last table may be shorter."""
    waiting: list[pa.Table] = []
    count = 0
    for shard in view.shards():
        waiting.append(shard.table())
        count += waiting[-1].num_rows
        if count < shard_rows:
            continue
        rows = merged(waiting)
        while count >= shard_rows:
            yield rows.slice(0, shard_rows)
            rows, count = rows.slice(shard_rows), count - shard_rows
        waiting = [rows] if count else []
    if count:
        yield merged(waiting)
