"""Labelled pairs: a table with columns left_*, right_* and label, as records of two tables and pairs of rows.

Legend: P pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput, UsageError
from mmkit_link.records import Records, as_records, open_table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PairSets", "read_pairs"]

_TRUE = frozenset({"1", "true", "yes", "match"})
_FALSE = frozenset({"0", "false", "no", "non-match"})


@dataclass(frozen=True, slots=True, eq=False)
class PairSets:
    """Several files of pairs over the records that they name.

    Attributes:
        left, right: the different records of all files; equal content is one record.
        pairs: of each file, (P, 2) rows.
        labels: of each file, (P,) 0 or 1.
    """

    left: Records
    right: Records
    pairs: list[NDArray[np.int64]]
    labels: list[NDArray[np.int64]]

    @property
    def columns(self) -> tuple[str, ...]:
        """The compared columns."""
        return tuple(self.left.columns)


def read_pairs(files: Sequence[Path], *, on: Sequence[str] = (), image_column: str | None = None) -> PairSets:
    """Read files of pairs that share their columns.

    Args:
        on: compare these columns; none compares every NAME with left_NAME and right_NAME, but ``id``.
        image_column: its values are paths below the folder of their file.

    Raises:
        UsageError: a column is missing.
        BadInput: a label is neither 0 nor 1, or there are no pairs.
    """
    keys: tuple[dict[tuple[Any, ...], int], ...] = ({}, {})
    pairs, labels = [], []
    names: tuple[str, ...] = tuple(on)
    for file in files:
        table = open_table(file)
        names = names or _shared(table, str(file), image_column)
        rows = [_rows(table, names, side, file, image_column, keys[number]) for number, side in enumerate(_SIDES)]
        pairs.append(np.stack(rows, axis=1) if table.num_rows else np.zeros((0, 2), np.int64))
        labels.append(_labels(table, str(file)))
    sides = [
        Records(
            tuple(map(str, range(len(known)))),
            {name: tuple(key[place] for key in known) for place, name in enumerate(names)},
            tuple(key[len(names)] for key in known) if image_column else (),
            f"{side} records",
        )
        for side, known in zip(_SIDES, keys, strict=True)
    ]
    return PairSets(sides[0], sides[1], pairs, labels)


_SIDES = ("left", "right")


def _shared(table: pa.Table, where: str, image_column: str | None) -> tuple[str, ...]:
    known = table.column_names
    lefts = [name.removeprefix("left_") for name in known if name.startswith("left_")]
    names = tuple(name for name in lefts if f"right_{name}" in known and name not in ("id", image_column))
    if not names and image_column is None:
        raise UsageError(
            f"Expected columns left_NAME and right_NAME, but received {', '.join(known)}",
            where=where,
            mend="rename them, or name two tables with --left and --right",
        )
    return names


def _rows(
    table: pa.Table,
    names: Sequence[str],
    side: str,
    file: Path,
    image_column: str | None,
    known: dict[tuple[Any, ...], int],
) -> NDArray[np.int64]:
    # Record ids play no part: a pair file repeats its records, and equal content is one record.
    numbered = table.drop_columns([name for name in ("id",) if name in table.column_names])
    records = as_records(
        numbered,
        {name: f"{side}_{name}" for name in names},
        image_column=f"{side}_{image_column}" if image_column else None,
        root=file.parent,
        source=str(file),
        side=side,
    )
    parts: list[Sequence[Any]] = [*records.columns.values(), *([records.pictures] if image_column else [])]
    return np.array([known.setdefault(key, len(known)) for key in zip(*parts, strict=True)], np.int64)


def _labels(table: pa.Table, where: str) -> NDArray[np.int64]:
    if "label" not in table.column_names:
        raise UsageError("has no column 'label'", where=where, mend="add one with 1 for links and 0 for the rest")
    if not table.num_rows:
        raise BadInput("holds no pairs", where=where)
    found = np.empty(table.num_rows, np.int64)
    for row, value in enumerate(table.column("label").to_pylist()):
        text = str(int(value)) if isinstance(value, float) and value in (0.0, 1.0) else str(value).strip().lower()
        if text not in _TRUE | _FALSE:
            raise BadInput(f"Expected a label 0 or 1, but received {value!r}", where=f"{where}: row {row + 1}")
        found[row] = text in _TRUE
    return found
