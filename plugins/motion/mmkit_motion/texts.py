"""Texts as the networks take them: the core's text tower, its tokens and its pooled vectors.

N texts, T tokens, W width of the tower.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmkit.config import Settings

if TYPE_CHECKING:
    import torch

__all__ = ["TextInput", "TextReader"]

T = TypeVar("T")

#: Texts looked at together.
_BATCH: Final = 64


@dataclass(frozen=True, slots=True)
class TextInput:
    """A text as the core's text tower sees it: token numbers without the end marks, and its pooled vector (W,)."""

    tokens: tuple[int, ...]
    pooled: NDArray[np.float32]


class TextReader:
    """The text tower of mmkit's ``mini``, loaded when first used; safe to call from threads."""

    def __init__(self, chosen: Settings) -> None:
        self._settings = chosen
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None

    @property
    def device(self) -> torch.device:
        from mmkit.encoders.device import resolve_device

        return resolve_device(self._settings.device)

    def inputs(self, texts: Sequence[str], *, most: int) -> list[TextInput]:
        """Tokens, at most ``most`` of them, and pooled vectors of texts."""
        _, tokenizer = self._tower()
        rows = [[*row[: most + 1], row[-1]] if len(row) > most + 2 else row for row in tokenizer.rows(list(texts))]
        values = [
            vector
            for first in range(0, len(rows), _BATCH)
            for part in self.in_parts(self._pooled, rows[first : first + _BATCH])
            for vector in part
        ]
        return [TextInput(tuple(row[1:-1]), vector) for row, vector in zip(rows, values, strict=True)]

    def in_parts(self, function: Callable[[Sequence[Any]], T], batch: Sequence[Any]) -> list[T]:
        """``function`` of parts of a batch, of texts or motions: on a CPU a part a core, else the whole."""
        from mmkit.encoders.cpu_parallel import map_parts

        return map_parts(function, batch, light=True) if self.device.type == "cpu" else [function(batch)]

    def _pooled(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """(N, W) of token numbers with their end marks."""
        import torch

        from mmkit.encoders.mini.tokenizer import pad_ids

        tower, _ = self._tower()
        ids, mask = (torch.from_numpy(array).to(self.device) for array in pad_ids(rows))
        with torch.inference_mode():
            vectors: NDArray[np.float32] = tower.sentence_vectors(ids, mask).float().cpu().numpy()
        return vectors

    def words(self, inputs: Sequence[TextInput]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Word embeddings (N, T, W), mask (N, T), pooled (N, W)."""
        import torch

        from mmkit.encoders.mini.tokenizer import pad_ids

        ids, mask = pad_ids([text.tokens or (0,) for text in inputs])
        for number, text in enumerate(inputs):
            mask[number, len(text.tokens) :] = False
        pooled = torch.from_numpy(np.stack([text.pooled for text in inputs])).to(self.device)
        return self.embed(torch.from_numpy(ids)), torch.from_numpy(mask).to(self.device), pooled

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Word embeddings (N, T, W) of token numbers (N, T)."""
        tower, _ = self._tower()
        words: torch.Tensor = tower.text_tower.words(ids.to(self.device)).float()
        return words

    def token_states(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """(T, W) unit rows of each text's tokens in the text tower, end marks left out."""
        import torch

        tower, tokenizer = self._tower()
        out = []
        with torch.inference_mode():
            for row in tokenizer.rows(list(texts)):
                ids = torch.tensor([row], device=self.device)
                states = tower.text_tower(ids, torch.ones_like(ids, dtype=torch.bool))[0, 1:-1].float()
                out.append(torch.nn.functional.normalize(states, dim=-1).cpu().numpy())
        return out

    def decode(self, ids: Sequence[int]) -> str:
        """The sentence that token numbers spell."""
        _, tokenizer = self._tower()
        # A hyphen is a token of its own, and the tokenizer sets spaces round it.
        return str(tokenizer._tokenizer.decode(list(ids))).replace(" - ", "-")

    def _tower(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is None:
                from mmkit.encoders.mini import WEIGHTS as MINI
                from mmkit.encoders.mini.encoder import MiniEncoder
                from mmkit.encoders.mini.tokenizer import MiniTokenizer

                self._loaded = MiniEncoder(MINI, self._settings).model, MiniTokenizer(MINI / "tokenizer.json")
            return self._loaded
