"""``mmkit index``: build and look after a store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from mmkit.cli.options import (
    BatchOption,
    ColumnOption,
    DeviceOption,
    DtypeOption,
    EncoderOption,
    FailuresOption,
    InputsArgument,
    JsonOption,
    ModalityOption,
    OfflineOption,
    OverwriteOption,
    StrictOption,
    WorkersOption,
    chosen_settings,
    modality_named,
    new_app,
)
from mmkit.cli.output import emit, emit_json, finish, note, shown_path
from mmkit.errors import EXIT_ERROR, EXIT_OK, UsageError

app = new_app("Build and look after a store of embeddings.")

StoreArgument = Annotated[Path, typer.Argument(metavar="STORE", help="The folder of the store.", show_default=False)]


@app.command()
def add(
    store: StoreArgument,
    inputs: InputsArgument,
    encoder: EncoderOption = None,
    modality: ModalityOption = None,
    column: ColumnOption = None,
    float32: Annotated[bool, typer.Option("--float32", help="Keep vectors in 32 bits (a new store).")] = False,
    shard_rows: Annotated[int, typer.Option("--shard-rows", min=1, help="Rows written at a time.")] = 1024,
    overwrite: OverwriteOption = False,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    batch: BatchOption = None,
    workers: WorkersOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """Add files to a store, making it if there is none.

    What is there already is skipped, a file whose content changed is replaced, and a run that was
    killed goes on where it stopped. Without --encoder a store's own encoder is used.

    \b
    Examples:
      mmkit index add photos.mm ~/Pictures
      mmkit index add photos.mm 'holiday/**/*.jpg' --batch 64
      mmkit index add notes.mm notes.txt --modality text
      mmkit index add items.mm catalogue.csv --column photo
      find . -name '*.png' | mmkit index add pngs.mm -
    """
    from mmkit.cli.progress import Progress
    from mmkit.encoders import encoder as load_encoder
    from mmkit.pipeline.index import index_items
    from mmkit.pipeline.sources import items_from
    from mmkit.store import Store

    kind = modality_named(modality)
    chosen = chosen_settings(
        encoder=encoder or _encoder_of(store, overwrite),
        device=device,
        dtype=dtype,
        batch=batch,
        workers=workers,
        offline=offline,
    )
    loaded = load_encoder(chosen.encoder, device=chosen.device, dtype=chosen.dtype, offline=chosen.offline)
    width: Literal["float16", "float32"] = "float32" if float32 else "float16"
    if overwrite:
        opened = Store.create(store, loaded.spec, dtype=width, overwrite=True)
    else:
        opened = Store.open_or_create(store, loaded.spec, dtype=width)
    with Progress("indexing", inputs=inputs) as progress:
        report = index_items(
            opened,
            loaded,
            items_from(inputs, modality=kind, column=column),
            chosen=chosen,
            shard_rows=shard_rows,
            strict=strict,
            on_progress=lambda done: progress.advance(done.seen),
        )
        seconds = progress.seconds
    result = {
        "store": str(store),
        "rows": len(opened),
        "added": report.added,
        "reused": report.reused,
        "unchanged": report.unchanged,
        "failed": len(report.failures),
        "seconds": round(seconds, 3),
    }
    if json:
        emit_json(result)
    else:
        rate = f", {report.added / seconds:.0f} a second" if report.added and seconds > 0 else ""
        emit(f"{store}: {len(opened)} rows ({report.added} added, {report.unchanged} already there{rate})")
    if not len(opened) and not report.failures:
        note("nothing to index was found in the inputs")
    if not report.failures and failures is None:
        # The list of an earlier run, whose failures are mended now.
        (store / "failures.jsonl").unlink(missing_ok=True)
    return finish(report.failures, failures or store / "failures.jsonl")


def _encoder_of(store: Path, overwrite: bool) -> str | None:
    from mmkit.store import Store

    if overwrite or not (store / "manifest.json").exists():
        return None
    return Store.open(store).spec_fields.encoder


@app.command()
def info(store: StoreArgument, json: JsonOption = False) -> None:
    """Say what a store holds: encoder, rows, sizes, where it came from.

    \b
    Example:
      mmkit index info photos.mm --json
    """
    from mmkit.store import Store

    facts = Store.open(store).info()
    if json:
        emit_json(facts)
        return
    for name, value in facts.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        emit(f"{name:<12} {shown}")


@app.command()
def export(
    store: StoreArgument,
    output: Annotated[
        Path, typer.Argument(metavar="FILE", help=".parquet, .npy (ids beside it) or .jsonl", show_default=False)
    ],
    overwrite: OverwriteOption = False,
) -> None:
    """Write the rows of a store to one file.

    \b
    Examples:
      mmkit index export photos.mm photos.parquet
      mmkit index export photos.mm photos.npy
    """
    from mmkit.store import Store

    if output.exists() and not overwrite:
        raise UsageError("is there already", where=str(output), mend="give --overwrite to replace it")
    for written in Store.open(store).export(output, overwrite=overwrite):
        emit(str(written))


@app.command()
def remove(
    store: StoreArgument,
    ids: Annotated[list[str], typer.Argument(metavar="IDS...", help="Ids, paths or globs.", show_default=False)],
    json: JsonOption = False,
) -> int:
    """Mark rows as deleted; 'mmkit index compact' frees their space.

    \b
    Examples:
      mmkit index remove photos.mm ~/Pictures/blurred.jpg
      mmkit index remove photos.mm '*/thumbnails/*'
    """
    from mmkit.store import Store

    opened = Store.open(store)
    removed, unknown = 0, []
    for name in ids:
        whole = os.path.abspath(name)
        # A file whose very name looks like a pattern is that file.
        count = opened.remove(ids=[name]) or opened.remove(ids=[whole])
        if not count and any(mark in name for mark in "*?["):
            count = opened.remove(glob=name) or opened.remove(glob=whole)
        removed += count
        if not count:
            unknown.append(name)
    if json:
        emit_json({"store": str(store), "removed": removed, "unknown": unknown})
    else:
        emit(f"{store}: {removed} rows removed")
    for name in unknown:
        note(f"no row of {store} is called {shown_path(name)}")
    return EXIT_ERROR if unknown else EXIT_OK


@app.command()
def compact(store: StoreArgument, json: JsonOption = False) -> None:
    """Rewrite a store without its deleted rows, in full shards.

    \b
    Example:
      mmkit index compact photos.mm
    """
    from mmkit.store import Store

    report = Store.open(store).compact()._asdict()
    if json:
        emit_json({"store": str(store), **report})
    else:
        emit(f"{store}: " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in report.items()))


@app.command()
def verify(
    store: StoreArgument,
    quick: Annotated[bool, typer.Option("--quick", help="Sizes and counts only, no hashes.")] = False,
    json: JsonOption = False,
) -> int:
    """Check a store: hashes, counts, unit rows, duplicates. Exit code 1 where anything is wrong.

    \b
    Example:
      mmkit index verify photos.mm
    """
    from mmkit.store import Store

    opened = Store.open(store)
    report = opened.verify(deep=not quick)
    problems = [str(problem) for problem in report.problems]
    if json:
        emit_json({"store": str(store), "rows": len(opened), "problems": problems})
    else:
        for problem in problems:
            emit(problem)
        emit(f"{store}: {len(opened)} rows, " + (f"{len(problems)} problems" if problems else "no problems"))
    return EXIT_ERROR if problems else EXIT_OK
