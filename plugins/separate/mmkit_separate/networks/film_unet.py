"""The default separator: a residual U-Net over magnitudes whose decoder is steered by the query.

The encoder does not see the query, so one pass of it serves any number of them. Each convolution of the bottleneck
and the decoder is scaled and shifted by the query (feature-wise linear modulation, Perez et al. 2018, as in
AudioSep, Liu et al. 2023). The mask has a size in [0, 1] and a turn of the phase.

Legend: B mixtures, Q queries a mixture, D dims of a query, F bins, N frames, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["FilmUNet", "complex_masks"]

_FLOOR: Final = 1e-3
#: Rows of the finest level that are brought to full resolution at a time.
_STRIP: Final = 64


class _SteeredConv(nn.Module):
    """A 3x3 convolution and a batch normalisation whose scale and shift come from the query, where there is one.

    Args:
        own: share of each excerpt's own mean and variance in the normalisation, beside the training's: what differs
            from all that training heard is brought nearer to it (Lim et al. 2023, TTN, with one share for all).
    """

    def __init__(self, given: int, channels: int, condition: int, own: float = 0.0) -> None:
        super().__init__()
        self.own = own
        self.conv = nn.Conv2d(given, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels, affine=not condition)
        self.steer = nn.Linear(condition, 2 * channels) if condition else None
        if self.steer is not None:
            nn.init.normal_(self.steer.weight, std=0.02)
            nn.init.zeros_(self.steer.bias)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        scale, shift = None, None
        if self.steer is not None and condition is not None:
            scale, shift = self.steer(condition).chunk(2, dim=1)
        if self.own:
            x = self.conv(x)
            gain, bias = self._gain_and_bias(*self._statistics(x), scale, shift)
            gain, bias = gain[..., None, None].to(x.dtype), bias[..., None, None].to(x.dtype)
            return x * gain + bias if self.training else x.mul_(gain).add_(bias)
        if not self.training and (scale is None or len(scale) == 1):
            return self._folded(x, scale, shift)
        x = self.norm(self.conv(x))
        if scale is None or shift is None:
            return x
        return x * (1 + scale[:, :, None, None]) + shift[:, :, None, None]

    def _folded(self, x: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
        """The same in one pass: normalisation and steering go into the kernel, for a single query."""
        assert self.norm.running_var is not None and self.norm.running_mean is not None
        gain, bias = self._gain_and_bias(self.norm.running_mean[None], self.norm.running_var[None], scale, shift)
        kernel = self.conv.weight * gain[0, :, None, None, None]
        return functional.conv2d(x, kernel.to(x.dtype), bias[0].to(x.dtype), padding=1)

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (B, C) of the blend of the training's distribution and each excerpt's own."""
        norm = self.norm
        assert norm.running_var is not None and norm.running_mean is not None
        variance, mean = torch.var_mean(x.float(), dim=(2, 3), unbiased=False)
        if norm.training:
            usual = mean.mean(dim=0)
            spread = variance.mean(dim=0) + (mean - usual).square().mean(dim=0)
            with torch.no_grad():
                norm.running_mean.lerp_(usual, norm.momentum or 0.1)
                norm.running_var.lerp_(spread, norm.momentum or 0.1)
        else:
            usual, spread = norm.running_mean, norm.running_var
        apart = (mean - usual).square()
        return torch.lerp(usual, mean, self.own), torch.lerp(spread, variance, self.own) + (
            self.own * (1 - self.own) * apart
        )

    def _gain_and_bias(
        self, mean: Tensor, variance: Tensor, scale: Tensor | None, shift: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """(B, C) factors and (B, C) summands that normalise and steer."""
        gain = (variance + self.norm.eps).rsqrt()
        bias = -mean * gain
        if self.norm.affine:
            gain, bias = gain * self.norm.weight, bias * self.norm.weight + self.norm.bias
        if scale is not None and shift is not None:
            gain, bias = gain * (1 + scale), bias * (1 + scale) + shift
        return gain, bias


class _Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, given: int, channels: int, condition: int = 0, own: float = 0.0) -> None:
        super().__init__()
        self.first = _SteeredConv(given, channels, condition, own)
        self.second = _SteeredConv(channels, channels, condition, own)
        self.shortcut = nn.Conv2d(given, channels, 1, bias=False) if given != channels else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        inplace = not self.training
        y = self.second(functional.silu(self.first(x, condition), inplace=inplace), condition)
        y = y.add_(self.shortcut(x)) if inplace else y + self.shortcut(x)
        return functional.silu(y, inplace=inplace)


class FilmUNet(nn.Module):
    """Masks for queries.

    Args:
        query_dim: D.
        bins: F, a multiple of 4 * 2 ** (levels - 1).
        widths: channels of each level, finest first.
        depths: residual blocks of the decoder at each level.
        condition: dims of the code that steers the decoder.
        own: at each level of the decoder the share of an excerpt's own statistics, from 0 to 1; none where left out.
    """

    def __init__(
        self,
        *,
        query_dim: int = 384,
        bins: int = 1024,
        widths: Sequence[int] = (48, 96, 144, 208, 288),
        depths: Sequence[int] = (1, 1, 2, 2, 2),
        condition: int = 256,
        own: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.bins, self.multiple = bins, 2 ** (len(widths) - 1)
        self.query = nn.Sequential(nn.Linear(query_dim, condition), nn.SiLU(), nn.Linear(condition, condition))
        self.stem = nn.Conv2d(1, widths[0], (7, 3), stride=(4, 1), padding=(3, 1))
        # Where a bin lies matters as much as its surroundings: a bias for each channel and row.
        self.place = nn.ParameterList(
            nn.Parameter(torch.zeros(1, width, bins // 4 // 2**level, 1)) for level, width in enumerate(widths)
        )
        given = [widths[0], *widths[:-1]]
        self.down = nn.ModuleList(_Residual(a, b) for a, b in zip(given, widths, strict=True))
        shares = [*own, *[0.0] * (len(widths) - len(own))]
        self.up = nn.ModuleList(
            nn.ModuleList(_Residual(width, width, condition, share) for _ in range(depth))
            for width, depth, share in zip(widths, depths, shares, strict=True)
        )
        self.merge = nn.ModuleList(nn.Conv2d(widths[level + 1], widths[level], 1) for level in range(len(widths) - 1))
        self.spread = nn.Conv2d(widths[0], 4 * 16, 1)
        self.refine = nn.Conv2d(17, 16, 3, padding=1)
        self.head = nn.Conv2d(16, 3, 3, padding=1)

    def features(self, magnitude: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What no query changes: (B, F, N) magnitudes to the logarithms (B, 1, F, N') and the encoder's levels.

        N' is N rounded up to a multiple of ``self.multiple``.
        """
        frames = magnitude.shape[-1]
        # The level of the whole excerpt is taken out: masks do not depend on it.
        level = magnitude.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp_min(1e-8)
        logs = torch.log10(magnitude / level + _FLOOR)[:, None]
        logs = functional.pad(logs, (0, -frames % self.multiple), value=math.log10(_FLOOR))
        x = self.stem(logs)
        levels = []
        for number, block in enumerate(self.down):
            if number:
                x = functional.avg_pool2d(x, 2)
            x = block(x)
            # In place where no gradient is asked for: fresh memory costs more than the sum itself.
            levels.append(x + self.place[number] if self.training else x.add_(self.place[number]))
            x = levels[-1]
        return logs, levels

    def masks(self, features: tuple[Tensor, list[Tensor]], queries: Tensor, frames: int) -> Tensor:
        """(B, Q, D) queries to masks (B, Q, 3, F, ``frames``): size, cosine and sine of the turn."""
        logs, levels = features
        batch, count, _ = queries.shape
        condition = self.query(queries.flatten(0, 1))

        def shared(x: Tensor) -> Tensor:
            return x if count == 1 else x.repeat_interleave(count, dim=0)

        x = shared(levels[-1])
        for number in range(len(levels) - 1, -1, -1):
            if number < len(levels) - 1:
                x = functional.interpolate(self.merge[number](x), scale_factor=2, mode="nearest")
                x = x + shared(levels[number]) if self.training else x.add_(shared(levels[number]))
            for block in self.up[number]:
                x = block(x, condition)
        out = self._fine(x, shared(logs))[..., :frames].float()
        size = torch.sigmoid(out[:, 0])
        turn = torch.stack([1 + out[:, 1], out[:, 2]], dim=1)
        turn = turn / turn.square().sum(dim=1, keepdim=True).add(1e-6).sqrt()
        return torch.cat([size[:, None], turn], dim=1).unflatten(0, (batch, count))

    def _fine(self, x: Tensor, logs: Tensor) -> Tensor:
        """The finest level (B, C, F / 4, N) and the logarithms (B, 1, F, N) to what masks are made of, (B, 3, F, N)."""
        rows = x.shape[-2]
        if self.training or rows <= _STRIP:
            return self._strip(x, logs)
        # In strips: whole, these tensors would be the largest by far, and too large for the allocator to keep.
        strips = []
        for start in range(0, rows, _STRIP):
            # Two 3x3 convolutions reach two bins beyond a strip, which lie in one row more on either side.
            low, high = max(0, start - 1), min(rows, start + _STRIP + 1)
            strip = self._strip(x[..., low:high, :], logs[..., 4 * low : 4 * high, :])
            strips.append(strip[..., 4 * (start - low) : 4 * (min(rows, start + _STRIP) - low), :])
        return torch.cat(strips, dim=-2)

    def _strip(self, x: Tensor, logs: Tensor) -> Tensor:
        x = self.spread(x)
        batch, _, rows, columns = x.shape
        x = x.reshape(batch, 16, 4, rows, columns).transpose(2, 3).reshape(batch, 16, 4 * rows, columns)
        x = functional.silu(self.refine(torch.cat([x, logs.to(x.dtype)], dim=1)), inplace=not self.training)
        return self.head(x)

    def parts(self, magnitude: Tensor, queries: Tensor) -> Tensor:
        """(B, F, N) magnitudes and (B, Q, D) queries to ``masks``."""
        return self.masks(self.features(magnitude), queries, magnitude.shape[-1])

    def forward(self, magnitude: Tensor, queries: Tensor) -> Tensor:
        """(B, F, N) magnitudes and (B, Q, D) queries to complex masks (B, Q, F, N)."""
        return complex_masks(self.parts(magnitude, queries))


def complex_masks(parts: Tensor) -> Tensor:
    """What ``FilmUNet.masks`` gives, (B, Q, 3, F, N), as complex numbers (B, Q, F, N)."""
    size, cosine, sine = parts.unbind(dim=2)
    return torch.complex(size * cosine, size * sine)
