"""``mmkit embed``: vectors for whatever is given."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmkit.cli.options import (
    BatchOption,
    ColumnOption,
    DeviceOption,
    DtypeOption,
    EncoderOption,
    FailuresOption,
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
from mmkit.cli.output import check_free, emit, emit_json, finish
from mmkit.errors import UsageError

if TYPE_CHECKING:
    from mmkit.config import Settings
    from mmkit.encoders import Encoder
    from mmkit.pipeline.stream import EncodedBatch
    from mmkit.types import Failure, Item

app = new_app("Turn pictures and texts into vectors.")


@app.command()
def embed(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUTS...", help="Files, folders, globs, '-', .tar, or tables with --column."),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", "-t", metavar="TEXT", help="A text to embed; may be repeated.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help=".npy (ids beside it), .parquet or .jsonl; default stdout."
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    encoder: EncoderOption = None,
    modality: ModalityOption = None,
    column: ColumnOption = None,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    batch: BatchOption = None,
    workers: WorkersOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """Turn pictures and texts into vectors: to stdout, one a line, or to a file.

    \b
    Examples:
      mmkit embed photos/*.jpg -o photos.npy
      mmkit embed -t "a cup of coffee" -t "a dog" --json
      mmkit embed captions.txt --modality text -o captions.parquet
    """
    from mmkit.cli.inputs import text_item
    from mmkit.encoders import encoder as load_encoder
    from mmkit.pipeline.sources import items_from

    if not inputs and not text:
        raise UsageError("embed needs inputs", mend='for example: mmkit embed photos/*.jpg, or mmkit embed -t "a dog"')
    kind = modality_named(modality)
    chosen = chosen_settings(encoder=encoder, device=device, dtype=dtype, batch=batch, workers=workers, offline=offline)
    loaded = load_encoder(chosen.encoder, device=chosen.device, dtype=chosen.dtype, offline=chosen.offline)

    def items() -> Iterator[Item | Failure]:
        yield from map(text_item, text or [])
        if inputs:
            yield from items_from(inputs, modality=kind, column=column)

    failed: list[Failure] = []
    batches = _encoded(loaded, items(), chosen, inputs or [], failed, strict)
    if output is not None:
        _to_file(loaded, batches, output, overwrite)
    else:
        _to_stdout(batches, json)
    return finish(failed, failures or Path("failures.jsonl"))


def _encoded(
    encoder: Encoder,
    items: Iterable[Item | Failure],
    chosen: Settings,
    inputs: list[str],
    failed: list[Failure],
    strict: bool,
) -> Iterator[EncodedBatch]:
    from mmkit.cli.progress import Progress
    from mmkit.pipeline.embedding import only_supported
    from mmkit.pipeline.stream import encode_stream

    with Progress("embedding", inputs=inputs) as progress:
        for done in encode_stream(encoder, only_supported(encoder, items), chosen=chosen, strict=strict):
            failed += done.failures
            progress.advance(done.seen)
            yield done


def _to_stdout(batches: Iterable[EncodedBatch], json: bool) -> None:
    for done in batches:
        if done.embeddings is None:
            continue
        for item, vector in zip(done.items, done.embeddings.vectors, strict=True):
            numbers = [round(float(number), 6) for number in vector.reshape(-1)]
            if json:
                emit_json({"id": item.id, "modality": item.modality, "shape": list(vector.shape), "vector": numbers})
            else:
                emit(f"{item.id}\t{' '.join(map(str, numbers))}")


def _to_file(encoder: Encoder, batches: Iterable[EncodedBatch], output: Path, overwrite: bool) -> None:
    """Through a store beside the output, so that memory stays bounded and the file appears whole or not at all."""
    import tempfile

    from mmkit.store import Store, content_key

    check_free(output, overwrite=overwrite)
    with tempfile.TemporaryDirectory(prefix=".mmkit-", dir=output.parent) as folder:
        store = Store.create(Path(folder) / "store", encoder.spec, dtype="float32")
        seen: dict[str, int] = {}
        with store.writer() as writer:
            for done in batches:
                if done.embeddings is None or done.modality is None:
                    continue
                ids = [_distinct(_name(item), seen) for item in done.items]
                keys = [
                    content_key(name.encode("utf-8", "surrogateescape"), settings="", fingerprint="") for name in ids
                ]
                writer.add(ids, keys, None, done.embeddings, done.modality)
        for written in store.export(output, overwrite=overwrite):
            emit(str(written))


def _name(item: Item) -> str:
    """The id, or the file's name itself where the id is that name made printable: the store escapes names too."""
    from mmkit.media.source import printable

    path = None if item.path is None else os.fspath(item.path)
    return path if path is not None and printable(path) == item.id else item.id


def _distinct(name: str, seen: dict[str, int]) -> str:
    """The name, with a number behind it from its second appearance on."""
    seen[name] = seen.get(name, 0) + 1
    return name if seen[name] == 1 else f"{name} ({seen[name]})"
