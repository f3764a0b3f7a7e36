"""Steps for recipes: motion.search and motion.caption."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from mmkit.recipes.context import StepContext

__all__ = ["caption", "fingerprint", "search"]


def fingerprint(**_: object) -> str:
    """Of the bundled weights and the text tower beneath them."""
    from mmkit.encoders import encoder

    return encoder("motion").spec.fingerprint


def search(
    context: StepContext,
    *,
    inputs: Sequence[Path],
    queries: Sequence[str],
    k: int,
    moments: bool,
    store: Path,
    film_strips: str,
) -> pa.Table:
    """A row a hit: query, rank, score, source, start, end."""
    import pyarrow as pa

    from mmkit.pipeline.sources import items_from
    from mmkit_motion.encoder import MotionEncoder
    from mmkit_motion.rendering import write_strips
    from mmkit_motion.searching import Library, index_motions

    encoder = MotionEncoder("vector", context.settings)
    items = items_from([str(path) for path in inputs], modality="motion")
    report = index_motions(store, encoder, items, strict=False)
    for failure in report.failures:
        context.fail(failure.id, failure.reason)
    library = Library(store, encoder)
    rows = []
    for number, query in enumerate(queries):
        hits = library.search(str(query), k=k, moments=moments)
        rows += [
            {
                "query": str(query),
                "rank": hit.rank,
                "score": hit.score,
                "source": hit.source,
                "start": hit.start,
                "end": hit.end,
            }
            for hit in hits
        ]
        if film_strips and hits:
            best = hits[0]
            strip = context.artefact(f"{film_strips}/{number + 1:02d}.png")
            write_strips(strip, [(best.source, best.start, best.end, str(query))])
    return pa.Table.from_pylist(rows)


def caption(context: StepContext, *, inputs: Sequence[Path], seconds: float) -> pa.Table:
    """A row a piece: source, start, end, caption."""
    import pyarrow as pa

    from mmkit.errors import MmkitError
    from mmkit.pipeline.sources import items_from
    from mmkit.types import Failure
    from mmkit_motion.captioning import caption_clip
    from mmkit_motion.lamp import Lamp
    from mmkit_motion.reading import read_clip

    lamp = Lamp(chosen=context.settings)
    rows = []
    for item in items_from([str(path) for path in inputs], modality="motion"):
        if isinstance(item, Failure):
            context.fail(item.id, item.reason)
            continue
        try:
            said = list(caption_clip(lamp, read_clip(item), every=seconds))
        except MmkitError as error:
            context.fail(item.id, error)
            continue
        rows += [{"source": item.id, "start": start, "end": end, "caption": text} for start, end, text in said]
    return pa.Table.from_pylist(rows)
