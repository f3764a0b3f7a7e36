"""Separation of sound of any length in overlapping chunks, with memory that does not grow.

Legend: C channels, Q queries, n samples of a piece.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

__all__ = ["separate_blocks"]

Samples = NDArray[np.float32]


def separate_blocks(
    blocks: Iterable[Samples],
    separate: Callable[[Samples], Samples],
    *,
    chunk: int,
    overlap: int,
    workers: int = 1,
    prepare: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Samples, Samples]]:
    """Pieces of the mixture (C, n) and their stems (Q, C, n), in order, that join up to the whole.

    Args:
        blocks: (C, n) pieces of any lengths.
        separate: (C, n) to (Q, C, n).
        chunk, overlap: samples; neighbouring chunks share ``overlap`` of them and are cross-faded there.
        workers: chunks that are separated at a time, each in a thread of its own; ``prepare`` begins each thread.

    Raises:
        ValueError: the overlap is not shorter than half a chunk.
    """
    if not 0 < 2 * overlap < chunk:
        raise ValueError(f"Expected an overlap above 0 and below half a chunk, but received {overlap} of {chunk}")
    rise = ((np.arange(overlap, dtype=np.float32) + 0.5) / overlap).astype(np.float32)
    tail: Samples | None = None
    with ThreadPoolExecutor(workers, thread_name_prefix="separate", initializer=prepare) as pool:
        under_way: deque[tuple[Samples, bool, Future[Samples]]] = deque()
        try:
            chunks = _chunks(blocks, chunk, overlap)
            while True:
                # As many chunks as there are workers are under way; what is done leaves in order.
                for buffer, last in itertools.islice(chunks, workers - len(under_way)):
                    under_way.append((buffer, last, pool.submit(separate, buffer)))
                if not under_way:
                    return
                buffer, last, future = under_way.popleft()
                stems = future.result()
                if tail is not None:
                    stems[..., :overlap] = tail * (1 - rise) + stems[..., :overlap] * rise
                if last:
                    yield buffer, stems
                    continue
                tail = stems[..., chunk - overlap :].copy()
                yield buffer[..., : chunk - overlap], stems[..., : chunk - overlap]
        finally:
            for _, _, future in under_way:
                future.cancel()


def _chunks(blocks: Iterable[Samples], chunk: int, overlap: int) -> Iterator[tuple[Samples, bool]]:
    """Chunks (C, n) that overlap, and whether it is the last."""
    waiting: list[Samples] = []
    held = 0
    for block in blocks:
        waiting.append(block)
        held += block.shape[-1]
        # One overlap more than a chunk is waited for, so that the last chunk is never shorter than its overlap.
        while held >= chunk + overlap:
            buffer = np.concatenate(waiting, axis=-1)
            yield buffer[..., :chunk], False
            waiting, held = [buffer[..., chunk - overlap :].copy()], held - chunk + overlap
    if held:
        yield np.concatenate(waiting, axis=-1), True
