"""Options that several verbs of ``mmkit link`` share, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from mmkit.cli.output import check_free
from mmkit.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from mmkit.config import Settings
    from mmkit_link.adapter import Adapter
    from mmkit_link.linking import Evidence
    from mmkit_link.model import PairModel
    from mmkit_link.records import Records

OnOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--on", metavar="COLS", help="Columns to compare: name,price or title=name (left=right) or text=name+city."
    ),
]
IdOption: TypeAlias = Annotated[
    str | None, typer.Option("--id", metavar="COL", help="The column of ids; default: 'id', else the row number.")
]
ImageColumnOption: TypeAlias = Annotated[
    str | None, typer.Option("--image-col", metavar="COL", help="Paths of pictures, absolute or beside the table.")
]
ModelOption: TypeAlias = Annotated[
    Path | None, typer.Option("--model", metavar="FILE", help="What 'mmkit link train' wrote; else no labels are used.")
]
ThresholdOption: TypeAlias = Annotated[
    float | None, typer.Option("--threshold", min=0.0, max=1.0, help="The score of a link; default: found.")
]
CandidatesOption: TypeAlias = Annotated[int, typer.Option("--candidates", "-k", min=1, help="Candidates a record.")]
TextEncoderOption: TypeAlias = Annotated[
    str | None, typer.Option("--text-encoder", metavar="NAME", help="Also compare whole records by this encoder.")
]
ImageEncoderOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--encoder", "-e", metavar="NAME", help="The encoder of pictures, or an adapter; default: mini."),
]
OutputOption: TypeAlias = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="A .parquet, .csv, .tsv or .jsonl file.")
]
HtmlOption: TypeAlias = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write a page that shows what was found, and why.")
]


def read_side(
    table: pa.Table,
    path: Path,
    columns: dict[str, str],
    *,
    id_column: str | None,
    image_column: str | None,
    side: str,
) -> Records:
    """Records of one opened table; pictures lie beside it."""
    from mmkit_link.records import as_records

    return as_records(
        table,
        columns,
        id_column=id_column,
        image_column=image_column,
        root=path.parent,
        source=str(path),
        side=side,
    )


def read_two(
    left: Path,
    right: Path,
    *,
    on: str,
    id_column: str | None,
    image_column: str | None,
    model: PairModel | None = None,
) -> tuple[Records, Records]:
    """The records of two tables; without ``--on`` the model's columns, or all that both share."""
    from mmkit_link.records import open_table, parse_columns

    tables = open_table(left), open_table(right)
    given = on or (",".join(model.recipe.get("columns", ())) if model else "")
    apart = (id_column or "id", image_column)
    names = [[name for name in table.column_names if given or name not in apart] for table in tables]
    columns = parse_columns(given, *names) if given or not (image_column and not any(names)) else []
    one = read_side(
        tables[0],
        left,
        {column.name: column.left for column in columns},
        id_column=id_column,
        image_column=image_column,
        side="left",
    )
    other = read_side(
        tables[1],
        right,
        {column.name: column.right for column in columns},
        id_column=id_column,
        image_column=image_column,
        side="right",
    )
    return one, other


def read_one(path: Path, *, on: str, id_column: str | None, image_column: str | None) -> Records:
    """The records of one table."""
    from mmkit_link.records import open_table, parse_columns

    table = open_table(path)
    names = [name for name in table.column_names if on or name not in (id_column or "id", image_column)]
    columns = {column.name: column.left for column in parse_columns(on, names, names)} if names else {}
    return read_side(table, path, columns, id_column=id_column, image_column=image_column, side="given")


def read_model(path: Path | None) -> PairModel | None:
    """The model of a file, where one was given."""
    from mmkit_link.model import load_model

    return None if path is None else load_model(path)


def read_adapter(path: Path | None) -> Adapter | None:
    """The adapter of a file, where it is one."""
    from mmkit_link.adapter import is_adapter, load_adapter

    return load_adapter(path) if path is not None and path.is_file() and is_adapter(path) else None


def chosen_evidence(model: PairModel | None, text_encoder: str | None, image_encoder: str | None) -> Evidence:
    """The encoders to use: those of the model, where there is one."""
    from mmkit_link.linking import Evidence
    from mmkit_link.training import evidence_of

    return evidence_of(model) if model else Evidence(text_encoder, image_encoder)


def check_output(path: Path | None, *, overwrite: bool, table: bool = True) -> None:
    """Refuse an output before any work is done: of no known kind, in no folder, or there already."""
    from mmkit.media.tables import TABLE_KINDS, table_kind

    if path is None:
        return
    if table and table_kind(path) is None:
        raise UsageError(f"Expected a table, one of {' '.join(TABLE_KINDS)}", where=str(path))
    check_free(path, overwrite=overwrite)


def finish_run(table: pa.Table, output: Path | None, *, json: bool) -> None:
    """Write a table to its file, or its rows to stdout."""
    from mmkit.cli.output import emit, emit_json, note
    from mmkit.media import write_table

    if output is not None:
        write_table(table, output)
        note(f"{table.num_rows} rows in {output}")
        return
    if not json:
        emit("\t".join(table.column_names))
    for row in table.to_pylist():
        if json:
            emit_json(row)
        else:
            emit("\t".join(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row.values()))


def quiet_settings(offline: bool, device: str | None) -> Settings:
    """The settings in force for the encoders of a run."""
    from mmkit.cli.options import chosen_settings

    return chosen_settings(device=device, offline=offline)
