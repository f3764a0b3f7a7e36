"""The frozen text tower whose token states stand in for pictures in stage 1.

Legend: N words, T tokens, W width of the tower.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["PROMPT", "MiniTower", "TextTower", "pooled_states"]

#: DPTR's prompt.
PROMPT: Final = "a photo of a '{}'"


class TextTower(Protocol):
    """Words to the states of their prompts.

    Attributes:
        width: W.
    """

    width: int

    def states(self, words: Sequence[str]) -> tuple[Tensor, Tensor]:
        """(N, 1 + T, W) states, the pooled one first, and their (N, 1 + T) mask."""


class MiniTower:
    """The text tower of mmkit's default encoder, all-MiniLM-L6-v2: uncased, so what it says of "W" it says of "w".

    Args:
        folder: a folder of weights of the encoder ``mini``.
    """

    width = 384

    def __init__(self, folder: Path, *, device: torch.device | str = "cpu") -> None:
        from mmkit.encoders.mini.bert import BertEncoder
        from mmkit.encoders.mini.tokenizer import MiniTokenizer
        from safetensors.torch import load_file

        state = load_file(folder / "text.safetensors") | load_file(folder / "words.safetensors")
        self._device = torch.device(device)
        self._tower = BertEncoder()
        self._tower.load_state_dict({name.removeprefix("text_tower."): value for name, value in state.items()})
        dtype = torch.bfloat16 if self._device.type == "cuda" else torch.float32
        self._tower = self._tower.to(self._device, dtype).eval().requires_grad_(False)
        self._tokenizer = MiniTokenizer(folder / "tokenizer.json", max_tokens=48)

    def states(self, words: Sequence[str]) -> tuple[Tensor, Tensor]:
        ids, mask = (torch.from_numpy(array).to(self._device) for array in self._tokenizer(_prompts(words)))
        with torch.no_grad():
            states = self._tower(ids, mask).float()
        pooled = (states * mask[..., None]).sum(1, keepdim=True) / mask.sum(1)[:, None, None]
        both = torch.cat([pooled, states], 1)
        return F.layer_norm(both, both.shape[-1:]), torch.cat([mask[:, :1], mask], 1)


def pooled_states(tower: TextTower, words: Sequence[str], *, batch: int = 2048) -> Tensor:
    """(N, W): the pooled state of each word's prompt."""
    parts = [tower.states(words[first : first + batch])[0][:, 0] for first in range(0, len(words), batch)]
    return torch.cat(parts) if parts else torch.zeros(0, tower.width)


def _prompts(words: Sequence[str]) -> list[str]:
    return [PROMPT.format(word) for word in words]
