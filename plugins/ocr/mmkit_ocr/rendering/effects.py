"""What a camera, a screen and a file format do to a picture, for whole batches on any device.

An effect takes pictures (N, 3, H, W) in [0, 1] and a generator on the same device, and gives as many of the same shape
and range. `on_some` puts it on a random part of a batch, `degrade` chains them as they happen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from mmkit_ocr.rendering.geometry import uniform

__all__ = ["Effect", "degrade", "on_some"]

Effect: TypeAlias = Callable[[Tensor, torch.Generator], Tensor]

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
# The shares of its height and width that a picture keeps when its resolution is lowered.
_SCALES: Final = ((0.25, 0.3), (0.33, 0.33), (0.42, 0.4), (0.5, 0.3), (0.5, 0.5), (0.6, 0.7), (0.75, 0.55))


def on_some(pictures: Tensor, generator: torch.Generator, chance: float, effect: Effect) -> Tensor:
    """The pictures with the effect on each of them with that chance; the others are not even computed."""
    rows = (uniform(generator, len(pictures), 0, 1) < chance).nonzero().squeeze(1)
    if len(rows) == 0:
        return pictures
    return pictures.index_copy(0, rows, effect(pictures[rows], generator))


def uneven_light(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """A smooth gradient of light, at times the edge of a shadow."""
    count, _, height, width = pictures.shape
    field = torch.rand(count, 1, 3, 5, device=pictures.device, generator=generator)
    field = functional.interpolate(field, (height, width), mode="bicubic", align_corners=True)
    amount = _each(generator, count, 0.2, 0.9)
    field = torch.where(_each(generator, count, 0, 1) < 0.15, torch.sigmoid((field - 0.5) * 25), field)
    return (pictures * (1 + amount * (field - 0.6))).clamp(0, 1)


def colour_shift(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Brightness, contrast, gamma, saturation and white balance."""
    count = len(pictures)

    def factor(low: float, high: float) -> Tensor:
        return _each(generator, count, math.log(low), math.log(high)).exp()

    out = pictures.clamp(1e-3, 1) ** factor(0.55, 1.8)
    mean = out.mean((1, 2, 3), keepdim=True)
    out = (out - mean) * factor(0.6, 1.5) + mean + _each(generator, count, -0.15, 0.15)
    grey = out.mean(1, keepdim=True)
    balance = 1 + 0.08 * torch.randn(count, 3, 1, 1, device=pictures.device, generator=generator)
    return ((grey + (out - grey) * factor(0.3, 1.6)) * balance).clamp(0, 1)


def greyscale(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Without colours."""
    return pictures.mean(1, keepdim=True).expand_as(pictures)


def negative(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Light for dark."""
    return 1 - pictures


def blur(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Out of focus, or moved: a 9 by 9 oriented Gaussian of its own for each picture."""
    count, channels = pictures.shape[:2]
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
    kernel = kernel / kernel.sum((1, 2), keepdim=True)
    padded = functional.pad(pictures, (_KERNEL // 2,) * 4, mode="replicate")
    weight = kernel.to(pictures.dtype).repeat_interleave(channels, 0).unsqueeze(1)
    groups = count * channels
    return functional.conv2d(padded.view(1, groups, *padded.shape[2:]), weight, groups=groups).view(pictures.shape)


def low_resolution(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Made small and large again, neighbours in the batch by the same factors."""
    _, _, height, width = pictures.shape
    parts = []
    for index, part in enumerate(pictures.tensor_split(len(_SCALES))):
        tall, wide = _SCALES[index]
        if len(part):
            small = functional.interpolate(
                part, (max(4, round(height * tall)), max(4, round(width * wide))), mode="area"
            )
            mode = "bilinear" if index % 2 else "bicubic"
            parts.append(functional.interpolate(small, (height, width), mode=mode, align_corners=False))
    return torch.cat(parts).clamp(0, 1)


def noise(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Sensor noise: grainy in grey or in colour."""
    count = len(pictures)
    grain = torch.randn(pictures.shape, device=pictures.device, generator=generator)
    grey = grain.mean(1, keepdim=True) * math.sqrt(3)
    grain = torch.where(_each(generator, count, 0, 1) < 0.5, grain, grey)
    return (pictures + grain * _each(generator, count, 0.005, 1) ** 2 * 0.08).clamp(0, 1)


def specks(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Dust: one pixel in a hundred black, one white."""
    dust = torch.rand(pictures[:, :1].shape, device=pictures.device, generator=generator)
    return torch.where(dust > 0.99, torch.ones_like(pictures), torch.where(dust < 0.01, 0.0, pictures))


def lines(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """A wire, a scratch or a ruled line over the word."""
    count, _, height, width = pictures.shape
    angle = uniform(generator, count, -0.5, 0.5).view(-1, 1, 1)
    angle = torch.where(uniform(generator, count, 0, 1).view(-1, 1, 1) < 0.3, angle * math.pi, angle * 0.2)
    x = torch.arange(width, device=pictures.device) - uniform(generator, count, 0, width).view(-1, 1, 1)
    y = torch.arange(height, device=pictures.device).unsqueeze(1) - uniform(generator, count, 0, height).view(-1, 1, 1)
    distance = (y * angle.cos() - x * angle.sin()).abs()
    thickness = uniform(generator, count, 0.5, 2.0).view(-1, 1, 1)
    cover = (thickness - distance + 0.5).clamp(0, 1).unsqueeze(1) * _each(generator, count, 0.5, 1)
    colour = torch.rand(count, 3, 1, 1, device=pictures.device, generator=generator)
    return pictures * (1 - cover) + colour * cover


def _each(generator: torch.Generator, count: int, low: float, high: float) -> Tensor:
    """A number of its own for each picture, (N, 1, 1, 1)."""
    return uniform(generator, count, low, high).view(-1, 1, 1, 1)


@lru_cache(maxsize=8)
def _dct(device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The 8-point cosine transform, the quantisation tables of JPEG (annex K of ITU-T T.81) and the colour matrices."""
    steps = torch.arange(8, dtype=torch.float32)
    basis = torch.cos(math.pi / 8 * (steps + 0.5) * steps.unsqueeze(1)) * 0.5
    basis[0] *= math.sqrt(0.5)
    tables = torch.tensor((_LUMINANCE, _CHROMINANCE, _CHROMINANCE), dtype=torch.float32)
    return basis.to(device), tables.to(device), torch.tensor(_TO_YCC).to(device), torch.tensor(_TO_RGB).to(device)


def jpeg(pictures: Tensor, generator: torch.Generator) -> Tensor:
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
    return out.clamp(0, 1)


#: In their natural order: light, lens, sensor, file; with the chance of each.
_CHAIN: Final[tuple[tuple[Effect, float], ...]] = (
    (uneven_light, 0.3),
    (lines, 0.05),
    (low_resolution, 0.45),
    (blur, 0.4),
    (colour_shift, 0.6),
    (greyscale, 0.08),
    (negative, 0.04),
    (noise, 0.3),
    (specks, 0.005),
    (jpeg, 0.4),
)


def degrade(pictures: Tensor, generator: torch.Generator, *, strength: float = 1.0) -> Tensor:
    """All effects in their natural order; `strength` scales how many pictures each one touches."""
    for effect, chance in _CHAIN:
        pictures = on_some(pictures, generator, chance * strength, effect)
    return pictures
