"""Rendered words: processes draw masks, and a pool on the device keeps them for reuse under other colours and bends.

Legend: N words.
"""

from __future__ import annotations

import multiprocessing
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmkit_ocr.recogniser.charset import to_numbers
from mmkit_ocr.recogniser.tower import TextTower, pooled_states
from mmkit_ocr.rendering.fonts import load_fonts
from mmkit_ocr.rendering.masks import HEIGHT, WIDTH, WordMasks
from mmkit_ocr.rendering.words import Words
from mmkit_ocr.training.spelling import near_word

__all__ = ["MaskPool"]


class MaskPool:
    """Masks of rendered words with their texts, growing while training runs, up to its capacity.

    Attributes:
        masks: (capacity, 64, 256) uint8 on the device.
        numbers: (capacity, 26).
        states: (capacity, W) pooled states of the folded words.
        near_numbers, near_states: the same of one word each that is nearly the same.
    """

    def __init__(
        self,
        lists: Sequence[Sequence[str]],
        fonts: Sequence[Path] | None,
        tower: TextTower,
        *,
        capacity: int,
        processes: int,
        device: torch.device,
        seed: int = 0,
    ) -> None:
        self.size = 0
        self._written = 0
        self._capacity, self._device, self._tower = capacity, device, tower
        self._rng = np.random.default_rng(seed)
        self.masks = torch.zeros(capacity, HEIGHT, WIDTH, dtype=torch.uint8, device=device)
        self.numbers = torch.zeros(capacity, 26, dtype=torch.long, device=device)
        self.states = torch.zeros(capacity, tower.width, dtype=torch.bfloat16, device=device)
        self.near_numbers, self.near_states = self.numbers.clone(), self.states.clone()
        self._lists, self._fonts, self._seed = [list(words) for words in lists], fonts, seed
        chunk = max(1, min(512, capacity // 8))
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._queue: Any = context.Queue(maxsize=4 * max(1, processes))
        self._processes = [
            context.Process(
                target=_draw,
                args=(self._lists, fonts, 1000 * seed + number + 1, chunk, self._queue, self._stop),
                daemon=True,
            )
            for number in range(processes)
        ]
        for process in self._processes:
            process.start()
        self._thread = threading.Thread(target=self._ingest, daemon=True)
        self._thread.start()

    def draw(self, count: int) -> None:
        """Draw ``count`` words in this process: for training without worker processes, and for validation."""
        maker = WordMasks(Words(*self._lists), load_fonts(self._fonts), self._seed)
        self._store(*maker.draw(count))

    def rows(self, count: int, generator: torch.Generator) -> Tensor:
        """(N,) rows drawn with replacement from what is there."""
        return torch.randint(self.size, (count,), generator=generator, device=self._device)

    def wait(self, count: int, *, seconds: float) -> None:
        """Until ``count`` masks are there, or the time is over."""
        pause = threading.Event()
        for _ in range(int(seconds * 10)):
            if self.size >= min(count, self._capacity):
                return
            pause.wait(0.1)

    def close(self) -> None:
        """End the workers."""
        self._stop.set()
        for process in self._processes:
            process.terminate()
            process.join(5)
        self._thread.join(5)

    def _ingest(self) -> None:
        while not self._stop.is_set() and self._processes:
            if self._written >= self._capacity:
                # Enough: drawing on would take the processor from the training itself.
                self._stop.set()
                return
            try:
                masks, texts = self._queue.get(timeout=0.5)
            except queue.Empty:
                continue
            except (EOFError, OSError):
                return
            self._store(masks, texts)

    def _store(self, masks: np.ndarray, texts: list[str]) -> None:
        folded = [text.lower() for text in texts]
        near = [near_word(word, self._rng) or "a" for word in folded]
        count = len(texts)
        rows = (torch.arange(count) + self._written) % self._capacity
        rows = rows.to(self._device)
        states = pooled_states(self._tower, folded + near).to(torch.bfloat16)
        self.masks[rows] = torch.from_numpy(masks).to(self._device)
        self.numbers[rows] = torch.from_numpy(to_numbers(texts)).to(self._device)
        self.near_numbers[rows] = torch.from_numpy(to_numbers(near)).to(self._device)
        self.states[rows], self.near_states[rows] = states[:count], states[count:]
        self._written += count
        self.size = min(self._capacity, self._written)


def _draw(lists: list[list[str]], fonts: Sequence[Path] | None, seed: int, chunk: int, out: Any, stop: Any) -> None:
    maker = WordMasks(Words(*lists), load_fonts(fonts), seed)
    put: Callable[..., None] = out.put
    while not stop.is_set():
        masks, texts = maker.draw(chunk)
        put((masks, texts))
