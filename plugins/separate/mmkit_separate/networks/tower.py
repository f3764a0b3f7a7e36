"""The audio tower: a small convolutional network from log-mel spectra into the queries' space.

Legend: B sounds, F linear bins, M mel bands, N frames, D dims.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["SoundTower", "mel_bands"]


def mel_bands(bands: int, bins: int, top: float) -> Tensor:
    """(M, F) triangles that sum to 1, at even steps of the mel scale, 2595 log10(1 + f / 700), up to ``top`` Hz."""
    highest = 2595 * torch.log10(torch.tensor(1 + top / 700))
    edges = 700 * (torch.pow(10.0, torch.linspace(0, float(highest), bands + 2) / 2595) - 1)
    bin_hertz = torch.arange(bins) * top / bins
    rise = (bin_hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bin_hertz) / (edges[2:] - edges[1:-1])[:, None]
    triangles = torch.minimum(rise, fall).clamp_min(0)
    # A band narrower than a bin would be empty: it takes the bin nearest to its middle.
    empty = triangles.sum(dim=1) == 0
    nearest = (bin_hertz[None] - edges[1:-1, None]).abs().argmin(dim=1)
    triangles[empty, nearest[empty]] = 1
    return triangles / triangles.sum(dim=1, keepdim=True)


class _Block(nn.Module):
    def __init__(self, given: int, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(given, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut = nn.Conv2d(given, channels, 1, bias=False) if given != channels else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(self.body(x) + self.shortcut(x))


class SoundTower(nn.Module):
    """(B, F, N) magnitudes to (B, D) unit rows."""

    def __init__(
        self,
        *,
        dim: int = 384,
        bins: int = 1024,
        top: float = 16000.0,
        bands: int = 96,
        widths: Sequence[int] = (24, 48, 96, 160, 224),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.register_buffer("mel", mel_bands(bands, bins, top), persistent=False)
        self.normalise = nn.BatchNorm2d(1)
        given = [1, *widths[:-1]]
        self.blocks = nn.ModuleList(_Block(a, b) for a, b in zip(given, widths, strict=True))
        self.out = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * widths[-1], dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, magnitude: Tensor) -> Tensor:
        energy = torch.einsum("mf,bfn->bmn", self.mel, magnitude)
        level = energy.mean(dim=(1, 2), keepdim=True).clamp_min(1e-8)
        x = self.normalise(torch.log(energy / level + 1e-3)[:, None])
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number < len(self.blocks) - 1:
                x = functional.avg_pool2d(x, 2, ceil_mode=True)
        x = x.mean(dim=2)
        pooled = torch.cat([x.mean(dim=-1), x.amax(dim=-1)], dim=1)
        return functional.normalize(self.out(pooled), dim=-1)
