"""Build or extend a store: what is there already is skipped, and what was finished is never done again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mmkit.config import Settings
from mmkit.encoders.base import Encoder
from mmkit.media.inputs import content_of
from mmkit.pipeline.embedding import only_supported
from mmkit.pipeline.stream import Decoded, EncodedBatch, encode_stream
from mmkit.types import Failure, Item

if TYPE_CHECKING:
    from mmkit.store import Store, StoreWriter

__all__ = ["IndexReport", "index_items"]


@dataclass(slots=True)
class IndexReport:
    """What ``index_items`` did.

    Attributes:
        added: rows that are new or replace one whose content changed.
        reused: of those, rows whose vector was there under another name.
        unchanged: items that were there already.
    """

    added: int = 0
    reused: int = 0
    unchanged: int = 0
    failures: list[Failure] = field(default_factory=list)


def index_items(
    store: Store,
    encoder: Encoder,
    items: Iterable[Item | Failure],
    *,
    chosen: Settings | None = None,
    shard_rows: int = 1024,
    strict: bool = False,
    on_progress: Callable[[EncodedBatch], None] | None = None,
) -> IndexReport:
    """Encode the items that a store lacks, and write them as they are ready.

    Files are named by their absolute path, so that the same file added from another folder is the same row.

    Raises:
        SpaceMismatch: the store holds another space.
        StoreError: the store is held by another writer, or the disk refuses.
        BadInput: under ``strict``.
    """
    report = IndexReport()
    with store.writer(shard_rows=shard_rows) as writer:
        stream = encode_stream(
            encoder, _named(encoder, items), chosen=chosen, decode=_decoder(encoder, writer), strict=strict
        )
        for batch in stream:
            _write(writer, encoder, batch, report, strict)
            if on_progress is not None:
                on_progress(batch)
    return report


def _named(encoder: Encoder, items: Iterable[Item | Failure]) -> Iterable[Item | Failure]:
    for item in only_supported(encoder, items):
        if isinstance(item, Failure) or item.path is None:
            yield item
        else:
            yield replace(item, id=os.path.abspath(item.path))


def _decoder(encoder: Encoder, writer: StoreWriter) -> Callable[[Item], Decoded]:
    from mmkit.store import content_key

    fingerprint = encoder.spec.fingerprint or encoder.spec.name

    def decode(item: Item) -> Decoded:
        key = content_key(content_of(item), settings=_decode_settings(item), fingerprint=fingerprint)
        if writer.has(key):
            return Decoded(None, key, known=True)
        return Decoded(encoder.prepare(item), key)

    return decode


def _decode_settings(item: Item) -> str:
    settings: dict[str, object] = {"modality": item.modality}
    if item.rate is not None:
        settings["rate"] = item.rate
    return json.dumps(settings, sort_keys=True)


def _write(writer: StoreWriter, encoder: Encoder, batch: EncodedBatch, report: IndexReport, strict: bool) -> None:
    report.failures += batch.failures
    for item, key in batch.known:
        if writer.has(key, item.id):
            report.unchanged += 1
            continue
        vector = writer.vector_of(key)
        if vector is not None:
            writer.add([item.id], [key], [_source(item)], vector[None], item.modality, [item.metadata])
            report.added += 1
            report.reused += 1
            continue
        # The row that had it was replaced in the meantime, by another file of this very run.
        for fresh in encode_stream(encoder, [item], decode=partial(_again, encoder, key), strict=strict):
            _add(writer, fresh, report)
            report.failures += fresh.failures
    _add(writer, batch, report)


def _again(encoder: Encoder, key: str, item: Item) -> Decoded:
    return Decoded(encoder.prepare(item), key)


def _add(writer: StoreWriter, batch: EncodedBatch, report: IndexReport) -> None:
    if batch.embeddings is None or batch.modality is None:
        return
    added = writer.add(
        [item.id for item in batch.items],
        batch.notes,
        [_source(item) for item in batch.items],
        batch.embeddings,
        batch.modality,
        [item.metadata for item in batch.items],
    )
    report.added += added
    # The same file given twice in one run is encoded twice where both were read ahead, and stored once.
    report.unchanged += len(batch.items) - added


def _source(item: Item) -> str | Path:
    if item.path is not None:
        return os.path.abspath(item.path)
    return item.text if item.text is not None else item.id
