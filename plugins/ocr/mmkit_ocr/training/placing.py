"""Words at the left of their canvas in their own proportions, for whole batches.

Rendering and distortion fill the canvas; the network reads words in proportion, as ``recogniser.crops.fitted`` lays
them out. Both ways between the two are one lookup.

Legend: N words, H = 48 and W pixels of the canvas.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mmkit_ocr.recogniser.crops import GREY, NARROWEST
from mmkit_ocr.recogniser.network import HEIGHT

__all__ = ["ink_widths", "jittered", "placed", "stretched"]


def placed(pictures: Tensor, widths: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) that fill the canvas -> the same squeezed into their first ``widths`` (N,) columns."""
    columns = torch.arange(pictures.shape[3], device=pictures.device) + 0.5
    looked = 2 * columns[None] / widths[:, None] - 1
    squeezed = F.grid_sample(pictures, _grid(looked, pictures), padding_mode="border", align_corners=False)
    return torch.where((columns[None] < widths[:, None])[:, None, None], squeezed, GREY / 255)


def stretched(pictures: Tensor, widths: Tensor) -> Tensor:
    """The other way: the first ``widths`` (N,) columns drawn out over the canvas."""
    columns = torch.arange(pictures.shape[3], device=pictures.device) + 0.5
    inner = columns[None] * (widths[:, None] / pictures.shape[3])
    # Half a column inside, so that the grey behind the word is not mixed in.
    inner = inner.clamp(min=0.5).minimum(widths[:, None] - 0.5)
    return F.grid_sample(pictures, _grid(2 * inner / pictures.shape[3] - 1, pictures), align_corners=False)


def ink_widths(masks: Tensor) -> Tensor:
    """About how wide (N,) the words of masks (N, h, w) are drawn in their own proportions, margins included."""
    across, down = (masks.amax(1) > 24).sum(1), (masks.amax(2) > 24).sum(1)
    aspect = across / down.clamp_min(1)
    return HEIGHT * (aspect + 0.2) / 1.2


def jittered(widths: Tensor, generator: torch.Generator, *, most: int, spread: float = 0.15) -> Tensor:
    """Widths (N,) made somewhat narrower or wider, within the limits of ``drawn_width``."""
    noise = torch.randn(len(widths), device=widths.device, generator=generator)
    return (widths * (spread * noise).exp()).round().clamp(NARROWEST, most)


def _grid(looked: Tensor, pictures: Tensor) -> Tensor:
    n, _, height, width = pictures.shape
    rows = (torch.arange(height, device=pictures.device) + 0.5) * 2 / height - 1
    return torch.stack([looked[:, None].expand(n, height, width), rows[None, :, None].expand(n, height, width)], -1)
