"""CLIPTrans (Yang, Fang and Khashabi 2023) at a size that ships: one network for all directions between its languages.

The decoder reads ``[</s>, p_1 .. p_P, <language>, y_1 ..]``: the prefix p comes from a vector of a frozen space that
pictures and texts share. N sentences, S source places, P places of the prefix, W width, D dims of the space.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkit.generation.prefix import PrefixMapper
from mmkit.generation.transformer import TextDecoder, TextEncoder
from mmkit_translate.model.sizes import Sizes

__all__ = ["Network", "TextTower"]


class TextTower(nn.Module):
    """Texts of every language to unit vectors of the space: the mean of an encoder's states, and a linear layer."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.tower.width
        self.tokens = nn.Embedding(sizes.tower.vocabulary, width)
        nn.init.normal_(self.tokens.weight, std=1.0)
        self.encoder = TextEncoder(sizes.tower)
        self.output = nn.Linear(width, sizes.space)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Unit rows (N, D) of ids (N, S); ``mask`` (N, S) is True at real tokens."""
        states = self.encoder(self.tokens(ids), mask)
        weights = mask[:, :, None].to(states.dtype)
        mean = (states * weights).sum(1) / weights.sum(1).clamp(min=1.0)
        return F.normalize(self.output(mean).float(), dim=-1)


class Network(nn.Module):
    """Encoder, decoder, the prefix's mapper and the text tower.

    Args:
        sizes: all sizes.
        eos: the id that ends a source and begins a target.
        languages: the ids of the languages' marks, in the order of ``sizes.languages``.
    """

    languages: Tensor
    picture_shift: Tensor

    def __init__(self, sizes: Sizes, *, eos: int, languages: list[int]) -> None:
        super().__init__()
        self.sizes = sizes
        self.eos = eos
        self.register_buffer("languages", torch.tensor(languages), persistent=False)
        # From where pictures lie in the space to where texts lie; learnt from pictures with captions.
        self.register_buffer("picture_shift", torch.zeros(sizes.space))
        self.encoder = TextEncoder(sizes.text)
        self.decoder = TextDecoder(sizes.text)
        self.prefix = PrefixMapper(sizes.space, sizes.text.width, sizes.prefix)
        self.tower = TextTower(sizes)

    def read(self, ids: Tensor, mask: Tensor) -> Tensor:
        """States (N, S, W) of source ids (N, S) that end with ``</s>``; ``mask`` is True at real tokens."""
        states: Tensor = self.encoder(self.decoder.embed(ids), mask)
        return states

    def prompt(self, vectors: Tensor, language: Tensor) -> Tensor:
        """What every target begins with: (N, P + 2, W).

        Args:
            vectors: (N, D) of the space; a row of zeros gives a prefix of zeros, which means: nothing is known.
            language: (N,) numbers of the target languages.
        """
        known = (vectors != 0).any(dim=1)
        prefix = self.prefix(vectors) * known[:, None, None]
        begin = self.decoder.embed(torch.full_like(language, self.eos)[:, None])
        mark = self.decoder.embed(self.languages[language][:, None])
        return torch.cat([begin, prefix.to(begin.dtype), mark], dim=1)
