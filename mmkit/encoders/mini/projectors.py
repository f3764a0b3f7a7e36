"""The projectors that carry both frozen towers into one space.

Source: Maniparambil et al., "From Unimodal to Multimodal: Scaling up Projectors to Align Modalities"
(2024), section 3. N items, P places of the picture grid, T tokens, D dimensions of the joint space.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkit.encoders.mini.bert import masked_mean
from mmkit.encoders.mini.efficientnet_lite import TowerFeatures

__all__ = ["ImageProjector", "TextProjector", "grid_tokens"]


def grid_tokens(features: TowerFeatures) -> Tensor:
    """Spatial tokens (N, P, C+M): the last map beside the middle map averaged to the same grid."""
    grid = features.last.shape[-2:]
    middle = F.adaptive_avg_pool2d(features.middle, (int(grid[0]), int(grid[1])))
    return torch.cat([features.last, middle], dim=1).flatten(2).transpose(1, 2)


class _Branch(nn.Module):
    """LayerNorm, dropout, then a linear map plus a two-layer GELU net: (…, C) -> (…, D)."""

    def __init__(self, inputs: int, inner: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(inputs, outputs)
        self.inner = nn.Linear(inputs, inner)
        self.outer = nn.Linear(inner, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.dropout(self.norm(inputs))
        return self.linear(hidden) + self.outer(F.gelu(self.inner(hidden)))


class ImageProjector(nn.Module):
    """Pooled features and the mean of projected places, combined with learned weights."""

    def __init__(self, pooled: int, tokens: int, dim: int, *, inner: int = 768, dropout: float = 0.1) -> None:
        super().__init__()
        self.pooled = _Branch(pooled, inner, dim, dropout)
        self.places = _Branch(tokens, inner, dim, dropout)
        self.mix = nn.Parameter(torch.tensor([1.0, 0.5]))

    def forward(self, pooled: Tensor, tokens: Tensor) -> Tensor:
        """Unit rows (N, D) from pooled features (N, C) and spatial tokens (N, P, C')."""
        mixed = self.mix[0] * self.pooled(pooled) + self.mix[1] * self.places(tokens).mean(1)
        return F.normalize(mixed, dim=-1)

    def project_places(self, pooled: Tensor, tokens: Tensor) -> Tensor:
        """Unit rows (N, P, D): each place in the frame that the pooled branch sets."""
        whole = self.mix[0] * self.pooled(pooled)
        return F.normalize(whole[:, None] + self.mix[1] * self.places(tokens), dim=-1)


class TextProjector(nn.Module):
    """Masked mean, then a residual net (linear, GELU, linear, dropout, add, LayerNorm)."""

    def __init__(self, width: int, dim: int, *, inner: int = 768, dropout: float = 0.1) -> None:
        super().__init__()
        # Square and zero-initialised on the residual path: training starts from the sentence space.
        self.skip = nn.Identity() if width == dim else nn.Linear(width, dim, bias=False)
        self.inner = nn.Linear(width, inner)
        self.outer = nn.Linear(inner, dim)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(dim)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Unit rows (N, D) from token states (N, T, W) and their mask (N, T)."""
        return self.project(F.normalize(masked_mean(states, mask), dim=-1))

    def project(self, vectors: Tensor) -> Tensor:
        """Unit rows (…, D) from sentence or token vectors (…, W)."""
        scaled = vectors * vectors.shape[-1] ** 0.5
        hidden = self.skip(scaled) + self.dropout(self.outer(F.gelu(self.inner(scaled))))
        return F.normalize(self.norm(hidden), dim=-1)
