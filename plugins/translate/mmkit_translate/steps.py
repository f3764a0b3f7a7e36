"""The step for recipes: translate.text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from mmkit.recipes.context import StepContext

__all__ = ["fingerprint", "grouped", "text"]


def fingerprint(*, model: str, **_: object) -> str:
    """Of the model that the step uses."""
    if model.startswith("hf:"):
        from mmkit.models import resolve

        return f"{model} {resolve(model).revision}"
    from mmkit.models.hashes import file_sha256
    from mmkit_translate.model.weights import BUNDLED

    path = BUNDLED if model == "bundled" else Path(model)
    return f"{model} {file_sha256(path) if path.is_file() else ''}"


def text(
    context: StepContext,
    *,
    table: pa.Table,
    to: str,
    column: str,
    source: str,
    group: Sequence[str],
    images: str,
    model: str,
    beam: int,
    length_penalty: float,
    max_words: int,
) -> pa.Table:
    """The table with COLUMN_TO, COLUMN_TO_score and COLUMN_from; see ``translate_table``.

    With ``group``, rows that follow one another with the same values of these columns are joined by spaces first, and
    the table has a row a group: the first row's other columns, and the joined text.
    """
    from mmkit_translate.opening import open_translator
    from mmkit_translate.text.tables import column_named, picture_rows, translate_table
    from mmkit_translate.translating import Search, check_pair

    inside = context.root / model
    translator = open_translator(str(inside) if inside.exists() else model, settings=context.settings)
    check_pair(translator, source or None, to)
    if group:
        table = grouped(table, group, column)
    vectors = None
    if images:
        vectors, failed = picture_rows(translator, column_named(table, images, "images"), context.root)
        context.failures.extend(failed)
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        context.progress(done, table.num_rows)

    return translate_table(
        translator,
        table,
        column,
        target=to,
        source=source or None,
        search=Search(beam, length_penalty),
        longest=max_words,
        vectors=vectors,
        advance=advance,
    )


def grouped(table: pa.Table, by: Sequence[str], column: str) -> pa.Table:
    """A row for each run of rows with equal values in ``by``; a word that a hyphen parts at a row's end is made whole.

    Raises:
        UsageError: one of the columns is not there.
    """
    import pyarrow as pa

    from mmkit_translate.text.tables import column_named

    for name in (*by, column):
        column_named(table, name, "group" if name in by else "column")
    rows: list[dict[str, Any]] = []
    for row in table.to_pylist():
        words = row[column] or ""
        if rows and all(rows[-1][name] == row[name] for name in by):
            rows[-1][column] = _joined(rows[-1][column], words)
        else:
            rows.append({**row, column: words})
    return pa.Table.from_pylist(rows, schema=table.schema)


def _joined(before: str, after: str) -> str:
    if len(before) > 1 and before.endswith("-") and before[-2].isalpha() and after[:1].islower():
        return before[:-1] + after
    return f"{before} {after}".strip()
