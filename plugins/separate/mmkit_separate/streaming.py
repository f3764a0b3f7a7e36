"""Separation of sound of any length in overlapping chunks, with memory that does not grow.

Legend: C channels, Q queries, n samples of a piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

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
) -> Iterator[tuple[Samples, Samples]]:
    """Pieces of the mixture (C, n) and their stems (Q, C, n), in order, that join up to the whole.

    Args:
        blocks: (C, n) pieces of any lengths.
        separate: (C, n) to (Q, C, n).
        chunk, overlap: samples; neighbouring chunks share ``overlap`` of them and are cross-faded there.

    Raises:
        ValueError: the overlap is not shorter than half a chunk.
    """
    if not 0 < 2 * overlap < chunk:
        raise ValueError(f"Expected an overlap above 0 and below half a chunk, but received {overlap} of {chunk}")
    rise = ((np.arange(overlap, dtype=np.float32) + 0.5) / overlap).astype(np.float32)
    waiting: list[Samples] = []
    held = 0
    tail: Samples | None = None

    def joined(stems: Samples) -> Samples:
        if tail is not None:
            stems[..., :overlap] = tail * (1 - rise) + stems[..., :overlap] * rise
        return stems

    for block in blocks:
        waiting.append(block)
        held += block.shape[-1]
        # One overlap more than a chunk is waited for, so that the last chunk is never shorter than its overlap.
        while held >= chunk + overlap:
            buffer = np.concatenate(waiting, axis=-1)
            stems = joined(separate(buffer[..., :chunk]))
            yield buffer[..., : chunk - overlap], stems[..., : chunk - overlap]
            tail = stems[..., chunk - overlap :].copy()
            waiting, held = [buffer[..., chunk - overlap :].copy()], held - chunk + overlap
    if held:
        buffer = np.concatenate(waiting, axis=-1)
        yield buffer, joined(separate(buffer))
