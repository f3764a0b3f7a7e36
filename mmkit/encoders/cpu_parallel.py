"""Encoding on a CPU: a thread a core, each with its own part of the batch.

An operator that is spread over the cores ends when the slowest of them ends, a few hundred times a batch, and the
others spin meanwhile. Decoding runs on the same cores, so one of them is always slow. A part of the batch on a
thread of its own meets the others only at the end of the batch. The threads of torch also go on spinning for a while
after an operator, and numpy's products have threads of their own: a search that takes turns between a short text in
torch and a product in numpy loses more to the two of them on the same cores than a second core gains.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Any, Final, TypeVar

__all__ = ["map_parts"]

T = TypeVar("T")

_lock: Final = threading.Lock()
_pools: Final[dict[tuple[int, int], ThreadPoolExecutor]] = {}


def map_parts(function: Callable[[Sequence[Any]], T], batch: Sequence[Any], *, light: bool = False) -> list[T]:
    """Apply ``function`` to consecutive parts of a batch, each on a thread of its own with one torch thread.

    There are as many parts as torch has threads (``torch.set_num_threads``, ``OMP_NUM_THREADS``). A batch of fewer
    items stays whole, as the operators' own threads then serve better, unless its items are ``light``.

    Args:
        function: thread-safe; torch's modes, such as ``inference_mode``, must be entered inside it.
        light: one item is too little to share among threads, such as a short text: even a single one goes to a thread
            of its own.

    Returns:
        One result a part, in order.

    Raises:
        Exception: the first part's that failed, once all have ended.
    """
    import torch

    threads = torch.get_num_threads()
    parts = min(threads, len(batch)) if light else threads
    if threads == 1 or not 0 < parts <= len(batch):
        return [function(batch)]
    bounds = [len(batch) * part // parts for part in range(parts + 1)]
    pool = _pool(threads)
    futures = [pool.submit(function, batch[start:end]) for start, end in pairwise(bounds)]
    wait(futures)
    return [future.result() for future in futures]


def _pool(threads: int) -> ThreadPoolExecutor:
    """Kept for the life of the process; a forked child makes its own, since threads do not survive a fork."""
    import torch

    with _lock:
        key = (os.getpid(), threads)
        if key not in _pools:
            _pools[key] = ThreadPoolExecutor(threads, "mmkit-cpu", initializer=_use_one_thread)
            # All threads must have started before the count is set back: it holds for threads yet to come as well.
            together = threading.Barrier(threads)
            wait([_pools[key].submit(together.wait) for _ in range(threads)])
            torch.set_num_threads(threads)
        return _pools[key]


def _use_one_thread() -> None:
    import torch

    # Torch sets a thread's count when it first asks for it, and would overwrite ours with the process's.
    torch.get_num_threads()
    torch.set_num_threads(1)
