"""A column of a table translated into new columns.

N rows, D dims of the space of pictures and texts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mmkit.errors import BadInput, UsageError
from mmkit.types import Failure, Item
from mmkit_translate.text.lines import Line, translate_lines
from mmkit_translate.translating import Search, Translator

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["column_named", "picture_rows", "translate_table"]


def column_named(table: pa.Table, column: str, option: str = "--column") -> list[str | None]:
    """The cells of a column as texts, (N,). Raises UsageError that lists the columns there are."""
    if column not in table.column_names:
        raise UsageError(f"Expected one of {', '.join(table.column_names)}, but received {column!r}", where=option)
    return [None if cell is None else str(cell) for cell in table.column(column).to_pylist()]


def translate_table(
    translator: Translator,
    table: pa.Table,
    column: str,
    *,
    target: str,
    source: str | None = None,
    search: Search | None = None,
    longest: int = 40,
    vectors: np.ndarray | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> pa.Table:
    """The table with the columns COLUMN_TO, COLUMN_TO_score and COLUMN_from; with alternatives COLUMN_TO_alternatives.

    A cell of several lines stays one of as many lines; its score is the mean of theirs. An empty cell stays empty.
    """
    cells = column_named(table, column)
    rows = [[] if cell is None else cell.split("\n") for cell in cells]
    lines = [line for row in rows for line in row]
    spread = None
    if vectors is not None:
        spread = vectors[np.repeat(np.arange(len(rows)), [len(row) for row in rows])]
    done = iter(
        translate_lines(translator, lines, target=target, source=source, search=search, longest=longest, vectors=spread)
    )
    found: list[list[Line]] = []
    for row in rows:
        found.append([next(done) for _ in row])
        advance(1)
    name = f"{column}_{target}"
    texts = [None if cell is None else "\n".join(line.translation for line in row) for cell, row in _both(cells, found)]
    columns = {
        name: pa.array(texts, pa.string()),
        f"{name}_score": pa.array([_mean([line.score for line in row]) for row in found], pa.float32()),
        f"{column}_from": pa.array([_first([line.source for line in row]) for row in found], pa.string()),
    }
    if search is not None and search.n_best > 1:
        alternatives = [
            [one.text for line in row for one in line.alternatives] if len(row) == 1 else [] for row in found
        ]
        columns[f"{name}_alternatives"] = pa.array(alternatives, pa.list_(pa.string()))
    for added, values in columns.items():
        if added in table.column_names:
            table = table.drop_columns([added])
        table = table.append_column(added, values)
    return table


def picture_rows(
    translator: Translator, paths: Sequence[str | None], folder: Path, *, strict: bool = False
) -> tuple[np.ndarray, list[Failure]]:
    """(N, D) vectors of pictures, a row of zeros where there is none or it cannot be read, and what could not.

    Raises:
        BadInput: the first that cannot be read, with ``strict``.
    """
    rows: list[np.ndarray | None] = []
    failures: list[Failure] = []
    for path in paths:
        if not path:
            rows.append(None)
            continue
        try:
            rows.append(translator.picture_vectors([Item.from_path(folder / path, "image")])[0])
        except BadInput as error:
            if strict:
                raise
            failures.append(Failure(str(folder / path), error.what))
            rows.append(None)
    dims = next((len(row) for row in rows if row is not None), 0) or translator.picture_vectors([]).shape[1]
    nothing = np.zeros(dims, np.float32)
    return np.stack([nothing if row is None else row for row in rows]) if rows else np.zeros((0, dims)), failures


def _both(cells: list[str | None], found: list[list[Line]]) -> zip[tuple[str | None, list[Line]]]:
    return zip(cells, found, strict=True)


def _mean(values: Sequence[float | None]) -> float | None:
    real = [value for value in values if value is not None]
    return sum(real) / len(real) if real else None


def _first(values: Sequence[str]) -> str | None:
    return next((value for value in values if value), None)
