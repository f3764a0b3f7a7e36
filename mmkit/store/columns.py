"""Metadata as typed Arrow columns: inferred for each shard, promoted across shards, never a lost value.

A column whose values share one scalar type is stored as that type. Anything else (mixed types, lists, objects) is
stored as JSON text in a column marked so, and read back as the values it was given; what JSON does not know (bytes
among numbers, say) comes back as text. A null and an absent value are the same thing.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from mmkit.store.keys import escape_name

__all__ = ["PREFIX", "merged", "metadata_columns", "metadata_of"]

#: Keeps a metadata column named ``id`` apart from the store's own.
PREFIX: Final = "meta."
_JSON: Final = {b"mmkit": b"json"}
_EXACT_IN_DOUBLE: Final = 1 << 53
_TYPES: Final[dict[type, pa.DataType]] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bytes: pa.binary(),
    datetime.date: pa.date32(),
    datetime.datetime: pa.timestamp("us"),
}


def metadata_columns(rows: Sequence[Mapping[str, Any]]) -> list[tuple[pa.Field, pa.Array]]:
    """A field and an array for each name that has a value in ``rows``, in the order of first appearance."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = []
    for name in names:
        values = [_plain(row.get(name)) for row in rows]
        if any(value is not None for value in values):
            columns.append(_column(PREFIX + escape_name(str(name)), values))
    return columns


def metadata_of(batch: pa.RecordBatch, row: int) -> dict[str, Any]:
    """The metadata of one row of a shard, under the names it was given."""
    found = {}
    for index, field in enumerate(batch.schema):
        if field.name.startswith(PREFIX):
            value = batch.column(index)[row].as_py()
            if value is not None:
                found[field.name.removeprefix(PREFIX)] = json.loads(value) if _is_json(field) else value
    return found


def merged(tables: Sequence[pa.Table]) -> pa.Table:
    """One table of all rows, zero-copy but for the metadata columns whose type differs between tables.

    Integers meet floats as floats where no digit is lost; every other disagreement becomes JSON text.
    """
    names = list(dict.fromkeys(name for table in tables for name in table.column_names))
    fields, columns = [], []
    for name in names:
        field = _common_field(name, tables)
        chunks: list[pa.Array] = []
        for table in tables:
            chunks.extend(_chunks(table, name, field))
        fields.append(field)
        columns.append(pa.chunked_array(chunks, field.type))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _common_field(name: str, tables: Sequence[pa.Table]) -> pa.Field:
    found = [table.schema.field(name) for table in tables if name in table.column_names]
    types = {(field.type, _is_json(field)) for field in found}
    if len(types) == 1:
        return found[0]
    if types == {(pa.int64(), False), (pa.float64(), False)} and all(_exact(table, name) for table in tables):
        return pa.field(name, pa.float64())
    return pa.field(name, pa.string(), metadata=_JSON)


def _exact(table: pa.Table, name: str) -> bool:
    """Whether the column's integers, if it has any, are the same numbers as floats."""
    if name not in table.column_names or table.schema.field(name).type != pa.int64():
        return True
    values = table.column(name).drop_null().to_numpy()
    return values.size == 0 or bool(values.min() >= -_EXACT_IN_DOUBLE and values.max() <= _EXACT_IN_DOUBLE)


def _chunks(table: pa.Table, name: str, field: pa.Field) -> list[pa.Array]:
    if name not in table.column_names:
        return [pa.nulls(table.num_rows, field.type)]
    column = table.column(name)
    if _is_json(field) and not _is_json(table.schema.field(name)):
        return [_json_array(column.to_pylist())]
    return list((column if column.type == field.type else column.cast(field.type)).chunks)


def _column(name: str, values: list[Any]) -> tuple[pa.Field, pa.Array]:
    type_ = _scalar_type(values)
    if type_ is not None:
        try:
            return pa.field(name, type_), pa.array(values, type_)
        except (pa.ArrowException, OverflowError, ValueError):
            pass  # a number beyond 64 bits, a text that UTF-8 cannot hold, a date out of range
    return pa.field(name, pa.string(), metadata=_JSON), _json_array(values)


def _scalar_type(values: list[Any]) -> pa.DataType | None:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return pa.float64()  # Arrow itself refuses an integer that a double cannot hold exactly
    if len(kinds) != 1:
        return None
    kind = kinds.pop()
    if kind is datetime.datetime:
        zones = {value.tzinfo for value in values if value is not None}
        # A zone has a name in Arrow but is an object here; only these two cases come back as they went in.
        if zones == {datetime.timezone.utc}:
            return pa.timestamp("us", tz="UTC")
        return pa.timestamp("us") if zones == {None} else None
    return _TYPES.get(kind)


def _json_array(values: list[Any]) -> pa.Array:
    texts = [None if value is None else json.dumps(value, default=_as_json) for value in values]
    return pa.array(texts, pa.string())


def _as_json(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


def _plain(value: Any) -> Any:
    """A Python scalar for a NumPy one, so that both get the same column type."""
    return value.item() if isinstance(value, np.generic) else value


def _is_json(field: pa.Field) -> bool:
    return bool(field.metadata) and field.metadata.get(b"mmkit") == b"json"
