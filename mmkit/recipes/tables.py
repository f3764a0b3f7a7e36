"""Tables of a recipe on disk: Arrow between steps, Parquet and JSON Lines for reading."""

from __future__ import annotations

import base64
import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["atomically", "open_table", "write_jsonl", "write_parquet", "write_table"]

#: Lists of fixed size wider than this are vectors: in JSON Lines they would drown what is there to be read.
_WIDEST_LIST: Final = 16


def atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, flush it to the disk and put it in place."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        write(temporary)
        descriptor = os.open(temporary, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_table(table: pa.Table, path: Path) -> None:
    """Write an Arrow IPC file."""
    import pyarrow as pa

    def write(temporary: Path) -> None:
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)

    atomically(path, write)


def open_table(path: Path) -> pa.Table:
    """Map an Arrow IPC file that ``write_table`` wrote; nothing is copied until it is used."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def write_parquet(table: pa.Table, path: Path) -> bool:
    """Write ``table`` as Parquet; False where it has a column type that Parquet does not know."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        atomically(path, lambda temporary: parquet.write_table(table, temporary))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return False
    return True


def write_jsonl(table: pa.Table, path: Path) -> list[str]:
    """Write ``table`` as JSON Lines, bytes as base64, and return the names of the vector columns left out."""
    import pyarrow as pa

    vectors = [
        field.name
        for field in table.schema
        if pa.types.is_fixed_size_list(field.type) and field.type.list_size > _WIDEST_LIST
    ]
    readable = table.drop_columns(vectors) if vectors else table

    def write(temporary: Path) -> None:
        with open(temporary, "w", encoding="utf-8") as out:
            for batch in readable.to_batches(max_chunksize=1024):
                for row in batch.to_pylist():
                    out.write(json.dumps(_strict(row), ensure_ascii=False) + "\n")

    atomically(path, write)
    return vectors


def _strict(value: Any) -> Any:
    """What strict JSON can hold: nan and the infinities become null, dates ISO text, bytes base64."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if abs(value) != float("inf") and value == value else None
    if isinstance(value, dict):
        return {str(name): _strict(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(inner) for inner in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode("ascii")
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if callable(isoformat) else str(value)
