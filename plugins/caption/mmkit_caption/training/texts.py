"""The corpus as ids, in batches of texts of like length.

S sentences, N of a batch, T pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["TextTable", "batches_of"]


@dataclass(frozen=True, slots=True, eq=False)
class TextTable:
    """Every text as a row.

    Attributes:
        ids: (S, T) int32: pieces, the end mark, then padding.
        lengths: (S,) pieces of each, the end mark included; longer ones than T are cut.
        languages: (S,) number of each text's language.
    """

    ids: Tensor
    lengths: Tensor
    languages: Tensor

    @classmethod
    def build(
        cls, texts: Sequence[str], languages: Sequence[int], vocabulary: Any, *, max_length: int, device: torch.device
    ) -> TextTable:
        """Encode all texts once."""
        table = np.full((len(texts), max_length), vocabulary.pad, np.int32)
        lengths = np.zeros(len(texts), np.int64)
        for row, ids in enumerate(vocabulary.encode_batch(list(texts))):
            kept = [*ids[: max_length - 1], vocabulary.eos]
            table[row, : len(kept)] = kept
            lengths[row] = len(kept)
        return cls(
            torch.from_numpy(table).to(device),
            torch.from_numpy(lengths),
            torch.tensor(list(languages), dtype=torch.long, device=device),
        )

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Ids (N, T) of the given rows, no wider than the longest of them, and their languages (N,)."""
        width = int(self.lengths[rows.cpu()].max())
        rows = rows.to(self.ids.device)
        return self.ids[rows, :width].long(), self.languages[rows]


def batches_of(lengths: Tensor, rows: Tensor, weights: Tensor, size: int, *, seed: int) -> Iterator[Tensor]:
    """Endless batches (N,) of ``rows``, each drawn with its weight, texts of like length together.

    Args:
        lengths: (S,) of all texts.
        rows: those to draw from.
        weights: (S,) above 0.
    """
    chance = np.random.default_rng(seed)
    pool, every = rows.numpy(), lengths.numpy()
    share = weights.numpy()[pool].astype(np.float64)
    share /= share.sum()
    even = bool(np.allclose(share, share[0]))
    while True:
        drawn = chance.permutation(pool) if even else chance.choice(pool, len(pool), p=share)
        for first in range(0, len(drawn), 64 * size):
            chunk = drawn[first : first + 64 * size]
            chunk = chunk[np.argsort(every[chunk] + chance.random(len(chunk)), kind="stable")]
            parts = [chunk[start : start + size] for start in range(0, len(chunk), size)]
            for number in chance.permutation(len(parts)):
                yield torch.from_numpy(parts[number])
