"""The hits of a search as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmkit.media.sheet import SheetHit, SheetRow, contact_sheet
from mmkit.pipeline.search import Hit
from mmkit.types import Item

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["draw_hits"]


def draw_hits(queries: Sequence[Item], found: Sequence[Sequence[Hit]]) -> Image.Image:
    """A row a query, with its hits beside it; pictures are drawn, anything else is written out."""
    return contact_sheet(
        [SheetRow(query, [_drawn(hit) for hit in hits]) for query, hits in zip(queries, found, strict=True)]
    )


def _drawn(hit: Hit) -> SheetHit:
    if hit.modality == "image":
        path = Path(hit.source)
        return SheetHit(Item.from_path(path, "image"), hit.score, path.name)
    return SheetHit(Item.from_text(hit.source), hit.score)
