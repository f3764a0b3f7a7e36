"""Adding rows: known ones are skipped, changed ones replace, and each full shard is on disk before the next begins.

Legend: N rows of one call, D dims, T tokens.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mmkit.errors import StoreError, UsageError
from mmkit.store.commit import Commit, Editing
from mmkit.store.files import shown
from mmkit.store.keys import escape_name, key_bytes
from mmkit.store.known import KnownRows, Place
from mmkit.store.shards import Row, table_of
from mmkit.store.vectors import prepared
from mmkit.store.view import StoreView
from mmkit.types import MODALITIES, Embeddings, Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["StoreWriter"]

_WAITING_BYTES = 256 << 20


class StoreWriter:
    """The one writer of a store, used in a ``with`` block; made by ``Store.writer``. Safe to call from threads.

    A row is named by its id and dated by its key. Adding (key, id) that is there changes nothing. Adding a known id
    with another key (a file whose content changed) replaces the row: the old one is marked deleted in the same
    switch of the manifest that brings the new one. Adding a known key with another id (a copy of the file elsewhere)
    keeps both rows; ``vector_of`` gives the vector, so that it is computed once.

    Rows wait in memory until ``shard_rows`` of them are there, the oldest has waited ``flush_seconds``, ``flush`` is
    called or the block ends, also by an exception. A process killed outright loses only the rows that wait.
    """

    def __init__(self, view: StoreView, *, shard_rows: int = 1024, flush_seconds: float | None = 30.0) -> None:
        if shard_rows < 1:
            raise UsageError(f"Expected shard_rows of at least 1, but received {shard_rows}")
        if flush_seconds is not None and not flush_seconds > 0:
            raise UsageError(f"Expected flush_seconds above 0, or None, but received {flush_seconds}")
        self._view = view
        self._shard_rows = shard_rows
        self._flush_seconds = flush_seconds
        self._editing = Editing(view)
        self._known: KnownRows | None = None
        self._waiting: dict[str, Row] = {}
        self._waiting_bytes = 0
        self._oldest = 0.0
        self._commit = Commit(view)
        self._failure: BaseException | None = None
        self._guard = threading.RLock()
        self._closing = threading.Event()

    def __enter__(self) -> StoreWriter:
        """Takes the writer's lock. Raises StoreError if another writer has it or the directory cannot be written."""
        if self._closing.is_set():
            raise StoreError("this writer is closed", where=shown(self._view.path), mend="call store.writer() again")
        self._editing.__enter__()
        if self._flush_seconds is not None:
            threading.Thread(target=self._flush_when_late, name="store-flush", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        with self._guard:
            try:
                # Rows that were added are complete, so an exception elsewhere is no reason to lose them.
                if self._editing.held and (self._failure is None or error is None):
                    self.flush()
            except StoreError:
                if error is None:  # the first error is the one to report
                    raise
            finally:
                self._editing.__exit__(kind, error, trace)

    def has(self, key: str, id: str | None = None) -> bool:
        """Whether a row with this key is there or waiting; with ``id``, whether under that very id."""
        with self._guard:
            known, raw = self._rows(), key_bytes(key)
            if id is None:
                return known.id_of(raw) is not None
            place = known.place(escape_name(id))
            return place is not None and place.key == raw

    def vector_of(self, key: str) -> NDArray[Any] | None:
        """The vector of any row with this key, in the stored dtype: (D,), or (T, D) for multivector; None if absent.

        A view of mapped memory; it may be given to ``add``, and stays valid after the store is compacted.
        """
        with self._guard:
            name = self._rows().id_of(key_bytes(key))
            if name is None:
                return None
            if name in self._waiting:
                return self._waiting[name].vector
            place = self._rows().place(name)
            assert place is not None  # every id of a key has a place
            return self._view.shard(self._view.entry(place.shard)).vector_at(place.row)

    def add(
        self,
        ids: Sequence[str],
        keys: Sequence[str],
        sources: Sequence[str | os.PathLike[str]] | None,
        vectors: Embeddings | NDArray[Any],
        modality: Modality | Sequence[Modality],
        metadata: Sequence[Mapping[str, Any]] | None = None,
    ) -> int:
        """Adds N rows, or none of them when one is refused; a disk error may come between shards.

        Args:
            ids: names, kept as ``escape_name`` writes them.
            keys: from ``content_key``.
            sources: path or text of each; None to use the ids.
            vectors: (N, D), or (N, T, D) and mask in Embeddings of kind multivector; finite, unit rows.
            modality: of all rows, or of each.
            metadata: a mapping a row; any names, any values (see ``mmkit.store.columns``).

        Returns:
            How many rows are new or replace one; the others were there.

        Raises:
            UsageError: counts differ, or a key or modality is not one.
            BadInput: a vector is not finite or not of unit length.
            SpaceMismatch: vectors of another space, fingerprint, kind or dim.
            StoreError: the disk refused; the writer is then of no further use, the store whole.
        """
        ids = [escape_name(name) for name in ids]
        places = ids if sources is None else [escape_name(os.fspath(source)) for source in sources]
        kinds = [modality] * len(ids) if isinstance(modality, str) else list(modality)
        details: Sequence[Mapping[str, Any]] = [{}] * len(ids) if metadata is None else metadata
        for name, given in (("keys", keys), ("sources", places), ("modality", kinds), ("metadata", details)):
            if len(given) != len(ids):
                raise UsageError(f"Expected {len(ids)} {name}, one an id, but received {len(given)}")
        if unknown := set(kinds) - set(MODALITIES):
            raise UsageError(f"Expected a modality of {', '.join(MODALITIES)}, but received {sorted(unknown)[0]!r}")
        raw_keys = [key_bytes(key) for key in keys]
        arrays = prepared(vectors, ids, self._view.spec_fields)
        with self._guard:
            known, added = self._rows(), 0
            for name, key, source, kind, array, detail in zip(
                ids, raw_keys, places, kinds, arrays, details, strict=True
            ):
                old = known.place(name)
                if old is not None and old.key == key:
                    continue
                if old is not None:
                    self._retire(name, old)
                self._wait(Row(name, key, source, kind, array, dict(detail)))
                known.put(name, Place(key, 0, 0))
                added += 1
                if len(self._waiting) >= self._shard_rows or self._waiting_bytes >= _WAITING_BYTES:
                    self.flush()
            return added

    def flush(self) -> None:
        """Writes the waiting rows as one shard, then the manifest. Raises StoreError; the store is whole either way."""
        with self._guard:
            self._refuse_unusable()
            if not self._waiting:
                return
            rows = list(self._waiting.values())
            number = self._view.manifest.next_shard
            try:
                self._commit.apply([table_of(rows, self._view.spec_fields)])
            except BaseException as error:
                self._failure = error
                raise
            for position, row in enumerate(rows):
                self._rows().put(row.id, Place(row.key, number, position))
            self._waiting, self._waiting_bytes, self._commit = {}, 0, Commit(self._view)

    def _wait(self, row: Row) -> None:
        if not self._waiting:
            self._oldest = time.monotonic()
        self._waiting[row.id] = row
        self._waiting_bytes += row.vector.nbytes

    def _retire(self, name: str, place: Place) -> None:
        self._rows().drop(name)
        waiting = self._waiting.pop(name, None)
        if waiting is None:
            self._commit.delete(place.shard, place.row)
        else:
            self._waiting_bytes -= waiting.vector.nbytes

    def _rows(self) -> KnownRows:
        """Known rows, read on the first question: opening a store to append to it stays cheap until then."""
        self._refuse_unusable()
        if self._known is None:
            self._known = KnownRows.load(self._view)
        return self._known

    def _refuse_unusable(self) -> None:
        if self._failure is not None:
            raise StoreError(
                f"an earlier write failed ({self._failure})",
                where=shown(self._view.path),
                mend="mend that, then open a new writer; finished shards are kept",
            ) from self._failure
        if not self._editing.held:
            raise StoreError(
                "this writer is not open in this process",
                where=shown(self._view.path),
                mend="use it in the body of: with store.writer() as writer",
            )

    def _flush_when_late(self) -> None:
        assert self._flush_seconds is not None
        while not self._closing.wait(self._flush_seconds / 4):
            with self._guard:
                if self._closing.is_set() or self._failure is not None:
                    return
                if self._waiting and time.monotonic() - self._oldest >= self._flush_seconds:
                    try:
                        self.flush()
                    except Exception:
                        return  # kept as the failure, which the next call reports
