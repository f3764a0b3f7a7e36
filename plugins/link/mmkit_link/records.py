"""Records of a table: ids, compared columns as texts, pictures.

Legend: N records.
"""

from __future__ import annotations

import difflib
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmkit.errors import BadInput, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Column", "Records", "as_records", "grouped", "open_table", "parse_columns"]

_ID: Final = "id"
_NULLS: Final = frozenset({"", "nan", "null", "none", "n/a", "na", "-"})


@dataclass(frozen=True, slots=True)
class Column:
    """A compared column: its name in the results, and in the left and in the right table."""

    name: str
    left: str
    right: str


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """N records of one table.

    Attributes:
        ids: N different names.
        columns: each compared column's N texts; "" where there is none.
        pictures: N paths of pictures or None, or an empty tuple where no picture column was asked for.
        source: the table's name in messages.
    """

    ids: tuple[str, ...]
    columns: dict[str, tuple[str, ...]]
    pictures: tuple[Path | None, ...] = ()
    source: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def whole(self, row: int) -> str:
        """All compared columns of a record as one text."""
        return " ".join(filter(None, (texts[row] for texts in self.columns.values())))

    def taken(self, rows: Sequence[int]) -> Records:
        """Some of the records."""
        return Records(
            tuple(self.ids[row] for row in rows),
            {name: tuple(texts[row] for row in rows) for name, texts in self.columns.items()},
            tuple(self.pictures[row] for row in rows) if self.pictures else (),
            self.source,
        )


def open_table(path: Path) -> pa.Table:
    """A table file. Lines of a text file that are not UTF-8 are read as Windows-1252, so that nothing is lost.

    Raises:
        BadInput: missing, empty or damaged.
        UsageError: no kind of table.
    """
    from mmkit.media import read_table

    try:
        return read_table(path)
    except BadInput as error:
        if "UTF-8" not in error.what:
            raise
    with tempfile.TemporaryDirectory() as folder:
        mended = Path(folder) / Path(path).name
        mended.write_bytes(b"".join(map(_as_utf8, Path(path).read_bytes().splitlines(keepends=True))))
        return read_table(mended)


def _as_utf8(line: bytes) -> bytes:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace").encode("utf-8")
    return line


def parse_columns(given: str | Sequence[str], left: Iterable[str], right: Iterable[str]) -> list[Column]:
    """Columns to compare; none given: all that both tables share.

    Args:
        given: ``name,price``, or ``title=name`` (left=right), or ``text=name+city`` (several columns as one).

    Raises:
        UsageError: a column that a table lacks, or no shared column.
    """
    lefts, rights = list(left), list(right)
    parts = given.split(",") if isinstance(given, str) else list(given)
    named = [part.strip() for part in parts if part.strip()]
    if not named:
        shared = [Column(name, name, name) for name in lefts if name in rights]
        if not shared:
            raise UsageError("the tables share no column", where="--on", mend="name pairs as in --on title=name")
        return shared
    columns = []
    for part in named:
        one, equals, other = part.partition("=")
        column = Column(one.strip(), one.strip(), other.strip() if equals else one.strip())
        for part in column.left.split("+"):
            require_column(part, lefts, "left")
        for part in column.right.split("+"):
            require_column(part, rights, "right")
        columns.append(column)
    if repeated := [name for name, count in Counter(column.name for column in columns).items() if count > 1]:
        raise UsageError(f"the column {repeated[0]!r} is named twice", where="--on")
    return columns


def require_column(name: str, known: Sequence[str], side: str, *, where: str = "--on") -> None:
    """Raise UsageError where a table lacks a column that the option ``where`` names."""
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"its columns: {', '.join(known)}"
        raise UsageError(f"the {side} table has no column {name!r}", where=where, mend=hint)


def as_records(
    table: pa.Table,
    columns: dict[str, str],
    *,
    id_column: str | None = None,
    image_column: str | None = None,
    root: Path = Path(),
    source: str = "",
    side: str = "left",
) -> Records:
    """Records of an Arrow table.

    Args:
        columns: the name in results to the name in this table.
        id_column: None takes ``id`` where there is one, else the row number from 0.
        image_column: paths of pictures, absolute or below ``root``.

    Raises:
        UsageError: a column is missing.
        BadInput: an id is missing or occurs twice.
    """
    known = table.column_names
    for name in columns.values():
        for part in name.split("+"):
            require_column(part, known, side)
    chosen = id_column or (_ID if _ID in known else None)
    if chosen is not None:
        require_column(chosen, known, side, where="--id")
        ids = tuple(map(_text, table.column(chosen).to_pylist()))
        _check_ids(ids, f"{source or side}: column {chosen!r}")
    else:
        ids = tuple(map(str, range(table.num_rows)))
    texts = {name: _texts(table, own.split("+")) for name, own in columns.items()}
    pictures: tuple[Path | None, ...] = ()
    if image_column is not None:
        require_column(image_column, known, side, where="--image-col")
        given = map(_text, table.column(image_column).to_pylist())
        pictures = tuple((root / name if name else None) for name in given)
    return Records(ids, texts, pictures, source)


def grouped(table: pa.Table, column: str) -> pa.Table:
    """One row for all rows that agree in a column, by first appearance: their texts joined, and that column as ``id``.

    Raises:
        UsageError: the column is missing.
    """
    import pyarrow as pa

    require_column(column, table.column_names, "left", where="left_group")
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(_texts(table, [column])):
        rows.setdefault(name, []).append(row)
    texts = {name: _texts(table, [name]) for name in table.column_names if name != _ID}
    joined = {
        name: [" ".join(filter(None, (own[row] for row in each))) for each in rows.values()]
        for name, own in texts.items()
        if name != column
    }
    return pa.table({_ID: list(rows), **joined, column: list(rows)} if column != _ID else {_ID: list(rows), **joined})


def _texts(table: pa.Table, columns: Sequence[str]) -> tuple[str, ...]:
    """The texts of a column, or of several as one; equal values are read once."""
    sides = []
    for name in columns:
        known: dict[Any, str] = {}
        found = []
        for value in table.column(name).to_pylist():
            if isinstance(value, str):
                text = known.get(value)
                if text is None:
                    text = known[value] = _text(value)
            else:
                text = _text(value)
            found.append(text)
        sides.append(found)
    return (
        tuple(sides[0]) if len(sides) == 1 else tuple(" ".join(filter(None, row)) for row in zip(*sides, strict=True))
    )


def _check_ids(ids: tuple[str, ...], where: str) -> None:
    counts = Counter(ids)
    if counts.get(""):
        raise BadInput(f"row {ids.index('') + 1} has no id", where=where, mend="fill it, or choose another --id")
    name, count = max(counts.items(), key=lambda item: item[1], default=("", 1))
    if count > 1:
        rows = [str(row + 1) for row, id in enumerate(ids) if id == name][:3]
        repeated = sum(1 for each in counts.values() if each > 1)
        raise BadInput(
            f"{repeated} ids occur more than once: {name!r} in rows {', '.join(rows)}",
            where=where,
            mend="make them unique, or choose another --id",
        )


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        if value != value:
            return ""
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, (list, tuple)):
        return " ".join(filter(None, map(_text, value)))
    if isinstance(value, dict):
        return " ".join(filter(None, map(_text, value.values())))
    text = " ".join(str(value).split())
    return "" if text.lower() in _NULLS else text
