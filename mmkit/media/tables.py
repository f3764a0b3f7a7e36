"""Tables: CSV, TSV, JSON Lines, Parquet, Arrow and Feather to Arrow tables and back; text formats also gzipped."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.feather as feather
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from mmkit.errors import BadInput, UsageError
from mmkit.media.source import name_of, open_source
from mmkit.media.table_batches import TABLE_KINDS, open_batches, table_kind
from mmkit.media.target import atomic_path

__all__ = ["TABLE_KINDS", "read_table", "table_kind", "write_table"]

# As JSON writes them: no leading zero, so that "007" stays the text it is.
_INTEGER: Final = r"^-?(0|[1-9][0-9]{0,17})$"
_NUMBER: Final = r"^-?(0|[1-9][0-9]{0,17})(\.[0-9]+)?([eE][-+]?[0-9]+)?$"


def read_table(path: str | os.PathLike[str]) -> pa.Table:
    """A table of a .csv, .tsv, .jsonl, .parquet, .arrow or .feather file; .csv, .tsv and .jsonl also with .gz.

    A CSV column becomes int64 or float64 where every value is a plain number, empty fields of it null; everything
    else stays text, so that ids, dates and paths keep their spelling. Its delimiter is the one of , ; tab | that the
    header holds most.

    Raises:
        BadInput: missing, empty, damaged, or not a table; with ``file:line`` where it can be told.
        UsageError: the suffix names no kind of table.
    """
    kind = table_kind(path)
    where = name_of(path)
    if kind is None:
        raise UsageError(f"Expected a table, one of {' '.join(TABLE_KINDS)}", where=where)
    with open_source(Path(path)):  # one wording for what is missing, empty or unreadable
        pass
    if kind in ("csv", "tsv", "jsonl"):
        united = _united(list(open_batches(path)), where)
        return united if kind == "jsonl" else _with_numbers(united)
    try:
        if kind == "parquet":
            # Not pq.read_table, which reads further columns out of folder names such as year=2020.
            return pq.ParquetFile(path).read()
        return _read_arrow(Path(path))
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise BadInput(f"is not a readable {kind} file ({error})", where=where) from error


def write_table(table: pa.Table, path: str | os.PathLike[str]) -> None:
    """Write a table in the format its suffix names, all or nothing.

    Raises:
        UsageError: the suffix names no kind of table.
        BadInput: the file cannot be written, or a CSV cell would have to hold a list, bytes or a record.
    """
    kind = table_kind(path)
    where = name_of(path)
    if kind is None:
        raise UsageError(f"Expected a table, one of {' '.join(TABLE_KINDS)}", where=where)
    with atomic_path(path) as partial:
        try:
            if kind == "parquet":
                pq.write_table(table, partial)
            elif kind == "arrow":
                feather.write_feather(table, partial, compression="zstd")
            else:
                data = _json_lines(table) if kind == "jsonl" else _csv(table, "\t" if kind == "tsv" else ",")
                # mtime 0: the same table gives the same file.
                gzipped = os.fspath(path).lower().endswith(".gz")
                partial.write_bytes(gzip.compress(data, mtime=0) if gzipped else data)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise BadInput(f"cannot be written as {kind}: {error}", where=where) from error


def _read_arrow(path: Path) -> pa.Table:
    with path.open("rb") as file:
        magic = file.read(6)
    with pa.memory_map(os.fspath(path)) as source:
        opened = ipc.open_file(source) if magic == b"ARROW1" else ipc.open_stream(source)
        return opened.read_all()


def _united(batches: list[pa.RecordBatch], where: str) -> pa.Table:
    if not batches:
        return pa.table({})
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise BadInput(f"holds values of several types in one column ({error})", where=where) from error


def _with_numbers(table: pa.Table) -> pa.Table:
    for position, name in enumerate(table.column_names):
        column = table.column(position)
        empty = pc.equal(column, "")
        filled = pc.filter(column, pc.invert(empty))
        if len(filled) == 0:
            continue
        for pattern, kind in ((_INTEGER, pa.int64()), (_NUMBER, pa.float64())):
            if pc.all(pc.match_substring_regex(filled, pattern)).as_py():
                blank = pc.if_else(empty, pa.scalar(None, pa.string()), column)
                table = table.set_column(position, name, pc.cast(blank, kind))
                break
    return table


def _json_lines(table: pa.Table) -> bytes:
    lines = (json.dumps(row, ensure_ascii=False) for batch in table.to_batches() for row in batch.to_pylist())
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _csv(table: pa.Table, delimiter: str) -> bytes:
    sink = pa.BufferOutputStream()
    pacsv.write_csv(table, sink, pacsv.WriteOptions(delimiter=delimiter, quoting_style="needed"))
    return sink.getvalue().to_pybytes()
