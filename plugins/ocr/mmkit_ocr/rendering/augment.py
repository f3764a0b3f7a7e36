"""The distortions of rendered words for real crops: a second look at each from another place, in another light."""

from __future__ import annotations

import torch
from torch import Tensor

from mmkit_ocr.rendering.effects import degrade
from mmkit_ocr.rendering.geometry import canvas_points, random_warp, sample, uniform

__all__ = ["augment"]


def augment(crops: Tensor, generator: torch.Generator, *, strength: float = 0.5) -> Tensor:
    """Crops (N, 3, H, W) in [0, 1] to others of the same shape and text.

    Random perspective, rotation, bend and crop margins, then light, blur, noise and compression. `strength` in [0, 1]
    scales how far and how often. What comes into view beyond the crop repeats its edge.
    """
    count, _, height, width = crops.shape
    aspect = torch.full((count,), width / height, device=crops.device)
    warp = random_warp(aspect, generator, strength=strength)
    bounds = warp.bounds()
    extent = bounds[:, 2:] - bounds[:, :2]
    # Rarely cut into the crop (its word may touch the edge), more often look beyond it.
    margin = torch.stack([uniform(generator, count, -0.03, 0.10) for _ in range(4)], 1) * 2 * strength
    plain = uniform(generator, count, 0, 1).unsqueeze(1) < 0.3
    margin = torch.where(plain, torch.zeros_like(margin), margin)
    sides = torch.cat((-extent, extent), 1) * margin
    points = warp.backward(canvas_points(bounds + sides, (height, width)))
    grid = torch.stack((points[..., 0] / (aspect.unsqueeze(1) / 2), points[..., 1] * 2), -1)
    warped = sample(crops, grid.clamp(-4, 4), (height, width), padding="border")
    return degrade(warped, generator, strength=strength)
