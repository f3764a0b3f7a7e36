"""Word masks and backgrounds to pictures of words, whole batches at once, on the CPU or a GPU."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from mmkit_ocr.rendering.effects import degrade, on_some
from mmkit_ocr.rendering.geometry import Warp, canvas_points, random_warp, sample, uniform

__all__ = ["SIZE", "compose"]

SIZE = (48, 160)
_GREY = (0.299, 0.587, 0.114)


def compose(masks: Tensor, backgrounds: Tensor, generator: torch.Generator, *, size: tuple[int, int] = SIZE) -> Tensor:
    """Pictures (N, 3, H, W) in [0, 1] of words whose masks are (N, 64, 256) uint8.

    backgrounds (M, 3, h, w) uint8: photos; words are put on pieces of them, on flat or shaded signs, or on both mixed.
    generator: on the masks' device; the same state gives the same pictures. size: (H, W), multiples of 8.
    """
    ink = masks.unsqueeze(1).float() / 255
    centre, extent = _ink_box(masks)
    warp = random_warp((extent[:, 0] / extent[:, 1]).clamp(0.2, 12), generator)
    box = _crop_box(warp, generator)
    points = warp.backward(canvas_points(box, size))

    word = sample(ink, _grid(points, warp, centre, extent), size)
    border, shadow = _border(word, generator), _shadow(word, generator)
    neighbours = _neighbours(ink, points, warp, centre, extent, size, generator)

    ground = _ground(backgrounds, size, len(masks), generator)
    fill, edge = _colours(ground, word, backgrounds, size, generator)
    picture = ground * (1 - 0.8 * shadow)
    picture = picture * (1 - border) + edge * border
    solid = uniform(generator, len(masks), 0.72, 1.1).clamp(max=1).view(-1, 1, 1, 1)
    cover = torch.maximum(word, neighbours) * solid
    picture = picture * (1 - cover) + fill * cover
    # Screens and good cameras leave no trace; effects that pile up on every picture would leave few to be read.
    return on_some(picture, generator, 0.75, partial(degrade, strength=0.65))


def _ink_box(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Centre and extent of the ink, each (N, 2) as x, y in mask pixels."""
    _, height, width = masks.shape
    columns, rows = masks.amax(1) > 24, masks.amax(2) > 24
    left, right = columns.int().argmax(1), width - columns.flip(1).int().argmax(1)
    top, bottom = rows.int().argmax(1), height - rows.flip(1).int().argmax(1)
    low, high = torch.stack((left, top), 1).float(), torch.stack((right, bottom), 1).float()
    return (low + high) / 2, (high - low).clamp_min(1)


def _crop_box(warp: Warp, generator: torch.Generator) -> Tensor:
    """(N, 4): what part of the plane the picture shows. Annotated boxes are tight, loose or cut a little."""
    bounds = warp.bounds()
    count = len(bounds)
    height = bounds[:, 3:] - bounds[:, 1:2]
    loose = uniform(generator, count, 0, 1).unsqueeze(1) ** 2 * 0.35
    sides = torch.rand(count, 4, device=bounds.device, generator=generator) * loose * height
    slip = torch.randn(count, 4, device=bounds.device, generator=generator) * 0.025 * height
    sides = (sides + 0.02 * height + slip).maximum(-0.04 * height)
    return bounds + sides * torch.tensor((-1.0, -1.0, 1.0, 1.0), device=bounds.device)


def _grid(points: Tensor, warp: Warp, centre: Tensor, extent: Tensor) -> Tensor:
    """Frame points (N, P, 2) to places in the mask in [-1, 1]."""
    frame = torch.stack((warp.aspect, torch.ones_like(warp.aspect)), 1).unsqueeze(1)
    pixels = points / frame * extent.unsqueeze(1) + centre.unsqueeze(1)
    return (pixels / torch.tensor((128.0, 32.0), device=points.device) - 1).clamp(-4, 4)


def _some(generator: torch.Generator, count: int, chance: float) -> Tensor:
    return (uniform(generator, count, 0, 1) < chance).float().view(-1, 1, 1, 1)


def _border(word: Tensor, generator: torch.Generator) -> Tensor:
    """A rim around the letters (N, 1, H, W), for some."""
    thin = functional.max_pool2d(word, 3, 1, 1)
    wide = functional.max_pool2d(thin, 3, 1, 1)
    return torch.where(_some(generator, len(word), 0.5) > 0, thin, wide) * _some(generator, len(word), 0.1)


def _shadow(word: Tensor, generator: torch.Generator) -> Tensor:
    """The letters again, displaced and soft (N, 1, H, W), for some."""
    count = len(word)
    turn = torch.eye(2, device=word.device).expand(count, 2, 2)
    offset = torch.stack((uniform(generator, count, -0.06, 0.06), uniform(generator, count, -0.2, 0.2)), 1)
    grid = functional.affine_grid(torch.cat((turn, offset.unsqueeze(2)), 2), list(word.shape), align_corners=False)
    moved = functional.grid_sample(functional.avg_pool2d(word, 3, 1, 1), grid, align_corners=False)
    return moved * _some(generator, count, 0.12) * uniform(generator, count, 0.3, 1).view(-1, 1, 1, 1)


def _neighbours(
    ink: Tensor, points: Tensor, warp: Warp, centre: Tensor, extent: Tensor, size: tuple[int, int],
    generator: torch.Generator,
) -> Tensor:  # fmt: skip
    """What of the words beside, above and below reaches into the picture: (N, 1, H, W), empty for most."""
    count = len(ink)
    other = torch.roll(torch.arange(count, device=ink.device), 1)
    side = torch.randint(0, 4, (count,), device=ink.device, generator=generator)
    gap = uniform(generator, count, 0.12, 0.45)
    aspect = warp.aspect[other]
    beside = (warp.aspect + aspect) / 2 + gap.clamp_min(0.2)
    over = 1 + gap
    zero = torch.zeros_like(gap)
    shift_x = torch.where(side == 0, beside, torch.where(side == 1, -beside, zero))
    shift_y = torch.where(side == 2, over, torch.where(side == 3, -over, zero))
    moved = points - torch.stack((shift_x, shift_y), 1).unsqueeze(1)
    placed = Warp(aspect, warp.radius, warp.homography)
    seen = sample(ink[other], _grid(moved, placed, centre[other], extent[other]), size)
    return seen * _some(generator, count, 0.25)


def _ground(backgrounds: Tensor, size: tuple[int, int], count: int, generator: torch.Generator) -> Tensor:
    """Pictures without a word: pieces of photos under flat or shaded colour of random strength."""
    photo = _photo(backgrounds, size, count, generator)
    device = backgrounds.device
    colour = torch.rand(count, 3, 1, 1, device=device, generator=generator)
    # Signs and paper are more often white, black or grey than evenly coloured.
    grey = uniform(generator, count, 0, 1).view(-1, 1, 1, 1)
    grey = torch.where(
        _some(generator, count, 0.5) > 0, 0.5 + 0.5 * (2 * grey - 1).sign() * (2 * grey - 1).abs() ** 0.4, grey
    )
    colour = torch.where(_some(generator, count, 0.5) > 0, grey.expand_as(colour), colour)
    shade = torch.rand(count, 3, 2, 2, device=device, generator=generator) - 0.5
    shade = functional.interpolate(shade, size, mode="bilinear", align_corners=True)
    flat = colour + shade * uniform(generator, count, 0, 0.5).view(-1, 1, 1, 1) * _some(generator, count, 0.5)
    flat = flat + _stripes(size, count, generator)
    photo_share = uniform(generator, count, 0, 1).view(-1, 1, 1, 1) ** 2
    photo_share = torch.where(_some(generator, count, 0.2) > 0, torch.ones_like(photo_share), photo_share * 0.5)
    return (photo * photo_share + flat * (1 - photo_share)).clamp(0, 1)


def _photo(backgrounds: Tensor, size: tuple[int, int], count: int, generator: torch.Generator) -> Tensor:
    """Random pieces (N, 3, H, W) of random photos, also mirrored, some out of focus."""
    device = backgrounds.device
    index = torch.randint(0, len(backgrounds), (count,), device=device, generator=generator)
    zoom = uniform(generator, count, 0.15, 1.0)
    zoom_y = zoom * uniform(generator, count, 0.6, 1.0)
    mirror = torch.where(uniform(generator, count, 0, 1) < 0.5, 1.0, -1.0)
    zero = torch.zeros_like(zoom)
    x = (1 - zoom) * uniform(generator, count, -1, 1)
    y = (1 - zoom_y) * uniform(generator, count, -1, 1)
    theta = torch.stack((zoom * mirror, zero, x, zero, zoom_y, y), 1).view(-1, 2, 3)
    grid = functional.affine_grid(theta, [count, 3, *size], align_corners=False)
    return functional.grid_sample(backgrounds[index].float() / 255, grid, padding_mode="border", align_corners=False)


def _stripes(size: tuple[int, int], count: int, generator: torch.Generator) -> Tensor:
    """Faint regular lines, as of blinds, bricks, ruled paper and cloth, for some."""
    height, width = size
    angle = uniform(generator, count, 0, 3.1416).view(-1, 1, 1, 1)
    period = uniform(generator, count, 0.15, 1.2).view(-1, 1, 1, 1)
    x = torch.arange(width, device=generator.device)
    y = torch.arange(height, device=generator.device).unsqueeze(1)
    wave = torch.sin((x * angle.cos() + y * angle.sin()) * period)
    return wave * uniform(generator, count, 0, 0.2).view(-1, 1, 1, 1) * _some(generator, count, 0.1)


def _luminance(pictures: Tensor) -> Tensor:
    return (pictures * torch.tensor(_GREY, device=pictures.device).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _colours(
    ground: Tensor, word: Tensor, backgrounds: Tensor, size: tuple[int, int], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """What the letters (N, 3, H, W) and their border (N, 3, 1, 1) are filled with: lighter or darker than the ground.

    The wanted difference in luminance is mostly large; for a tail it is just enough to be read.
    """
    count = len(ground)
    light = _luminance(ground)
    weight = word + 1e-3
    around = (light * weight).sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True)
    spread = (((light - around) ** 2 * weight).sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True)).sqrt()
    wanted = uniform(generator, count, 0, 1).view(-1, 1, 1, 1) * 0.65 + 0.22 + 1.5 * spread
    # Mostly to the side that has the room; either side where both have.
    up = uniform(generator, count, 0, 1).view(-1, 1, 1, 1)
    up = torch.where(up < (1 - around - wanted).clamp(-0.5, 0.5) + 0.5, 1.0, -1.0)
    up = torch.where(around + wanted > 1, -1.0, torch.where(around - wanted < 0, 1.0, up))
    up = torch.where((wanted > around) & (wanted > 1 - around), torch.where(around < 0.5, 1.0, -1.0), up)
    target = (around + up * wanted).clamp(0.0, 1.0)

    hue = torch.rand(count, 3, 1, 1, device=ground.device, generator=generator)
    hue = torch.where(_some(generator, count, 0.45) > 0, torch.full_like(hue, 0.5), hue)
    fill = _to_luminance(hue, target)
    shade = torch.rand(count, 3, 2, 2, device=ground.device, generator=generator) - 0.5
    shade = functional.interpolate(shade, size, mode="bilinear", align_corners=True)
    fill = fill + shade * 0.4 * _some(generator, count, 0.2)
    texture = _photo(backgrounds, size, count, generator)
    texture = (texture - texture.mean((2, 3), keepdim=True)) * 0.8
    fill = (fill + texture * _some(generator, count, 0.15)).clamp(0, 1)
    edge = (target - up * (0.3 + 0.7 * uniform(generator, count, 0, 1).view(-1, 1, 1, 1))).clamp(0, 1)
    return fill, edge.expand(-1, 3, -1, -1)


def _to_luminance(colour: Tensor, target: Tensor) -> Tensor:
    """The colours, darkened or lightened towards black or white, at the luminance `target`."""
    now = _luminance(colour)
    darker = colour * (target / now.clamp_min(1e-3))
    lighter = 1 - (1 - colour) * ((1 - target) / (1 - now).clamp_min(1e-3))
    return torch.where(target < now, darker, lighter)
