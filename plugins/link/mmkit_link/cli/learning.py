"""``mmkit link train`` and ``mmkit link eval``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmkit.cli.options import DeviceOption, FailuresOption, JsonOption, OfflineOption, OverwriteOption
from mmkit.cli.output import emit, emit_json, finish
from mmkit.errors import UsageError
from mmkit.types import Failure
from mmkit_link.cli.options import (
    IdOption,
    ImageColumnOption,
    ImageEncoderOption,
    ModelOption,
    OnOption,
    TextEncoderOption,
    check_output,
    chosen_evidence,
    quiet_settings,
    read_adapter,
    read_model,
    read_one,
    read_two,
)

if TYPE_CHECKING:
    from mmkit.config import Settings

RecordsOption = Annotated[
    list[Path] | None,
    typer.Option("--records", metavar="FILE", help="Further pair files, read for their records and not their labels."),
]


def train(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the model goes.")],
    pairs: Annotated[
        Path | None, typer.Option("--pairs", metavar="FILE", help="Columns left_*, right_* and label.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--table", metavar="TABLE", help="Records with a picture and a text: an adapter.")
    ] = None,
    clusters: Annotated[
        str, typer.Option("--clusters", metavar="COL", help="The column of --table with what is one thing.")
    ] = "",
    valid: Annotated[
        Path | None, typer.Option("--valid", metavar="FILE", help="Pairs, or records, on which cuts are chosen.")
    ] = None,
    records: RecordsOption = None,
    on: Annotated[str, typer.Option("--on", metavar="COLS", help="Columns; of pairs without left_ and right_.")] = "",
    image_col: ImageColumnOption = None,
    candidates: Annotated[int, typer.Option("--candidates", "-k", min=1, help="Rivals looked for, a record.")] = 10,
    text_encoder: TextEncoderOption = None,
    encoder: ImageEncoderOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Of every random choice.")] = 0,
    overwrite: OverwriteOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """Teach a model of pairs from labelled ones, or an adapter of pictures and texts from one's own records.

    The adapter's stage A lets each picture of --table find its own text and needs no labels; with --clusters stage B
    pulls together what is one thing.

    \b
    Examples:
      mmkit link train --pairs train.csv --valid valid.csv -o pairs.model
      mmkit link train --table crops.csv --on ocr --image-col crop -o own.adapter
      mmkit link train --table crops.csv --on ocr --image-col crop --clusters firm --valid valid.csv -o firms.adapter
    """
    check_output(output, overwrite=overwrite, table=False)
    if (pairs is None) == (table is None):
        raise UsageError("Expected either --pairs or --table")
    chosen, failed = quiet_settings(offline, device), list[Failure]()
    if table is not None:
        report = _train_adapter(table, valid, clusters, on, image_col, encoder, seed, output, chosen, failed)
        _print(report, json)
        return finish(failed, failures or Path("failures.jsonl"))
    from mmkit_link.linking import Evidence
    from mmkit_link.training import train as fit

    assert pairs is not None
    model, report = fit(
        pairs,
        valid=valid,
        records=records or (),
        on=_names(on),
        image_column=image_col,
        evidence=Evidence(text_encoder, encoder),
        k=candidates,
        seed=seed,
        chosen=chosen,
        failures=failed,
    )
    model.save(output)
    _print(report, json)
    return finish(failed, failures or Path("failures.jsonl"))


def _train_adapter(
    table: Path,
    valid: Path | None,
    clusters: str,
    on: str,
    image_col: str | None,
    encoder: str | None,
    seed: int,
    output: Path,
    chosen: Settings,
    failed: list[Failure],
) -> dict[str, Any]:
    from mmkit_link.pooling import read_pictured, train_adapter

    if image_col is None:
        raise UsageError("--table needs --image-col beside it", mend="for texts alone, train on --pairs")
    given = read_pictured(table, on, clusters=clusters, image_column=image_col)
    held = None if valid is None else read_pictured(valid, on, clusters=clusters, image_column=image_col)
    adapter, report = train_adapter(given, held, encoder=encoder, seed=seed, chosen=chosen, failures=failed)
    adapter.save(output)
    return report


def evaluate(
    pairs: Annotated[
        Path | None, typer.Option("--pairs", metavar="FILE", help="Labelled pairs: left_*, right_*, label.")
    ] = None,
    tune: Annotated[
        Path | None, typer.Option("--tune", metavar="FILE", help="Pairs, or records, to choose the threshold on.")
    ] = None,
    records: RecordsOption = None,
    left: Annotated[Path | None, typer.Option("--left", metavar="TABLE", help="A whole table.")] = None,
    right: Annotated[Path | None, typer.Option("--right", metavar="TABLE", help="Another one.")] = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", metavar="FILE", help="Columns left and right: ids of true links.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--table", metavar="TABLE", help="A table whose --clusters are known.")
    ] = None,
    clusters: Annotated[str, typer.Option("--clusters", metavar="COL", help="The column of true clusters.")] = "",
    on: OnOption = "",
    image_col: ImageColumnOption = None,
    id_col: IdOption = None,
    relation: Annotated[
        str, typer.Option("--relation", metavar="KIND", help="Of the links between --left and --right.")
    ] = "one-to-one",
    model: ModelOption = None,
    candidates: Annotated[
        int | None, typer.Option("--candidates", "-k", min=1, help="A record: 20 for tables, 10 for pairs.")
    ] = None,
    text_encoder: TextEncoderOption = None,
    encoder: ImageEncoderOption = None,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """Measure: labelled pairs, two tables with their true links, or a table with its true clusters.

    \b
    Examples:
      mmkit link eval --pairs test.csv --tune valid.csv --json
      mmkit link eval --pairs test.csv --model pairs.model --json
      mmkit link eval --left a.csv --right b.csv --truth links.csv --json
      mmkit link eval --table test.csv --clusters firm --tune valid.csv --on ocr --image-col crop
    """
    chosen = quiet_settings(offline, device)
    adapter = read_adapter(model)
    loaded = None if adapter else read_model(model)
    if adapter and table is None:
        raise UsageError("an adapter is measured on a --table", where=str(model))
    evidence = chosen_evidence(loaded, text_encoder, encoder)
    failed: list[Failure] = []
    common: dict[str, Any] = {"evidence": evidence, "chosen": chosen, "failures": failed}
    given = [name for name, value in (("--pairs", pairs), ("--left", left), ("--table", table)) if value is not None]
    if len(given) != 1:
        raise UsageError(
            f"Expected one of --pairs, --left with --right and --truth, or --table, but received {given or 'none'}"
        )
    if pairs is not None:
        from mmkit_link.evaluate import evaluate_pairs

        result = evaluate_pairs(
            pairs,
            tune=tune,
            model=loaded,
            records=records or (),
            on=_names(on),
            image_column=image_col,
            k=candidates or 10,
            **common,
        )
    elif left is not None:
        if right is None or truth is None:
            raise UsageError("--left needs --right and --truth beside it")
        from mmkit_link.evaluate import evaluate_tables, read_truth

        one, other = read_two(left, right, on=on, id_column=id_col, image_column=image_col, model=loaded)
        links = read_truth(truth, one, other)
        result = evaluate_tables(one, other, links, model=loaded, k=candidates or 20, relation=relation, **common)
    else:
        result = _measure_clusters(table, tune, clusters, on, image_col, id_col, {**common, "adapter": adapter})
    _print(result, json)
    return finish(failed, failures or Path("failures.jsonl"))


def _measure_clusters(
    table: Path | None,
    tune: Path | None,
    clusters: str,
    on: str,
    image_col: str | None,
    id_col: str | None,
    common: dict[str, Any],
) -> dict[str, Any]:
    from mmkit_link.pooling import evaluate_clusters, read_labelled

    if table is None or tune is None or not clusters:
        raise UsageError("--table needs --clusters and --tune beside it")
    known = read_one(table, on=on, id_column=id_col, image_column=image_col)
    columns = {name: name for name in known.columns if name != clusters}
    measured, tuning = (
        read_labelled(path, columns, clusters=clusters, image_column=image_col, id_column=id_col)
        for path in (table, tune)
    )
    return evaluate_clusters(*measured, tune=tuning, **common)


def _names(on: str) -> list[str]:
    return [name.strip() for name in on.split(",") if name.strip()]


def _print(result: dict[str, Any], json: bool) -> None:
    if json:
        emit_json(result)
        return
    for name, value in result.items():
        if isinstance(value, dict):
            value = "  ".join(f"{key} {inner:.4f}" for key, inner in value.items())
        emit(f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {value}")
