"""CLIPSep and CLIPSep-NIT (Dong et al., ICLR 2023): a query gates the maps of a U-Net over log-frequency magnitudes.

Mask logits are sum_k a_k c_k F_k + b with F the U-Net's C maps and c = sigmoid(W q); the noise-invariant kind has two
further conditions made from the mean query, whose masks are for training only.

Legend: B mixtures, Q queries a mixture, D dims, F linear bins, G log-frequency rows, N frames, C maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ClipSep", "from_log_frequency", "to_log_frequency"]

_OCTAVES: Final = 8.0


def _rows(rows: int, bins: int, device: torch.device) -> Tensor:
    """Where in F bins each of G rows lies: even steps in log frequency over eight octaves."""
    exponent = torch.linspace(-_OCTAVES, 0, rows, device=device)
    return torch.pow(2.0, exponent) * (bins - 1)


def to_log_frequency(magnitude: Tensor, rows: int) -> Tensor:
    """(..., F, N) to (..., G, N) by linear interpolation between bins."""
    bins = magnitude.shape[-2]
    place = _rows(rows, bins, magnitude.device)
    low = place.floor().long().clamp_max(bins - 2)
    part = (place - low)[:, None]
    return magnitude[..., low, :] * (1 - part) + magnitude[..., low + 1, :] * part


def from_log_frequency(mask: Tensor, bins: int) -> Tensor:
    """(..., G, N) back to (..., F, N); bins below the lowest row take its value."""
    rows = mask.shape[-2]
    bin_number = torch.arange(bins, device=mask.device).clamp_min(1e-3)
    place = ((torch.log2(bin_number / (bins - 1)) + _OCTAVES) / _OCTAVES * (rows - 1)).clamp(0, rows - 1)
    low = place.floor().long().clamp_max(rows - 2)
    part = (place - low)[:, None]
    return mask[..., low, :] * (1 - part) + mask[..., low + 1, :] * part


class ClipSep(nn.Module):
    """Masks for queries by gated maps.

    Args:
        query_dim: D.
        bins: F of the spectra it is given.
        rows: G, a multiple of 2 ** len(widths).
        maps: C.
        widths: channels of each level of the U-Net, finest first.
        noise_heads: 0, or 2 for noise-invariant training.
    """

    def __init__(
        self,
        *,
        query_dim: int = 384,
        bins: int = 512,
        rows: int = 256,
        maps: int = 32,
        widths: Sequence[int] = (24, 32, 64, 96, 128, 128, 128),
        noise_heads: int = 0,
    ) -> None:
        super().__init__()
        self.bins, self.rows, self.multiple = bins, rows, 2 ** len(widths)
        self.condition = nn.Linear(query_dim, maps)
        self.noise = nn.ModuleList(nn.Linear(maps, maps) for _ in range(noise_heads))
        self.scale = nn.Parameter(torch.ones(maps))
        self.bias = nn.Parameter(torch.zeros(()))
        self.normalise = nn.BatchNorm2d(1)
        given = [1, *widths[:-1]]
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2))
            for a, b in zip(given, widths, strict=True)
        )
        back = [maps, *widths[:-1]]
        self.up = nn.ModuleList(
            nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
                nn.Conv2d(width * (1 if level == len(widths) - 1 else 2), target, 3, padding=1, bias=level == 0),
                nn.Identity() if level == 0 else nn.Sequential(nn.BatchNorm2d(target), nn.ReLU()),
            )
            for level, (target, width) in enumerate(zip(back, widths, strict=True))
        )

    def features(self, magnitude: Tensor) -> Tensor:
        """(B, F, N) magnitudes to the maps (B, C, G, N'), N' a multiple of ``self.multiple``."""
        frames = magnitude.shape[-1]
        level = magnitude.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp_min(1e-8)
        logs = torch.log(to_log_frequency(magnitude / level, self.rows) + 1e-3)[:, None]
        x = self.normalise(functional.pad(logs, (0, -frames % self.multiple), value=-6.9))
        levels = []
        for block in self.down:
            x = block(x)
            levels.append(x)
        for number in range(len(self.up) - 1, -1, -1):
            x = self.up[number](x if number == len(self.up) - 1 else torch.cat([x, levels[number]], dim=1))
        return x

    def gated(self, maps: Tensor, conditions: Tensor) -> Tensor:
        """(B, C, G, N) maps and (B, Q, C) pre-sigmoid conditions to (B, Q, G, N) logits."""
        gates = torch.sigmoid(conditions) * self.scale
        return torch.einsum("bqc,bcgn->bqgn", gates.to(maps.dtype), maps) + self.bias

    def logits(self, maps: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Mask logits (B, Q, G, N') of the queries and (B, 2 or 0, G, N') of the noise heads."""
        conditions = self.condition(queries)
        signal = self.gated(maps, conditions)
        if not self.noise:
            return signal, signal[:, :0]
        mean = conditions.mean(dim=1)
        return signal, self.gated(maps, torch.stack([head(mean) for head in self.noise], dim=1))

    def masks(self, features: Tensor, queries: Tensor, frames: int) -> Tensor:
        """(B, Q, D) queries to masks (B, Q, 3, F, ``frames``): size, cosine and sine of no turn at all."""
        signal, _ = self.logits(features, queries)
        size = from_log_frequency(torch.sigmoid(signal[..., :frames].float()), self.bins)
        return torch.stack([size, torch.ones_like(size), torch.zeros_like(size)], dim=2)

    def forward(self, magnitude: Tensor, queries: Tensor) -> Tensor:
        """(B, F, N) magnitudes and (B, Q, D) queries to complex masks (B, Q, F, N)."""
        size, cosine, sine = self.masks(self.features(magnitude), queries, magnitude.shape[-1]).unbind(dim=2)
        return torch.complex(size * cosine, size * sine)
