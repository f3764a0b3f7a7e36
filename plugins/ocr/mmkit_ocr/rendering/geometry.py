"""Where each pixel of a word picture comes from: curved, sheared, turned and seen from the side, whole batches at once.

A word lives in a frame of its own: u to the right in [-a/2, a/2], v down in [-1/2, 1/2], so its height is 1 and its
width is its aspect ratio a. The picture sees the frame bent on an arc and then through a homography. Shapes: N words,
H and W pixels, P points.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Warp", "canvas_points", "random_warp", "sample", "uniform"]


def uniform(generator: torch.Generator, count: int, low: float, high: float) -> Tensor:
    """(N,) numbers evenly from [low, high), on the generator's device."""
    return torch.rand(count, device=generator.device, generator=generator) * (high - low) + low


@dataclass(frozen=True)
class Warp:
    """How N words are bent and seen. aspect (N,): width by height. radius (N,): of the arc, signed, in word heights.
    homography (N, 3, 3): from the bent frame to the picture's plane."""

    aspect: Tensor
    radius: Tensor
    homography: Tensor

    def forward(self, points: Tensor) -> Tensor:
        """Frame points (N, P, 2) to the plane, (N, P, 2)."""
        u, v = points.unbind(-1)
        sign = self.radius.sign().unsqueeze(1)
        radius = self.radius.abs().unsqueeze(1)
        distance = radius - v * sign
        angle = u / radius
        bent = torch.stack((distance * angle.sin(), (radius - distance * angle.cos()) * sign), -1)
        return _project(self.homography, bent)

    def backward(self, points: Tensor) -> Tensor:
        """Plane points (N, P, 2) to the frame, (N, P, 2)."""
        x, y = _project(torch.linalg.inv(self.homography), points).unbind(-1)
        sign = self.radius.sign().unsqueeze(1)
        radius = self.radius.abs().unsqueeze(1)
        rise = radius - y * sign
        u = radius * torch.atan2(x, rise)
        v = (radius - torch.hypot(x, rise)) * sign
        return torch.stack((u, v), -1)

    def bounds(self) -> Tensor:
        """(N, 4): left, top, right, bottom of the warped word in the plane."""
        steps = torch.linspace(-0.5, 0.5, 13, device=self.aspect.device)
        u = (self.aspect.unsqueeze(1) * steps).repeat(1, 2)
        v = torch.cat((torch.full_like(steps, -0.5), torch.full_like(steps, 0.5))).expand_as(u)
        plane = self.forward(torch.stack((u, v), -1))
        return torch.cat((plane.amin(1), plane.amax(1)), 1)


def _project(matrix: Tensor, points: Tensor) -> Tensor:
    turned = points @ matrix[:, :2, :2].transpose(1, 2) + matrix[:, None, :2, 2]
    depth = (points * matrix[:, 2:, :2]).sum(-1, keepdim=True) + matrix[:, 2:, 2:]
    return turned / depth.clamp_min(1e-2)


def random_warp(aspect: Tensor, generator: torch.Generator, *, strength: float = 1.0) -> Warp:
    """A warp for each of N words of these aspect ratios (N,): mostly mild, with a tail of strong perspective, rotation
    and curvature as in street views and logos. strength 0 is the identity (but for a bend too small to see)."""
    count = len(aspect)

    def tailed(mild: float, strong: float, chance: float) -> Tensor:
        """Near normal around 0, of a wider spread for some."""
        normal = torch.randn(count, device=generator.device, generator=generator).clamp(-2.5, 2.5)
        wide = uniform(generator, count, 0, 1) < chance
        return normal * torch.where(wide, strong, mild) * strength

    bend = tailed(0.05, 0.6, 0.2)
    bend = torch.where(uniform(generator, count, 0, 1) < 0.5, bend, bend * 0)
    # Beyond this the inner edge of the arc would fold over; short words cannot bend much.
    bend = bend.clamp(-1.0, 1.0) * (aspect * 0.5).clamp(max=1.6)
    bend = torch.where(bend.abs() < 5e-3, torch.full_like(bend, 5e-3), bend)

    angle = tailed(0.03, 0.17, 0.22)
    shear = tailed(0.06, 0.28, 0.22)
    tilt_x = tailed(0.05, 0.22, 0.3).clamp(-0.42, 0.42) / (aspect / 2)
    # A bent word is higher than 1: the same tilt would turn its far end over.
    tilt_y = tailed(0.05, 0.25, 0.15).clamp(-0.5, 0.5) / (1 + bend.abs() * aspect / 4)
    cos, sin = angle.cos(), angle.sin()
    one, zero = torch.ones_like(cos), torch.zeros_like(cos)
    rotation = torch.stack((cos, -sin, zero, sin, cos, zero, zero, zero, one), -1).view(-1, 3, 3)
    skew = torch.stack((one, shear, zero, zero, one, zero, zero, zero, one), -1).view(-1, 3, 3)
    view = torch.stack((one, zero, zero, zero, one, zero, tilt_x, tilt_y, one), -1).view(-1, 3, 3)
    return Warp(aspect, aspect / bend, rotation @ view @ skew)


def canvas_points(box: Tensor, size: tuple[int, int]) -> Tensor:
    """Where pictures of `size` (H, W) that show the boxes (N, 4) have their pixel centres: (N, H*W, 2)."""
    height, width = size
    x = (torch.arange(width, device=box.device) + 0.5) / width
    y = (torch.arange(height, device=box.device) + 0.5) / height
    grid = torch.stack((x.expand(height, width), y.unsqueeze(1).expand(height, width)), -1).view(1, -1, 2)
    return box[:, None, :2] + grid * (box[:, None, 2:] - box[:, None, :2])


def sample(pictures: Tensor, grid: Tensor, size: tuple[int, int], *, padding: str = "zeros") -> Tensor:
    """Pictures (N, C, h, w) looked up at grid (N, H*W, 2) in [-1, 1]: (N, C, H, W)."""
    grid = grid.view(len(grid), *size, 2)
    return torch.nn.functional.grid_sample(pictures, grid, padding_mode=padding, align_corners=False)
