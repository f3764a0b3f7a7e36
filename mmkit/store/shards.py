"""One shard: rows to an Arrow IPC file, and that file back as mapped memory.

Legend: n live rows of the shard, D dims, M tokens of all its live rows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmkit.errors import StoreError
from mmkit.store.columns import metadata_columns
from mmkit.store.files import disk_errors, shown, write_atomically
from mmkit.store.manifest import ShardEntry, SpecFields

__all__ = ["Row", "Shard", "open_shard", "shard_schema", "table_of", "write_shard"]

_DAMAGED: Final = "run: mmkit index verify; then remove the store and index again, or restore it from a copy"


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One row to be written; ``vector`` is (D,), or (T, D) for a multivector store, in the store's dtype."""

    id: str
    key: bytes
    source: str
    modality: str
    vector: NDArray[Any]
    metadata: Mapping[str, Any]


def shard_schema(spec: SpecFields) -> pa.Schema:
    """The columns every shard begins with; metadata columns follow."""
    number = pa.float16() if spec.dtype == "float16" else pa.float32()
    vector = pa.list_(number, spec.dim)
    return pa.schema(
        [
            ("id", pa.string()),
            ("source", pa.string()),
            ("key", pa.binary(32)),
            ("modality", pa.string()),
            ("vector", pa.list_(vector) if spec.kind == "multivector" else vector),
        ]
    )


def table_of(rows: Sequence[Row], spec: SpecFields) -> pa.Table:
    """A table of one chunk, ready for ``write_shard``."""
    schema = shard_schema(spec)
    arrays = [
        pa.array([row.id for row in rows], pa.string()),
        pa.array([row.source for row in rows], pa.string()),
        pa.array([row.key for row in rows], pa.binary(32)),
        pa.array([row.modality for row in rows], pa.string()),
        _vector_array([row.vector for row in rows], spec),
    ]
    extra = metadata_columns([row.metadata for row in rows])
    return pa.Table.from_arrays(
        arrays + [array for _, array in extra], schema=pa.schema(list(schema) + [field for field, _ in extra])
    )


def _vector_array(vectors: Sequence[NDArray[Any]], spec: SpecFields) -> pa.Array:
    if spec.kind == "vector":
        flat = np.stack(vectors).reshape(-1)
        return pa.FixedSizeListArray.from_arrays(pa.array(flat), spec.dim)
    flat = np.concatenate(vectors).reshape(-1)
    offsets = np.concatenate([[0], np.cumsum([len(vector) for vector in vectors])]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.FixedSizeListArray.from_arrays(pa.array(flat), spec.dim))


def write_shard(directory: Path, number: int, table: pa.Table) -> ShardEntry:
    """Writes one shard whole: temporary name, sync, rename. Raises OSError."""
    batch = table.combine_chunks().to_batches()[0]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    content = sink.getvalue()
    name = f"shard-{number:06d}.arrow"
    digest = write_atomically(directory / name, memoryview(content))
    return ShardEntry(name, batch.num_rows, content.size, digest)


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """An open shard.

    Attributes:
        entry: its line in the manifest.
        batch: all its rows, in mapped memory; the mapping lives as long as any array made from it.
        live: the rows that are not deleted, ascending; None when all are live.
    """

    entry: ShardEntry
    batch: pa.RecordBatch
    live: NDArray[np.int64] | None

    def physical(self, index: int) -> int:
        """Row in the file of live row ``index``."""
        return index if self.live is None else int(self.live[index])

    def table(self) -> pa.Table:
        """Live rows: views of the file, or copies where rows are deleted."""
        batch = self.batch if self.live is None else self.batch.take(pa.array(self.live))
        return pa.Table.from_batches([batch])

    def column(self, name: str) -> pa.Array:
        """Live rows of one column."""
        column = self.batch.column(self.batch.schema.get_field_index(name))
        return column if self.live is None else column.take(pa.array(self.live))

    def vectors(self) -> NDArray[Any]:
        """(n, D) in the stored dtype: a read-only view of the file, or a copy where rows are deleted."""
        column = self.batch.column("vector")
        view = _numbers(column.values, column.type)
        return view if self.live is None else view[self.live]

    def tokens(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """(M, D) tokens of a multivector shard, and (n + 1,) offsets of each row's in them."""
        column = self.column("vector")
        offsets = column.offsets.to_numpy().astype(np.int64)
        values = _numbers(column.values, column.type.value_type)
        return values[offsets[0] : offsets[-1]], offsets - offsets[0]

    def vector_at(self, row: int) -> NDArray[Any]:
        """Vector of one row of the file: (D,), or (T, D) for a multivector shard."""
        column = self.batch.column("vector")
        if pa.types.is_fixed_size_list(column.type):
            vector: NDArray[Any] = _numbers(column.values, column.type)[row]
            return vector
        start, end = column.offsets[row].as_py(), column.offsets[row + 1].as_py()
        return _numbers(column.values, column.type.value_type)[start:end]


def _numbers(values: pa.FixedSizeListArray, type_: pa.FixedSizeListType) -> NDArray[Any]:
    # Of a list column ``values`` are fixed-size lists, of a fixed-size list column already the numbers.
    flat = values.values if pa.types.is_fixed_size_list(values.type) else values
    view: NDArray[Any] = flat.to_numpy(zero_copy_only=True).reshape(-1, type_.list_size)
    return view


def open_shard(directory: Path, entry: ShardEntry, spec: SpecFields) -> Shard:
    """Maps a finished shard; reads no more than its footer.

    Raises:
        StoreError: it is missing, truncated, unreadable, or not of this store's schema.
    """
    path = directory / entry.file
    with disk_errors("read the shard", path):
        # Checked before mapping: touching mapped memory behind the end of a file kills the process.
        size = path.stat().st_size
        if size != entry.bytes:
            raise StoreError(f"Expected {entry.bytes} bytes, but received {size}", where=shown(path), mend=_DAMAGED)
        try:
            # As bytes, since Arrow encodes a str strictly; the mapping outlives the closed file.
            with pa.memory_map(os.fsencode(path)) as source:
                batch = pa.ipc.open_file(source).get_batch(0)
            batch.validate()
            live = np.flatnonzero(~entry.deleted_mask()) if entry.deleted else None
        except (pa.ArrowException, ValueError) as error:
            raise StoreError(f"is damaged: {error}", where=shown(path), mend=_DAMAGED) from error
    expected = shard_schema(spec)
    received = pa.schema([batch.schema.field(i) for i in range(min(len(expected), len(batch.schema)))])
    if not received.equals(expected) or batch.num_rows != entry.rows:
        raise StoreError(
            f"Expected {entry.rows} rows of {_line(expected)}, but received {batch.num_rows} of {_line(received)}",
            where=shown(path),
            mend=_DAMAGED,
        )
    return Shard(entry, batch, live)


def _line(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)
