"""``mmkit match``: nearest neighbours for texts, pictures or another store."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmkit.cli.options import (
    DeviceOption,
    DtypeOption,
    EncoderOption,
    FailuresOption,
    JsonOption,
    ModalityOption,
    OfflineOption,
    OverwriteOption,
    StrictOption,
    chosen_settings,
    modality_named,
    new_app,
)
from mmkit.cli.output import emit, emit_json, finish, note, shown_path
from mmkit.errors import SpaceMismatch, UsageError

if TYPE_CHECKING:
    from mmkit.config import Settings
    from mmkit.encoders import Encoder
    from mmkit.pipeline.search import Hit
    from mmkit.store import Store
    from mmkit.types import Embeddings, Failure, Item

app = new_app("Find what is nearest to a text, a picture or another store.")


@app.command()
def match(
    queries: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUERIES...", help="Texts, files, a store, or '-' for lines on stdin."),
    ] = None,
    gallery: Annotated[
        str, typer.Option("--in", metavar="STORE", help="A store, or a folder or file to embed now.")
    ] = "",
    queries_file: Annotated[
        Path | None, typer.Option("--queries", metavar="FILE", help="Queries, one text or path a line.")
    ] = None,
    k: Annotated[int, typer.Option("-k", "--top", min=1, help="Hits a query.")] = 10,
    threshold: Annotated[float | None, typer.Option("--threshold", help="Leave out hits that score below.")] = None,
    one_to_one: Annotated[
        bool, typer.Option("--one-to-one", help="Use every query and every row at most once.")
    ] = False,
    scorer: Annotated[str, typer.Option("--scorer", metavar="NAME", help="cosine, dot, maxsim, …")] = "cosine",
    index: Annotated[
        str, typer.Option("--index", metavar="KIND", help="exact, or faiss:FACTORY such as faiss:IVF256,Flat.")
    ] = "exact",
    contact_sheet: Annotated[
        Path | None, typer.Option("--contact-sheet", metavar="PNG", help="Draw the hits as a picture.")
    ] = None,
    overwrite: OverwriteOption = False,
    encoder: EncoderOption = None,
    modality: ModalityOption = None,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """Find what is nearest to a text, a picture or another store.

    A query that names a file is that file, one that names a store is all of its rows, and any
    other is a text; --modality settles it where both could be meant.

    \b
    Examples:
      mmkit match "a cup of coffee" --in photos.mm
      mmkit match cup.jpg --in photos.mm -k 5 --contact-sheet hits.png
      mmkit match --queries questions.txt --in photos.mm --json
      mmkit match left.mm --in right.mm --one-to-one --threshold 0.8
      mmkit match "a dog" --in ~/Pictures
    """
    from mmkit.pipeline.search import hits_of, search_one_to_one, search_store
    from mmkit.types import Item

    if not gallery:
        raise UsageError("match needs a gallery", where="--in", mend="give a store or a folder: --in photos.mm")
    if contact_sheet is not None and contact_sheet.exists() and not overwrite:
        raise UsageError("is there already", where=str(contact_sheet), mend="give --overwrite to replace it")
    if threshold is not None and math.isnan(threshold):
        raise UsageError("Expected a number, but received nan", where="--threshold")
    chosen = chosen_settings(encoder=encoder, device=device, dtype=dtype, offline=offline)
    failed: list[Failure] = []
    store = _gallery(gallery, chosen, encoder, failed, strict)
    names, embeddings, items = _queries(
        queries or [], queries_file, modality, store, chosen, None if strict else failed
    )
    if one_to_one:
        matches = search_one_to_one(store, embeddings, threshold=threshold)
    else:
        on = chosen.device if chosen.device not in ("auto", "mps") else "cpu"
        most = min(k, max(1, len(store)))
        matches = search_store(store, embeddings, k=most, scorer=scorer, threshold=threshold, index=index, device=on)
    found = [hits_of(store, matches, row) for row in range(len(names))]
    _print(names, found, json)
    if contact_sheet is not None:
        from mmkit.media import write_image
        from mmkit.pipeline.sheet import draw_hits

        shown = items or [Item.from_text(shown_path(name)) for name in names]
        write_image(draw_hits(shown, found), contact_sheet)
    return finish(failed, failures or Path(os.curdir) / "failures.jsonl")


def _print(names: Sequence[str], found: Sequence[Sequence[Hit]], json: bool) -> None:
    for name, hits in zip(names, found, strict=True):
        if json:
            emit_json({"query": name, "hits": [asdict(hit) for hit in hits]})
            continue
        if len(names) > 1:
            emit(f"{shown_path(name)}:")
        for hit in hits:
            emit(f"{hit.score:.4f}  {shown_path(hit.id)}")


def _gallery(name: str, chosen: Settings, encoder: str | None, failures: list[Failure], strict: bool) -> Store:
    """The store of that name, or a store in a temporary folder of what lies there."""
    from mmkit.store import Store

    if (Path(name) / "manifest.json").exists():
        store = Store.open(name)
        if encoder is not None and encoder != store.spec_fields.encoder:
            from mmkit.encoders.registry import encoder_entry

            encoder_entry(encoder)
            raise SpaceMismatch(
                f"the store was made with {store.spec_fields.encoder}, and --encoder says {encoder}", where=name
            )
        return store
    if not Path(name).exists():
        raise UsageError("there is no such store, folder or file", where=name, mend="see: mmkit index add --help")
    return _embedded(name, chosen, failures, strict)


def _embedded(name: str, chosen: Settings, failures: list[Failure], strict: bool) -> Store:
    import atexit
    import shutil
    import tempfile

    from mmkit.cli.progress import Progress
    from mmkit.encoders import encoder as load_encoder
    from mmkit.pipeline.index import index_items
    from mmkit.pipeline.sources import items_from
    from mmkit.store import Store

    folder = tempfile.mkdtemp(prefix="mmkit-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    loaded = load_encoder(chosen.encoder, device=chosen.device, dtype=chosen.dtype, offline=chosen.offline)
    store = Store.create(Path(folder) / "store", loaded.spec, dtype="float32")
    with Progress(f"embedding {name}", inputs=[name]) as progress:
        report = index_items(
            store,
            loaded,
            items_from([name]),
            chosen=chosen,
            strict=strict,
            on_progress=lambda done: progress.advance(done.seen),
        )
    failures += report.failures
    return store


def _queries(
    arguments: Sequence[str],
    file: Path | None,
    modality: str | None,
    store: Store,
    chosen: Settings,
    failures: list[Failure] | None,
) -> tuple[list[str], Embeddings, list[Item]]:
    """Names, vectors and items of the queries that can be read."""
    from mmkit.pipeline.embedding import embed_items, only_supported
    from mmkit.store import Store as StoreClass
    from mmkit.types import Item

    lines = _lines(arguments, file)
    if not lines:
        raise UsageError("match needs a query", mend='for example: mmkit match "a cup of coffee" --in STORE')
    if len(lines) == 1 and modality is None and _is_file(Path(lines[0]) / "manifest.json"):
        vectors = StoreClass.open(lines[0]).vectors()
        return list(vectors.ids), vectors, []
    items = [_item(line, modality) for line in lines]
    encoder = _encoder_for(store, chosen)
    embeddings = embed_items(encoder, only_supported(encoder, items), chosen=chosen, failures=failures)
    kept = list(embeddings.ids)
    by_id = {item.id: item for item in items if isinstance(item, Item)}
    return kept, embeddings, [by_id[name] for name in kept]


def _lines(arguments: Sequence[str], file: Path | None) -> list[str]:
    from mmkit.cli.inputs import stdin_lines

    lines: list[str] = []
    for argument in arguments:
        lines += stdin_lines() if argument == "-" else [argument]
    if file is not None:
        from mmkit.media.text import read_lines

        lines += read_lines(file)
    return [line for line in lines if line.strip()]


def _item(line: str, modality: str | None) -> Item | Failure:
    from mmkit.cli.inputs import text_item
    from mmkit.media.detect import detect_modality, suffix_modality
    from mmkit.media.source import printable
    from mmkit.types import Item

    kind = modality_named(modality)
    path = Path(line)
    if kind == "text" or (kind is None and not _is_file(path)):
        if kind is None and " " not in line and suffix_modality(line) is not None:
            note(f"no file is called {printable(line)}, so it is taken for a text")
        return text_item(line)
    found = kind or detect_modality(path)
    if found is None:
        raise UsageError("cannot tell what kind of file this is", where=printable(line), mend="give --modality")
    return Item.from_path(path, found, id=printable(line))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        # A sentence may be longer than any file name, or hold what no name may.
        return False


def _encoder_for(store: Store, chosen: Settings) -> Encoder:
    from mmkit.encoders import encoder as load_encoder

    fields = store.spec_fields
    loaded = load_encoder(fields.encoder, device=chosen.device, dtype=chosen.dtype, offline=chosen.offline)
    if fields.fingerprint and loaded.spec.fingerprint and fields.fingerprint != loaded.spec.fingerprint:
        raise SpaceMismatch(
            f"the store was made with {fields.encoder} {fields.fingerprint[:12]}, and the one installed is "
            f"{loaded.spec.fingerprint[:12]} (other weights or preprocessing)",
            where=str(store.path),
            mend="build it again: mmkit index add --overwrite",
        )
    return loaded
