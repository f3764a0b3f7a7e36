"""The core's own steps: embed, index, match, classify. They hold no logic that the Python interface lacks.

Legend: N items, Q queries, K hits a query.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmkit.types import Item

if TYPE_CHECKING:
    import pyarrow as pa

    from mmkit.encoders import Encoder
    from mmkit.recipes.context import StepContext

__all__ = ["classify", "embed", "encoder_fingerprint", "index", "match"]


def encoder_fingerprint(*, encoder: str, **_: object) -> str:
    """The fingerprint of the encoder that a step uses."""
    from mmkit.encoders import encoder as load_encoder

    return load_encoder(encoder).spec.fingerprint


def embed(context: StepContext, *, inputs: Sequence[Path], texts: Sequence[str], encoder: str) -> pa.Table:
    """N rows: id, modality, source and vector of files and texts."""
    import pyarrow as pa

    from mmkit.pipeline.embedding import embed_items
    from mmkit.pipeline.sources import items_from

    loaded = _encoder(context, encoder)
    items: list[Any] = [*items_from([str(path) for path in inputs]), *map(Item.from_text, texts)]
    found = embed_items(loaded, items, chosen=context.settings, failures=context.failures)
    kind = {item.id: item.modality for item in items if isinstance(item, Item)}
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(found.vectors.reshape(-1)), found.dim)
    return pa.table({"id": list(found.ids), "modality": [kind[name] for name in found.ids], "vector": vectors})


def index(context: StepContext, *, inputs: Sequence[Path], encoder: str, store: Path) -> pa.Table:
    """Build a store; one row says where it is and what was done."""
    import pyarrow as pa

    from mmkit.pipeline.index import index_items
    from mmkit.pipeline.sources import items_from
    from mmkit.store import Store

    loaded = _encoder(context, encoder)
    opened = Store.open_or_create(store, loaded.spec)
    done = 0

    def advance(batch: Any) -> None:
        nonlocal done
        done += batch.seen
        context.progress(done)

    items = items_from([str(path) for path in inputs])
    report = index_items(opened, loaded, items, chosen=context.settings, on_progress=advance)
    context.failures.extend(report.failures)
    row = {"store": str(store), "rows": len(opened), "added": report.added, "unchanged": report.unchanged}
    return pa.Table.from_pylist([row])


def match(
    context: StepContext,
    *,
    gallery: pa.Table,
    queries: Sequence[str],
    pictures: Sequence[Path],
    k: int,
    threshold: float | None,
    encoder: str,
    contact_sheet: str,
) -> pa.Table:
    """Q x K rows: query, rank, score, id and source; with ``contact_sheet`` also a picture of the hits."""
    import pyarrow as pa

    from mmkit.pipeline.embedding import embed_items
    from mmkit.pipeline.search import hits_of, search_store
    from mmkit.pipeline.sources import items_from
    from mmkit.store import Store

    store = Store.open(gallery.column("store")[0].as_py())
    items: list[Any] = [*map(Item.from_text, queries), *items_from([str(path) for path in pictures])]
    loaded = _encoder(context, encoder)
    asked = embed_items(loaded, items, chosen=context.settings, failures=context.failures)
    matches = search_store(store, asked, k=k, threshold=threshold)
    found = [hits_of(store, matches, row) for row in range(len(asked))]
    if contact_sheet:
        from mmkit.media import write_image
        from mmkit.pipeline.sheet import draw_hits

        by_id = {item.id: item for item in items if isinstance(item, Item)}
        write_image(draw_hits([by_id[name] for name in asked.ids], found), context.artefact(contact_sheet))
    rows = [
        {"query": query, "rank": hit.rank, "score": hit.score, "id": hit.id, "source": hit.source}
        for query, hits in zip(asked.ids, found, strict=True)
        for hit in hits
    ]
    schema = pa.schema(
        {"query": pa.string(), "rank": pa.int64(), "score": pa.float64(), "id": pa.string(), "source": pa.string()}
    )
    return pa.Table.from_pylist(rows, schema=schema)


def classify(
    context: StepContext, *, inputs: Sequence[Path], labels: Sequence[str], templates: Sequence[str], encoder: str
) -> pa.Table:
    """N rows: id, label and probability of pictures."""
    import pyarrow as pa

    from mmkit.pipeline.classify import build_classifier
    from mmkit.pipeline.embedding import embed_items
    from mmkit.pipeline.sources import items_from

    loaded = _encoder(context, encoder)
    classifier = build_classifier(loaded, labels, templates=templates, chosen=context.settings)
    items = items_from([str(path) for path in inputs], modality="image")
    pictures = embed_items(loaded, items, chosen=context.settings, failures=context.failures)
    shares = classifier.probabilities(pictures)
    best = shares.argmax(axis=1) if len(pictures) else []
    return pa.table(
        {
            "id": pa.array(list(pictures.ids), pa.string()),
            "label": pa.array([classifier.classes[c] for c in best], pa.string()),
            "probability": pa.array([float(row[c]) for row, c in zip(shares, best, strict=True)], pa.float64()),
        }
    )


def _encoder(context: StepContext, name: str) -> Encoder:
    from mmkit.encoders import encoder as load_encoder

    chosen = context.settings
    return load_encoder(name, device=chosen.device, dtype=chosen.dtype, offline=chosen.offline)
