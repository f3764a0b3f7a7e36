"""One space for crops and words: the Feature Merge Unit's states on one side, text states and spelling on the other.

The text tower is uncased and cuts words into pieces, so its pooled state alone cannot tell every pair of strings
apart; a small transformer over the characters stands beside it. Case is folded: a crop of "HOTEL" should find "hotel".

Legend: N crops or words, L = 26 slots, D dims of the network, W width of the text tower, E dims of the space.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmkit_ocr.recogniser.charset import PAD, SLOTS
from mmkit_ocr.recogniser.layers import EncoderLayer, initialise

__all__ = ["TEXT_WIDTH", "WordSpace", "contrastive_loss"]

#: Of the core's default text tower.
TEXT_WIDTH: Final = 384

_NARROW: Final = 32
_SPELLING: Final = 192


class WordSpace(nn.Module):
    """The heads that bring crops and words into one space of unit vectors."""

    def __init__(self, dim: int, space: int) -> None:
        super().__init__()
        self.narrow = nn.Linear(dim, _NARROW)
        self.crop = nn.Linear(SLOTS * _NARROW, space)
        self.characters = nn.Embedding(PAD + 1, _SPELLING)
        self.places = nn.Parameter(torch.randn(1, SLOTS, _SPELLING) * 0.02)
        self.spelling = EncoderLayer(_SPELLING, 4, ratio=2)
        self.norm = nn.LayerNorm(_SPELLING)
        self.narrow_word = nn.Linear(_SPELLING, _NARROW)
        self.word = nn.Linear(SLOTS * _NARROW, space)
        self.text = nn.Linear(TEXT_WIDTH, space)
        self.log_scale = nn.Parameter(torch.tensor(2.66))
        self.apply(initialise)

    def crops(self, memory: Tensor) -> Tensor:
        """(N, L, D) states -> (N, E) unit vectors."""
        return F.normalize(self.crop(F.gelu(self.narrow(memory)).flatten(1)), dim=1)

    def words(self, numbers: Tensor, states: Tensor) -> Tensor:
        """(N, L) numbers of folded words and (N, W) pooled text states -> (N, E) unit vectors."""
        spelt = self.norm(self.spelling(self.characters(numbers) + self.places))
        own = self.word(F.gelu(self.narrow_word(spelt)).flatten(1))
        return F.normalize(own + self.text(F.layer_norm(states, states.shape[-1:])), dim=1)


def contrastive_loss(crops: Tensor, words: Tensor, same: Tensor, scale: Tensor) -> Tensor:
    """The mean cross-entropy of crop -> word and word -> crop over a batch.

    Args:
        crops: (N, E) unit vectors.
        words: (M, E) unit vectors, M >= N; row i < N is crop i's word, the rest are hard negatives.
        same: (N, M) bool, True where word j is crop i's word too, so that it is no negative; the diagonal is ignored.
        scale: the factor of the cosines.
    """
    n = crops.shape[0]
    scores = scale * crops @ words.T
    off = same.clone()
    off.fill_diagonal_(False)
    scores = scores.masked_fill(off, float("-inf"))
    target = torch.arange(n, device=crops.device)
    return (F.cross_entropy(scores, target) + F.cross_entropy(scores[:, :n].T, target)) / 2
