"""The content of an item as bytes, for hashing: the same content gives the same bytes wherever it lies."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from mmkit.errors import BadInput
from mmkit.media.source import name_of, open_source
from mmkit.types import Item

__all__ = ["content_of", "plain_bytes"]


def content_of(item: Item) -> bytes | Path:
    """What makes the item what it is: a path as it stands, which the store reads in pieces, else bytes.

    Text is its UTF-8; an array its type, shape, rate and values; a record its fields in the order of their names,
    items among them by the sha256 of their own content.

    Raises:
        BadInput: a record holds what cannot be told by its content, or a file of it cannot be read.
    """
    if item.path is not None:
        return item.path
    if item.data is not None:
        return item.data
    if item.text is not None:
        return item.text.encode("utf-8", "surrogatepass")
    if item.record is not None:
        return json.dumps(_plain(item.record, name_of(item)), sort_keys=True, ensure_ascii=True).encode()
    return _array_bytes(item.array, item.rate)


def plain_bytes(item: Item) -> bytes:
    """``content_of`` with a path's file read.

    Raises:
        BadInput: the file is missing, empty or unreadable, or as for ``content_of``.
    """
    content = content_of(item)
    if isinstance(content, bytes):
        return content
    with open_source(content) as file:
        return file.read()


def _array_bytes(array: Any, rate: float | None) -> bytes:
    import numpy as np

    values = np.ascontiguousarray(array)
    values = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return f"array {values.dtype.str} {values.shape} {rate}\n".encode() + values.tobytes()


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, Item):
        return {"modality": value.modality, "sha256": sha256(plain_bytes(value)).hexdigest()}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, where) for key, inner in value.items()}
    if isinstance(value, bytes):
        return {"sha256": sha256(value).hexdigest()}
    if isinstance(value, (str, bool, int, float)) or value is None:
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Sequence):
        return [_plain(inner, where) for inner in value]
    if hasattr(value, "isoformat"):  # dates and times of tables
        return value.isoformat()
    if hasattr(value, "dtype"):
        return sha256(_array_bytes(value, None)).hexdigest()
    raise BadInput(f"a field of the record holds a {type(value).__name__}, which has no content", where=where)
