"""Items in, batches of vectors out: decoding, encoding and the caller's writing overlap.

Decoding runs in a pool of threads ahead of the encoder, the encoder in a thread of its own, and the
caller consumes one batch while the next is encoded. Order is kept throughout.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mmkit.config import Settings, settings
from mmkit.encoders.base import Encoder
from mmkit.errors import BadInput, MmkitError
from mmkit.pipeline.sizes import BatchSizer, encode_within_memory
from mmkit.types import Embeddings, Failure, Item, Modality

__all__ = ["Decoded", "EncodedBatch", "encode_stream", "joined"]

_MOST_PASSED_BY: Final = 1024


@dataclass(frozen=True, slots=True)
class Decoded:
    """One item after decoding.

    Attributes:
        prepared: what the encoder takes; ignored where ``known`` holds.
        note: whatever ``decode`` wants to find again beside the vector.
        known: True where the item needs no encoding (its vector exists already).
    """

    prepared: Any
    note: Any = None
    known: bool = False


@dataclass(slots=True)
class EncodedBatch:
    """What became of a run of consecutive items.

    Attributes:
        items: the N items encoded; ``notes`` stand beside them.
        embeddings: N rows; None where N is 0.
        known: items that needed no encoding, with their notes.
        failures: items that could not be read.
    """

    modality: Modality | None = None
    items: list[Item] = field(default_factory=list)
    notes: list[Any] = field(default_factory=list)
    embeddings: Embeddings | None = None
    known: list[tuple[Item, Any]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    prepared: list[Any] = field(default_factory=list)

    @property
    def seen(self) -> int:
        """How many items of the input this batch accounts for."""
        return len(self.items) + len(self.known) + len(self.failures)


def encode_stream(
    encoder: Encoder,
    items: Iterable[Item | Failure],
    *,
    chosen: Settings | None = None,
    decode: Callable[[Item], Decoded] | None = None,
    strict: bool = False,
) -> Iterator[EncodedBatch]:
    """Encode a stream of items in order.

    Args:
        items: items, and failures that were met while finding them.
        chosen: batch size and number of decoding threads.
        decode: replaces ``encoder.prepare``; may declare an item known.
        strict: raise at the first failure instead of recording it.

    Raises:
        BadInput: under ``strict``.
    """
    chosen = chosen or settings()
    sizer = BatchSizer(encoder, chosen)
    workers = chosen.workers or max(2, (os.cpu_count() or 2) - 1)
    decode = decode or (lambda item: Decoded(encoder.prepare(item)))
    decoders = ThreadPoolExecutor(workers, "mmkit-decode")
    device = ThreadPoolExecutor(1, "mmkit-encode")
    in_flight: deque[Future[EncodedBatch]] = deque()
    try:
        window = workers + 2 * min(1024, max(1, int(sizer.limit)))
        for batch in _batched(_decoded(items, decode, decoders, window, strict), sizer):
            in_flight.append(device.submit(_encode, encoder, batch, sizer, strict))
            # Two in flight keep the device busy while the caller writes a third.
            while len(in_flight) > 2:
                yield in_flight.popleft().result()
        while in_flight:
            yield in_flight.popleft().result()
    finally:
        for pool in (decoders, device):
            pool.shutdown(wait=True, cancel_futures=True)


def _decoded(
    items: Iterable[Item | Failure],
    decode: Callable[[Item], Decoded],
    pool: ThreadPoolExecutor,
    window: int,
    strict: bool,
) -> Iterator[tuple[Item, Decoded] | Failure]:
    pending: deque[tuple[Item, Future[Decoded]] | Failure] = deque()
    for item in items:
        pending.append(item if isinstance(item, Failure) else (item, pool.submit(decode, item)))
        if len(pending) >= window:
            yield _settle(pending.popleft(), strict)
    while pending:
        yield _settle(pending.popleft(), strict)


def _settle(entry: tuple[Item, Future[Decoded]] | Failure, strict: bool) -> tuple[Item, Decoded] | Failure:
    if isinstance(entry, Failure):
        if strict:
            raise BadInput(entry.reason, where=entry.id)
        return entry
    item, future = entry
    try:
        return item, future.result()
    except BadInput as error:
        return _failure(item, error, strict)
    except OSError as error:
        return _failure(item, BadInput(error.strerror or str(error), where=item.id), strict)


def _failure(item: Item, error: MmkitError, strict: bool) -> Failure:
    if strict:
        raise error
    reason = " ".join((f"{error.what}; {error.mend}" if error.mend else error.what).split())
    return Failure(item.id, reason)


def _batched(entries: Iterable[tuple[Item, Decoded] | Failure], sizer: BatchSizer) -> Iterator[EncodedBatch]:
    batch = EncodedBatch()
    largest = 0.0
    for entry in entries:
        if isinstance(entry, Failure):
            batch.failures.append(entry)
        elif entry[1].known:
            batch.known.append((entry[0], entry[1].note))
        if isinstance(entry, Failure) or entry[1].known:
            # A long run of items that need no encoding is handed on, so that progress moves.
            if len(batch.known) + len(batch.failures) >= _MOST_PASSED_BY:
                yield batch
                batch, largest = EncodedBatch(), 0.0
            continue
        item, decoded = entry
        cost = sizer.cost(decoded.prepared, item.modality)
        full = not sizer.fits(len(batch.items) + 1, max(largest, cost))
        if batch.items and (full or batch.modality != item.modality):
            yield batch
            batch, largest = EncodedBatch(), 0.0
        batch.modality = item.modality
        batch.items.append(item)
        batch.notes.append(decoded.note)
        batch.prepared.append(decoded.prepared)
        largest = max(largest, cost)
    if batch.seen:
        yield batch


def _encode(encoder: Encoder, batch: EncodedBatch, sizer: BatchSizer, strict: bool) -> EncodedBatch:
    modality = batch.modality
    if modality is None:
        return batch
    try:
        batch.embeddings = _within_memory(encoder, batch, slice(None), modality, sizer)
    except BadInput:
        _encode_singly(encoder, batch, modality, sizer, strict)
    batch.prepared = []
    return batch


def _encode_singly(encoder: Encoder, batch: EncodedBatch, modality: Modality, sizer: BatchSizer, strict: bool) -> None:
    """One item spoilt its batch: encode each alone, so that only that one is lost."""
    parts: list[Embeddings] = []
    kept: list[int] = []
    for position, item in enumerate(batch.items):
        try:
            parts.append(_within_memory(encoder, batch, slice(position, position + 1), modality, sizer))
            kept.append(position)
        except BadInput as error:
            batch.failures.append(_failure(item, error, strict))
    batch.items = [batch.items[position] for position in kept]
    batch.notes = [batch.notes[position] for position in kept]
    batch.embeddings = joined(parts) if parts else None


def _within_memory(
    encoder: Encoder, batch: EncodedBatch, part: slice, modality: Modality, sizer: BatchSizer
) -> Embeddings:
    return joined(
        encode_within_memory(
            lambda prepared: encoder.encode(prepared, modality),
            batch.prepared[part],
            [item.id for item in batch.items[part]],
            shrink=lambda too_many: sizer.shrink(too_many, modality),
        )
    )


def joined(parts: Sequence[Embeddings]) -> Embeddings:
    """One ``Embeddings`` of several, in order; multivectors are padded to the longest."""
    if len(parts) == 1:
        return parts[0]
    import numpy as np

    width = max(part.vectors.shape[1] for part in parts)
    vectors = [_to_width(part.vectors, width) for part in parts]
    masks = [_to_width(part.mask, width) for part in parts if part.mask is not None]
    return replace(parts[0], vectors=np.concatenate(vectors), mask=np.concatenate(masks) if masks else None)


def _to_width(array: Any, width: int) -> Any:
    """Pad the token axis of (N, T, ...) to ``width``; (N, D) rows are that wide already."""
    import numpy as np

    missing = width - array.shape[1]
    return np.pad(array, [(0, 0), (0, missing), *[(0, 0)] * (array.ndim - 2)]) if missing else array
