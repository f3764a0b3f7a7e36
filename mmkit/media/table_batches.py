"""Tables in pieces: record batches one after another, so that a large table never lies in memory whole."""

from __future__ import annotations

import gzip
import json
import os
import re
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from mmkit.errors import BadInput
from mmkit.media.source import name_of, open_source
from mmkit.media.text import decoded_lines

__all__ = ["TABLE_KINDS", "open_batches", "table_kind"]

TABLE_KINDS: Final = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
_DELIMITERS: Final = (",", ";", "\t", "|")
_ROWS: Final = 1024
_BLOCK: Final = 1 << 20
_HEADER: Final = 1 << 16


def table_kind(path: str | os.PathLike[str]) -> str | None:
    """``csv``, ``tsv``, ``jsonl``, ``parquet`` or ``arrow`` by suffix; None where the name is no table's."""
    name = Path(os.fspath(path).lower())
    if name.suffix == ".gz":
        kind = TABLE_KINDS.get(Path(name.stem).suffix)
        return kind if kind in ("csv", "tsv", "jsonl") else None
    return TABLE_KINDS.get(name.suffix)


def open_batches(path: str | os.PathLike[str]) -> Iterator[pa.RecordBatch]:
    """The record batches of a table; all columns of a CSV as text, and each batch of JSON Lines with its own columns.

    Raises:
        BadInput: missing, empty, damaged, or not a table; with ``file:line`` where it can be told.
    """
    kind = table_kind(path)
    where = name_of(path)
    with open_source(Path(path)) as file:
        try:
            if kind in ("csv", "tsv"):
                yield from _csv(_plain(file, path), where, "\t" if kind == "tsv" else None)
            elif kind == "jsonl":
                yield from _json_lines(_plain(file, path), where)
            elif kind == "parquet":
                yield from pq.ParquetFile(file).iter_batches(batch_size=_ROWS)
            else:
                yield from _arrow(file)
        except (pa.ArrowException, OSError, EOFError, ValueError, KeyError, zlib.error) as error:
            raise _unreadable(error, kind or "table", where) from error


def _plain(file: BinaryIO, path: str | os.PathLike[str]) -> BinaryIO:
    return cast("BinaryIO", gzip.open(file)) if os.fspath(path).lower().endswith(".gz") else file


def _unreadable(error: Exception, kind: str, where: str) -> BadInput:
    text = " ".join(str(error).split())
    row = re.search(r"Row #(\d+): (.*)", text)
    if row:
        where, text = f"{where}:{row[1]}", row[2]
    if "UTF8" in text or "UTF-8" in text:
        return BadInput("is not UTF-8", where=where, mend="save the file as UTF-8")
    return BadInput(text if row else f"is not a readable {kind} file ({text[:300]})", where=where)


def _csv(file: BinaryIO, where: str, delimiter: str | None) -> Iterator[pa.RecordBatch]:
    head = file.read(_HEADER)
    unmarked = head.removeprefix(b"\xef\xbb\xbf")
    if not unmarked.strip():
        raise BadInput("holds no header line", where=where)
    file.seek(0)
    line = unmarked.splitlines()[0].decode("utf-8", "replace")
    delimiter = delimiter or _sniffed(line)
    parse = pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    names = _csv_names(head, parse)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise BadInput(f"two columns are called {repeated[0]!r}", where=f"{where}:1")
    texts = pacsv.ConvertOptions(column_types={name: pa.string() for name in names}, strings_can_be_null=False)
    # One thread: only then does Arrow tell the line of an error.
    reading = pacsv.ReadOptions(block_size=_BLOCK, use_threads=False)
    with pacsv.open_csv(file, read_options=reading, parse_options=parse, convert_options=texts) as reader:
        # A header alone is a table too, of no rows.
        yield pa.RecordBatch.from_pylist([], schema=reader.schema)
        yield from reader


def _csv_names(head: bytes, parse: pacsv.ParseOptions) -> list[str]:
    header = head.splitlines(keepends=True)[0].rstrip(b"\r\n") + b"\n"
    skip_broken = pacsv.ParseOptions(
        delimiter=parse.delimiter, newlines_in_values=True, invalid_row_handler=lambda row: "skip"
    )
    return list(pacsv.read_csv(pa.BufferReader(header), parse_options=skip_broken).column_names)


def _sniffed(header: str) -> str:
    outside = re.sub(r'"[^"]*"', "", header)
    best = max(_DELIMITERS, key=outside.count)
    return best if outside.count(best) else ","


def _json_lines(file: BinaryIO, where: str) -> Iterator[pa.RecordBatch]:
    rows = _json_rows(file, where)
    first = 1
    while piece := list(islice(rows, _ROWS)):
        names = list(dict.fromkeys(name for row in piece for name in row))
        columns = [_column([row.get(name) for row in piece], name, f"{where}:{first}") for name in names]
        yield pa.RecordBatch.from_arrays(columns, names=names)
        first += len(piece)


def _column(values: list[Any], name: str, where: str) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise BadInput(f"column {name!r} holds values of several types ({error})", where=where) from error


def _json_rows(file: BinaryIO, where: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(decoded_lines(file, where), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"is not JSON: {error}", where=f"{where}:{number}") from error
        if not isinstance(row, dict):
            raise BadInput(f"Expected a JSON object, but received {type(row).__name__}", where=f"{where}:{number}")
        yield row


def _arrow(file: BinaryIO) -> Iterator[pa.RecordBatch]:
    magic = file.read(6)
    file.seek(0)
    if magic == b"ARROW1":
        opened = ipc.open_file(file)
        yield from (opened.get_batch(number) for number in range(opened.num_record_batches))
    else:
        yield from ipc.open_stream(file)
