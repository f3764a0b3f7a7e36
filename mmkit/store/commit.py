"""Changing a store: every change is new files first, then one switch of the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any

import pyarrow as pa

from mmkit.errors import StoreError
from mmkit.store.files import disk_errors, shown, sweep
from mmkit.store.lock import WriterLock
from mmkit.store.manifest import Manifest, SpecFields, read_manifest, write_manifest
from mmkit.store.shards import write_shard
from mmkit.store.view import StoreView

__all__ = ["Commit", "Editing", "new_manifest"]


def new_manifest(spec: SpecFields, metadata: Mapping[str, Any], *, follows: Manifest | None = None) -> Manifest:
    """The manifest of an empty store; shard numbers go on where those of an overwritten one ended."""
    try:
        made_by = version("mmkit")
    except PackageNotFoundError:
        made_by = "from source"
    now = _now()
    return Manifest(
        spec,
        next_shard=follows.next_shard if follows else 1,
        generation=follows.generation + 1 if follows else 1,
        provenance={"mmkit": made_by, "created": now, "changed": now},
        metadata=metadata,
    )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


class Editing:
    """Holds the writer's lock of a view's store, the view brought up to date and leftovers swept."""

    def __init__(self, view: StoreView) -> None:
        self._view = view
        self._lock = WriterLock(view.path)

    @property
    def held(self) -> bool:
        return self._lock.held

    def __enter__(self) -> Editing:
        self._lock.acquire()
        try:
            before = self._view.spec_fields
            self._view.refresh()
            before.refuse(self._view.spec_fields, where=shown(self._view.path))
            sweep(self._view.path, self._view.manifest.files)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


class Commit:
    """Collects one change and applies it whole. The caller holds the lock."""

    def __init__(self, view: StoreView) -> None:
        self._view = view
        self._doomed: dict[int, set[int]] = {}

    def delete(self, shard: int, row: int) -> None:
        """Marks one row, by shard number and row in the file, as deleted."""
        self._doomed.setdefault(shard, set()).add(row)

    def apply(self, tables: Iterable[pa.Table] = (), *, replace_all: bool = False) -> None:
        """Writes ``tables`` as new shards, then the manifest with them and with the deletions.

        Args:
            tables: read one at a time, so that they need not fit in memory together.
            replace_all: the new shards take the place of all there are.

        Raises:
            StoreError: the disk refused; the store is what it was, and half-written files are gone if possible.
        """
        view = self._view
        old = view.manifest
        try:
            with disk_errors("write the store", view.path):
                kept = [] if replace_all else list(old.shards)
                counts = Counter() if replace_all else Counter(old.modalities)
                for position, entry in enumerate(kept):
                    if rows := self._doomed.get(entry.number):
                        modality = view.shard(entry).batch.column("modality")
                        counts.subtract(modality[row].as_py() for row in rows)
                        kept[position] = entry.without(rows)
                number = old.next_shard
                for table in tables:
                    kept.append(write_shard(view.path, number, table))
                    counts.update(table.column("modality").to_pylist())
                    number += 1
                manifest = replace(
                    old,
                    shards=tuple(kept),
                    modalities={name: count for name, count in sorted(counts.items()) if count},
                    next_shard=number,
                    generation=old.generation + 1,
                    provenance={**old.provenance, "changed": _now()},
                )
                write_manifest(view.path, manifest)
        except BaseException:
            self._undo()
            raise
        view.adopt(manifest)
        if replace_all:
            sweep(view.path, manifest.files)

    def _undo(self) -> None:
        # What the disk says decides: the switch itself may have happened before the error.
        with suppress(StoreError):
            sweep(self._view.path, read_manifest(self._view.path).files)
