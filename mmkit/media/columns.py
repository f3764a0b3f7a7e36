"""Rows of a table as items: one column holds texts, paths or the bytes of files, the others become metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmkit.errors import BadInput
from mmkit.media.detect import detect_bytes, suffix_modality
from mmkit.media.source import printable
from mmkit.types import Failure, Item, Modality

if TYPE_CHECKING:
    from mmkit.hookspecs import ReaderEntry

__all__ = ["table_items"]


def table_items(
    path: str,
    *,
    column: str | None,
    modality: Modality | None = None,
    readers: Mapping[str, ReaderEntry] | None = None,
) -> Iterator[Item | Failure]:
    """One item a row.

    A text is a path, relative to the table, where the modality asks for one, or where it ends like the name of a
    medium; otherwise it is the text to encode. Bytes, and records ``{bytes, path}`` as Hugging Face datasets keep
    pictures, are taken as they are. With the modality ``record`` and no column, a row is the item.

    Args:
        column: the column to encode.
    """
    # pyarrow loads slowly, and most inputs are no tables.
    from mmkit.media.table_batches import open_batches

    where = printable(path)
    row_number = 0
    try:
        for batch in open_batches(path):
            names = batch.schema.names
            if column is None and modality != "record":
                yield Failure(where, f"is a table; choose what to encode with --column: {_listed(names)}")
                return
            # Later batches of JSON Lines may lack it: there a row without it fails by itself.
            if row_number == 0 and column is not None and column not in names:
                yield Failure(where, f"has no column {column!r}; its columns are {_listed(names)}")
                return
            for row in batch.to_pylist():
                row_number += 1
                name = f"{where}:{row_number}"
                if column is None:
                    yield Item("record", name, record=row)
                    continue
                value = row.pop(column, None)
                yield _item(value, name, column, Path(path).parent, modality, row, readers)
    except BadInput as error:
        yield Failure(printable(error.where or path), error.what)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:20]) + (", …" if len(names) > 20 else "")


def _item(
    value: Any,
    name: str,
    column: str,
    folder: Path,
    modality: Modality | None,
    metadata: Mapping[str, Any],
    readers: Mapping[str, ReaderEntry] | None,
) -> Item | Failure:
    if isinstance(value, dict) and ("bytes" in value or "path" in value):
        name = printable(str(value.get("path") or name))
        value = value["bytes"] if value.get("bytes") is not None else value.get("path")
    if value is None or value in ("", b""):
        return Failure(name, f"column {column!r} is empty")
    if isinstance(value, bytes):
        found = modality or detect_bytes(value[:64]) or suffix_modality(name, readers)
        if found is None:
            return Failure(name, f"column {column!r} holds bytes of no known picture or sound format")
        return Item(found, printable(name), data=value, metadata=metadata)
    if not isinstance(value, str):
        return Failure(name, f"column {column!r} holds a {type(value).__name__}, not a text, a path or bytes")
    found = modality or suffix_modality(value, readers) or "text"
    if found == "text":
        return Item("text", value, text=value, metadata=metadata)
    target = folder / value
    try:
        target.stat()
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "no such file" if missing else f"cannot be read: {getattr(error, 'strerror', None) or error}"
        return Failure(printable(value), f"{reason} (row {name.rsplit(':', 1)[-1]}, relative to the table)")
    return Item(found, printable(value), path=target, metadata=metadata)
