"""The frozen text tower whose token states stand in for pictures in stage 1.

Legend: N words, T tokens, W width of the tower.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from mmkit.encoders.openclip import OpenClipEncoder

__all__ = ["PROMPT", "MiniTower", "OpenClipTower", "TextTower", "pooled_states"]

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
        from safetensors.torch import load_file

        from mmkit.encoders.mini.bert import BertEncoder
        from mmkit.encoders.mini.tokenizer import MiniTokenizer

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


class OpenClipTower:
    """The text tower of an open_clip model: the projected vector first, then its final token states, as DPTR has it.

    Args:
        encoder: as ``mmkit.encoder("openclip:…")`` gives it; a tower of CLIP's own design.

    Raises:
        UsageError: the tower has no final norm to read token states behind, or projects to another width.
    """

    def __init__(self, encoder: OpenClipEncoder) -> None:
        from mmkit.errors import UsageError

        model = encoder._model
        text = getattr(model, "text", model)
        if not hasattr(text, "ln_final") or encoder.spec.dim != text.ln_final.normalized_shape[0]:
            raise UsageError(
                f"{encoder.spec.name} has no text tower of CLIP's design whose states are as wide as its vectors",
                where="--text-tower",
                mend="take a model such as openclip:ViT-B-16/openai, or leave it out",
            )
        self._encoder, self._norm = encoder, text.ln_final
        self.width = encoder.spec.dim

    def states(self, words: Sequence[str]) -> tuple[Tensor, Tensor]:
        import numpy as np

        from mmkit.types import Item

        kept: list[Tensor] = []
        handle = self._norm.register_forward_hook(lambda _module, _inputs, out: kept.append(out))
        try:
            ids = torch.from_numpy(
                np.stack([self._encoder.prepare(Item.from_text(prompt)) for prompt in _prompts(words)])
            ).to(self._encoder.device)
            with torch.no_grad():
                pooled = self._encoder.text_features(ids)
        finally:
            handle.remove()
        # The end of a text is the largest number in CLIP's vocabulary; states behind it say nothing of the word.
        ends = ids.argmax(1)
        longest = int(ends.max()) + 1
        both = torch.cat([pooled[:, None].float(), kept[0].float()[:, :longest]], 1)
        mask = torch.arange(longest, device=ids.device)[None] <= ends[:, None]
        return F.layer_norm(both, both.shape[-1:]), torch.cat([mask[:, :1], mask], 1)
