"""Reading a store: its rows and vectors as they were at one manifest, shards opened only when they are needed.

Legend: N live rows, n live rows of one shard, D dims, T tokens, M tokens of one shard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import StoreError, UsageError
from mmkit.store.columns import merged, metadata_of
from mmkit.store.files import shown
from mmkit.store.manifest import Manifest, ShardEntry, SpecFields, read_manifest
from mmkit.store.shards import Shard, open_shard, shard_schema
from mmkit.types import Embeddings

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RowRecord", "StoreView"]


class RowRecord(TypedDict):
    """A row without its vector; ``id`` and ``source`` as ``escape_name`` writes them, ``key`` in hexadecimal."""

    id: str
    source: str
    key: str
    modality: str
    metadata: dict[str, Any]


class StoreView:
    """The rows of a store at the moment its manifest was read; deleted rows are not among them.

    Rows are numbered from 0 in the order they were added; ``ids``, ``blocks``, ``vectors``, ``table`` and ``rows``
    agree on the numbers. A view stays as it is while others write; ``refresh`` moves it to the present.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self._path = path
        self._open: dict[str, Shard] = {}
        self.adopt(manifest)

    @property
    def path(self) -> Path:
        return self._path

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    @property
    def spec_fields(self) -> SpecFields:
        """Encoder name, space, fingerprint, dim, kind and dtype."""
        return self._manifest.spec

    def __len__(self) -> int:
        return int(self._starts[-1])

    def refresh(self) -> None:
        """Reads the manifest again. Raises StoreError as ``Store.open`` does."""
        self.adopt(read_manifest(self._path))

    def info(self) -> dict[str, Any]:
        """What ``mmkit index info`` prints; reads no shard."""
        manifest = self._manifest
        return {
            "path": shown(self._path),
            "encoder": manifest.spec.encoder,
            "space": manifest.spec.space,
            "fingerprint": manifest.spec.fingerprint,
            "dim": manifest.spec.dim,
            "kind": manifest.spec.kind,
            "dtype": manifest.spec.dtype,
            "rows": len(self),
            "deleted": sum(entry.deleted for entry in manifest.shards),
            "modalities": dict(manifest.modalities),
            "shards": len(manifest.shards),
            "bytes": sum(entry.bytes for entry in manifest.shards),
            "provenance": dict(manifest.provenance),
            "metadata": dict(manifest.metadata),
        }

    def ids(self) -> list[str]:
        """N ids, as ``escape_name`` writes them."""
        return [name for shard in self.shards() for name in shard.column("id").to_pylist()]

    def row(self, index: int) -> RowRecord:
        """One row. Raises IndexError."""
        return self.rows([index])[0]

    def rows(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> list[RowRecord]:
        """The named rows in the order asked for, reading nothing else; hits of a search, for instance.

        Raises:
            IndexError: an index outside 0..N-1; the -1 that pads ``Matches`` names no row either.
            StoreError: a shard cannot be read.
        """
        records: list[RowRecord] = []
        for index in indices:
            if not 0 <= index < len(self):
                raise IndexError(f"Expected a row from 0 to {len(self) - 1}, but received {index}")
            position = int(np.searchsorted(self._starts, index, side="right")) - 1
            shard = self.shard(self._manifest.shards[position])
            row = shard.physical(int(index - self._starts[position]))
            records.append(
                RowRecord(
                    id=shard.batch.column("id")[row].as_py(),
                    source=shard.batch.column("source")[row].as_py(),
                    key=shard.batch.column("key")[row].as_py().hex(),
                    modality=shard.batch.column("modality")[row].as_py(),
                    metadata=metadata_of(shard.batch, row),
                )
            )
        return records

    def table(self) -> pa.Table:
        """All rows with columns id, source, key, modality, vector and ``meta.…``: views of the mapped shards.

        Copied are only shards with deleted rows, and metadata columns whose type differs between shards.
        """
        tables = [shard.table() for shard in self.shards()]
        return merged(tables) if tables else shard_schema(self.spec_fields).empty_table()

    def blocks(self) -> Iterator[NDArray[Any]]:
        """(n, D) arrays in the stored dtype, a shard each: read-only views of the files, for a streaming search.

        Raises:
            UsageError: a multivector store; use ``token_blocks``.
            StoreError: a shard cannot be read.
        """
        self._expect_kind("vector", instead="token_blocks() or vectors()")
        for shard in self.shards():
            yield shard.vectors()

    def token_blocks(self) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
        """For each shard of a multivector store: (M, D) tokens and the (n + 1,) offsets of each row's tokens."""
        self._expect_kind("multivector", instead="blocks() or vectors()")
        for shard in self.shards():
            yield shard.tokens()

    def vectors(self) -> Embeddings:
        """All rows in memory: (N, D) float32, or (N, T, D) and mask, T the longest row, zeros behind the tokens."""
        spec = self.spec_fields
        ids = tuple(self.ids())
        if spec.kind == "vector":
            vectors = np.empty((len(self), spec.dim), dtype=np.float32)
            start = 0
            for block in self.blocks():
                vectors[start : start + len(block)] = block
                start += len(block)
            return Embeddings(vectors, space=spec.space, fingerprint=spec.fingerprint, ids=ids)
        longest = max((int(np.diff(offsets).max()) for _, offsets in self.token_blocks()), default=0)
        padded = np.zeros((len(self), longest, spec.dim), dtype=np.float32)
        mask = np.zeros((len(self), longest), dtype=bool)
        start = 0
        for tokens, offsets in self.token_blocks():
            here = np.arange(longest) < np.diff(offsets)[:, None]
            mask[start : start + len(here)] = here
            padded[start : start + len(here)][here] = tokens
            start += len(here)
        return Embeddings(padded, "multivector", mask, space=spec.space, fingerprint=spec.fingerprint, ids=ids)

    def entry(self, number: int) -> ShardEntry:
        """The manifest's line of a shard. Raises KeyError."""
        return self._entries[number]

    def shards(self) -> Iterator[Shard]:
        """Every shard with a live row, opened, in the order of the rows."""
        for entry in self._manifest.shards:
            if entry.live_rows:
                yield self.shard(entry)

    def shard(self, entry: ShardEntry) -> Shard:
        """An open shard, kept open. Raises StoreError."""
        shard = self._open.get(entry.file)
        if shard is None or shard.entry != entry:
            try:
                shard = open_shard(self._path, entry, self.spec_fields)
            except StoreError as error:
                if self._moved_on(entry):
                    raise StoreError(
                        "the store was compacted or overwritten after it was opened here",
                        where=shown(self._path),
                        mend="open it again",
                    ) from error
                raise
            self._open[entry.file] = shard
        return shard

    def _moved_on(self, entry: ShardEntry) -> bool:
        try:
            return entry.file not in read_manifest(self._path).files
        except StoreError:
            return False

    def adopt(self, manifest: Manifest) -> None:
        """Moves the view to ``manifest``, which is on disk."""
        self._manifest = manifest
        # (number of shards + 1,): the first row of each shard, and N.
        self._starts = np.cumsum([0, *(entry.live_rows for entry in manifest.shards)], dtype=np.int64)
        self._entries = {entry.number: entry for entry in manifest.shards}
        files = manifest.files
        self._open = {name: shard for name, shard in self._open.items() if name in files}

    def _expect_kind(self, kind: str, *, instead: str) -> None:
        if self.spec_fields.kind != kind:
            raise UsageError(
                f"Expected a {kind} store, but this one is {self.spec_fields.kind}",
                where=shown(self._path),
                mend=f"use {instead}",
            )
