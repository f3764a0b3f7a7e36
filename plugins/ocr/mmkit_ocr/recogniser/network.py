"""The recogniser's network: PP-OCRv6's convolutions, transformer layers, Feature Merge Unit and decoder.

Legend: N crops, T = 24 columns, V = 96 visual tokens, L = 26 slots, D = 384 dims.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from mmkit_ocr.recogniser.alignment import WordSpace
from mmkit_ocr.recogniser.charset import CHARACTERS, SLOTS
from mmkit_ocr.recogniser.decoder import Decoder
from mmkit_ocr.recogniser.layers import EncoderLayer, FeatureMerge, initialise
from mmkit_ocr.recogniser.ppocr import BACKBONE_DIM, NECK_DIM, Backbone, Neck

__all__ = ["HEIGHT", "WIDTH", "Network", "Seen", "Shape"]

HEIGHT: Final = 48
WIDTH: Final = 192
_ROWS: Final = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a network.

    Attributes:
        dim: D, a multiple of 64 (one head each).
        layers: transformer layers over the visual tokens.
        width: of a crop in pixels, a multiple of 8.
        space: dims of the space of crops and words.
    """

    dim: int = 384
    layers: int = 3
    width: int = WIDTH
    space: int = 256


class Seen(NamedTuple):
    """What the visual half makes of N crops.

    Attributes:
        memory: (N, L, D), the Feature Merge Unit's states.
        draft: (N, T, 95) CTC logits, of which class 0 is the blank.
    """

    memory: Tensor
    draft: Tensor


class Network(nn.Module):
    """Crops (N, 3, 48, width), RGB in [0, 1] -> ``Seen``; ``decoder`` and ``space`` read what was seen."""

    def __init__(self, shape: Shape = Shape(), *, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        dim, heads, columns = shape.dim, max(1, shape.dim // 64), shape.width // 8
        self.backbone = Backbone()
        self.neck = Neck()
        self.ctc = nn.Linear(NECK_DIM, 1 + len(CHARACTERS))
        self.norm_features = nn.LayerNorm(BACKBONE_DIM)
        self.merge_columns = nn.Linear(2 * BACKBONE_DIM, dim)
        self.enter_neck = nn.Linear(NECK_DIM, dim)
        self.rows = nn.Parameter(torch.randn(1, _ROWS + 1, 1, dim) * 0.02)
        self.columns = nn.Parameter(torch.randn(1, 1, columns, dim) * 0.02)
        self.layers = nn.ModuleList([EncoderLayer(dim, heads, dropout=dropout) for _ in range(shape.layers)])
        self.norm_draft = nn.LayerNorm(dim)
        self.refine_draft = nn.Linear(dim, 1 + len(CHARACTERS))
        self.merge = FeatureMerge(dim, heads, SLOTS, dropout=dropout)
        self.decoder = Decoder(dim, heads, dropout=dropout)
        self.space = WordSpace(dim, shape.space)
        for part in (self.merge_columns, self.enter_neck, self.layers, self.merge):
            part.apply(initialise)
        # The draft begins as what PP-OCRv6 itself reads.
        nn.init.zeros_(self.refine_draft.weight)
        nn.init.zeros_(self.refine_draft.bias)

    def forward(self, crops: Tensor) -> Seen:
        features = self.backbone(crops.flip(1) * 2 - 1)
        return self.seen_from(features, self.neck(features))

    def seen_from(self, features: Tensor, necked: Tensor) -> Seen:
        """The half behind the convolutions: maps (N, 384, 3, W / 4) and neck states (N, T, 120) -> ``Seen``."""
        n = features.shape[0]
        # Neighbouring columns merge, as PP-OCRv6's own pooling does: 8 pixels a column.
        grid = self.norm_features(features.permute(0, 2, 3, 1)).reshape(n, _ROWS, -1, 2 * BACKBONE_DIM)
        tokens = torch.cat([self.merge_columns(grid), self.enter_neck(necked)[:, None]], 1)
        tokens = (tokens + self.rows + self.columns[:, :, : tokens.shape[2]]).flatten(1, 2)
        for layer in self.layers:
            tokens = layer(tokens)
        refined = self.norm_draft(tokens[:, -necked.shape[1] :])
        return Seen(self.merge(tokens), self.ctc(necked) + self.refine_draft(refined))
