"""What a camera, a screen and a file format do to a picture, for whole batches on any device.

Every effect takes pictures (N, 3, H, W) in [0, 1] and a generator on the same device, and touches a random part of
the batch. `degrade` chains them as they happen: light, lens, sensor, file.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from mmkit_ocr.rendering.geometry import uniform

__all__ = ["blur", "colour_shift", "degrade", "jpeg", "lines", "low_resolution", "noise", "uneven_light"]

_KERNEL: Final = 9
_LUMINANCE: Final = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE: Final = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
_TO_YCC: Final = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB: Final = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))
# The share of its height and width that a part of the batch keeps when its resolution is lowered.
_SCALES: Final = ((0.25, 0.3), (0.33, 0.33), (0.42, 0.4), (0.5, 0.3), (0.5, 0.5), (0.6, 0.7), (0.75, 0.55))


def _chosen(generator: torch.Generator, count: int, chance: float) -> Tensor:
    return (uniform(generator, count, 0, 1) < chance).view(-1, 1, 1, 1)


def uneven_light(pictures: Tensor, generator: torch.Generator, *, chance: float = 0.3) -> Tensor:
    """A smooth gradient of light, at times a spot or the edge of a shadow."""
    count, _, height, width = pictures.shape
    field = torch.rand(count, 1, 3, 5, device=pictures.device, generator=generator)
    field = functional.interpolate(field, (height, width), mode="bicubic", align_corners=True)
    amount = uniform(generator, count, 0.2, 0.9).view(-1, 1, 1, 1)
    hard = _chosen(generator, count, 0.15)
    field = torch.where(hard, torch.sigmoid((field - 0.5) * 25), field)
    lit = pictures * (1 + amount * (field - 0.6))
    return torch.where(_chosen(generator, count, chance), lit.clamp(0, 1), pictures)


def colour_shift(pictures: Tensor, generator: torch.Generator, *, chance: float = 0.6) -> Tensor:
    """Brightness, contrast, gamma, saturation and white balance; a few pictures become grey or negative."""
    count = len(pictures)

    def factor(low: float, high: float) -> Tensor:
        return uniform(generator, count, math.log(low), math.log(high)).exp().view(-1, 1, 1, 1)

    out = pictures.clamp(1e-3, 1) ** factor(0.55, 1.8)
    mean = out.mean((1, 2, 3), keepdim=True)
    out = (out - mean) * factor(0.6, 1.5) + mean + uniform(generator, count, -0.15, 0.15).view(-1, 1, 1, 1)
    grey = out.mean(1, keepdim=True)
    balance = 1 + 0.08 * torch.randn(count, 3, 1, 1, device=pictures.device, generator=generator)
    out = (grey + (out - grey) * factor(0.3, 1.6)) * balance
    out = torch.where(_chosen(generator, count, chance), out, pictures)
    out = torch.where(_chosen(generator, count, 0.08), out.mean(1, keepdim=True).expand_as(out), out)
    out = torch.where(_chosen(generator, count, 0.04), 1 - out, out)
    return out.clamp(0, 1)


def blur(pictures: Tensor, generator: torch.Generator, *, chance: float = 0.4) -> Tensor:
    """Out of focus, or moved: a 9 by 9 oriented Gaussian of its own for each picture."""
    count, channels, height, width = pictures.shape
    angle = uniform(generator, count, 0, math.pi).view(-1, 1, 1)
    along = uniform(generator, count, 0.4, 1.0).view(-1, 1, 1)
    moved = uniform(generator, count, 0, 1).view(-1, 1, 1) < 0.35
    along = torch.where(moved, along * 3.2, along * 1.5)
    across = torch.where(moved, torch.full_like(along, 0.35), along)
    steps = torch.arange(_KERNEL, device=pictures.device) - _KERNEL // 2
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    distance_along = x * angle.cos() + y * angle.sin()
    distance_across = y * angle.cos() - x * angle.sin()
    kernel = torch.exp(-0.5 * ((distance_along / along) ** 2 + (distance_across / across) ** 2))
    sharp = torch.zeros_like(kernel)
    sharp[:, _KERNEL // 2, _KERNEL // 2] = 1
    kernel = torch.where(_chosen(generator, count, chance)[..., 0], kernel, sharp)
    kernel = kernel / kernel.sum((1, 2), keepdim=True)
    padded = functional.pad(pictures, (_KERNEL // 2,) * 4, mode="replicate").view(
        1, count * channels, *(height + _KERNEL - 1, width + _KERNEL - 1)
    )
    weight = kernel.to(pictures.dtype).repeat_interleave(channels, 0).unsqueeze(1)
    return functional.conv2d(padded, weight, groups=count * channels).view(count, channels, height, width)


def low_resolution(pictures: Tensor, *, share: float = 0.4) -> Tensor:
    """The first `share` of the batch, in a few parts, made small and large again; a batch is in random order anyway."""
    count, _, height, width = pictures.shape
    part = int(count * share / len(_SCALES))
    if part == 0:
        return pictures
    out = pictures.clone()
    for index, (tall, wide) in enumerate(_SCALES):
        rows = slice(index * part, (index + 1) * part)
        small = functional.interpolate(
            pictures[rows], (max(4, round(height * tall)), max(4, round(width * wide))), mode="area"
        )
        mode = "bilinear" if index % 2 else "bicubic"
        out[rows] = functional.interpolate(small, (height, width), mode=mode, align_corners=False).clamp(0, 1)
    return out


def noise(pictures: Tensor, generator: torch.Generator, *, chance: float = 0.4) -> Tensor:
    """Sensor noise: grainy in grey or in colour, and a few dead pixels."""
    count = len(pictures)
    grain = torch.randn(pictures.shape, device=pictures.device, generator=generator)
    grey = grain.mean(1, keepdim=True) * math.sqrt(3)
    grain = torch.where(_chosen(generator, count, 0.5), grain, grey)
    amount = uniform(generator, count, 0.005, 1).view(-1, 1, 1, 1) ** 2 * 0.08
    out = pictures + grain * torch.where(_chosen(generator, count, chance), amount, 0)
    dead = torch.rand(grey.shape, device=pictures.device, generator=generator)
    specks = _chosen(generator, count, 0.02 * chance)
    out = torch.where(specks & (dead < 0.01), torch.zeros_like(out), out)
    out = torch.where(specks & (dead > 0.99), torch.ones_like(out), out)
    return out.clamp(0, 1)


def lines(pictures: Tensor, generator: torch.Generator, *, chance: float = 0.05) -> Tensor:
    """A wire, a scratch or a ruled line over the word."""
    count, _, height, width = pictures.shape
    angle = uniform(generator, count, -0.5, 0.5).view(-1, 1, 1)
    angle = torch.where(uniform(generator, count, 0, 1).view(-1, 1, 1) < 0.3, angle * math.pi, angle * 0.2)
    x = torch.arange(width, device=pictures.device) - uniform(generator, count, 0, width).view(-1, 1, 1)
    y = torch.arange(height, device=pictures.device).unsqueeze(1) - uniform(generator, count, 0, height).view(-1, 1, 1)
    distance = (y * angle.cos() - x * angle.sin()).abs()
    thickness = uniform(generator, count, 0.5, 2.0).view(-1, 1, 1)
    cover = (thickness - distance + 0.5).clamp(0, 1).unsqueeze(1)
    colour = torch.rand(count, 3, 1, 1, device=pictures.device, generator=generator)
    cover = cover * _chosen(generator, count, chance) * uniform(generator, count, 0.5, 1).view(-1, 1, 1, 1)
    return pictures * (1 - cover) + colour * cover


@lru_cache(maxsize=8)
def _dct(device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The 8-point cosine transform, the quantisation tables of JPEG (annex K of ITU-T T.81) and the colour matrices."""
    steps = torch.arange(8, dtype=torch.float32)
    basis = torch.cos(math.pi / 8 * (steps + 0.5) * steps.unsqueeze(1)) * 0.5
    basis[0] *= math.sqrt(0.5)
    tables = torch.tensor((_LUMINANCE, _CHROMINANCE, _CHROMINANCE), dtype=torch.float32)
    return basis.to(device), tables.to(device), torch.tensor(_TO_YCC).to(device), torch.tensor(_TO_RGB).to(device)


def jpeg(pictures: Tensor, generator: torch.Generator, *, chance: float = 0.4) -> Tensor:
    """JPEG's loss: 8 by 8 cosine blocks rounded at qualities 10 to 80. Heights and widths are multiples of 8."""
    count, _, height, width = pictures.shape
    basis, tables, to_ycc, to_rgb = _dct(pictures.device)
    quality = uniform(generator, count, 10, 80)
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50).view(-1, 1, 1, 1)
    tables = (tables * scale).clamp_min(1).view(count, 3, 1, 8, 1, 8)
    ycc = torch.einsum("ij,njhw->nihw", to_ycc, pictures * 255 - 128 * (pictures.new_ones(3, 1, 1)))
    blocks = ycc.reshape(count, 3, height // 8, 8, width // 8, 8)
    spectrum = torch.einsum("iy,ncaybx,jx->ncaibj", basis, blocks, basis)
    spectrum = (spectrum / tables).round() * tables
    blocks = torch.einsum("iy,ncaibj,jx->ncaybx", basis, spectrum, basis)
    out = torch.einsum("ij,njhw->nihw", to_rgb, blocks.reshape(count, 3, height, width)) / 255 + 128 / 255
    return torch.where(_chosen(generator, count, chance), out.clamp(0, 1), pictures)


def degrade(pictures: Tensor, generator: torch.Generator, *, strength: float = 1.0) -> Tensor:
    """All effects in their natural order; `strength` scales how many pictures each one touches."""
    pictures = uneven_light(pictures, generator, chance=0.3 * strength)
    pictures = lines(pictures, generator, chance=0.05 * strength)
    pictures = low_resolution(pictures, share=0.45 * strength)
    pictures = blur(pictures, generator, chance=0.4 * strength)
    pictures = colour_shift(pictures, generator, chance=0.6 * strength)
    pictures = noise(pictures, generator, chance=0.3 * strength)
    return jpeg(pictures, generator, chance=0.4 * strength)
