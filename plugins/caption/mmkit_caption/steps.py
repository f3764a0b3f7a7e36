"""Steps for recipes: caption.image and caption.find."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from mmkit.recipes.context import StepContext

__all__ = ["find", "fingerprint", "image"]


def fingerprint(*, model: str, **_: object) -> str:
    """Of the captioner's files and of the encoder whose vectors it reads."""
    from mmkit.encoders import encoder
    from mmkit.models import fingerprint as fingerprint_of
    from mmkit_caption.weights import locate, read_config

    folder = locate(model)
    name = str(read_config(folder)["encoder"])
    return fingerprint_of(encoder(name).spec.fingerprint, folder / "model.safetensors", folder / "config.json")


def image(
    context: StepContext,
    *,
    inputs: Sequence[Path],
    language: str,
    n: int,
    beam: int,
    model: str,
    contact_sheet: str,
) -> pa.Table:
    """A row a caption, best first: source (the picture), language, rank (from 1), text, score."""
    import pyarrow as pa

    from mmkit.encoders import encoder as load_encoder
    from mmkit.pipeline.sources import items_from
    from mmkit_caption.describe import Described, describe
    from mmkit_caption.weights import BUNDLED
    from mmkit_caption.writer import CaptionWriter

    writer = CaptionWriter(model if model in BUNDLED else context.root / model, device=context.device)
    encoder = load_encoder(str(writer.config["encoder"]), device=context.device, offline=context.settings.offline)
    items = items_from([str(path) for path in inputs], modality="image")
    rows: list[dict[str, object]] = []
    every: list[Described] = []
    done = 0
    for described, failures in describe(
        writer, encoder, items, language=language, n=n, beam=beam or None, chosen=context.settings
    ):
        context.failures.extend(failures)
        every += described if contact_sheet else []
        for one in described:
            rows += [
                {
                    "source": one.item.id,
                    "language": language,
                    "rank": rank,
                    "text": caption.text,
                    "score": caption.score,
                }
                for rank, caption in enumerate(one.captions, start=1)
            ]
        done += len(described) + len(failures)
        context.progress(done, len(inputs))
    if contact_sheet:
        from mmkit.media import write_image
        from mmkit_caption.sheet import caption_sheet

        write_image(caption_sheet(every), context.artefact(contact_sheet))
    kinds = [("source", pa.string()), ("language", pa.string()), ("rank", pa.int32())]
    schema = pa.schema([*kinds, ("text", pa.string()), ("score", pa.float32())])
    return pa.Table.from_pylist(rows, schema=schema)


def find(context: StepContext, *, table: pa.Table, column: str, queries: Sequence[str], k: int) -> pa.Table:
    """The table's rows that answer each query best: query, hit (from 1), similarity, and the row itself.

    Raises:
        UsageError: the table has no such column.
    """
    import pyarrow as pa

    from mmkit.errors import UsageError
    from mmkit_caption.finding import find_texts

    if column not in table.column_names:
        raise UsageError(
            f"Expected one of {', '.join(table.column_names)}, but received {column!r}", where=context.step
        )
    texts = ["" if text is None else str(text) for text in table.column(column).to_pylist()]
    found = find_texts(texts, [str(query) for query in queries], k=k)
    hits = [
        (str(query), rank, score, place)
        for query, best in zip(queries, found, strict=True)
        for rank, (place, score) in enumerate(best, start=1)
    ]
    rows = table.take(pa.array([place for *_, place in hits], pa.int64()))
    told = {
        "query": pa.array([query for query, *_ in hits], pa.string()),
        "hit": pa.array([rank for _, rank, *_ in hits], pa.int32()),
        "similarity": pa.array([score for *_, score, _ in hits], pa.float32()),
    }
    kept = {name: rows.column(name) for name in rows.column_names if name not in told}
    return pa.table({**told, **kept})
