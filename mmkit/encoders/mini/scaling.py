"""The picture tower's crop, cut and scaled by torch: what ``preprocess`` computes, at a fraction of its time.

Both are bicubic with antialiasing on bytes; torch's is vectorised. Results differ by one grey level at most, and by
the rounding of the crop to whole pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmkit.encoders.mini.preprocessing import Preprocessing, preprocess

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

__all__ = ["scaled_crop"]

#: Crops of more than this many times the side go to Pillow, which averages whole pixels first.
_LARGEST_RATIO = 3


def scaled_crop(picture: Image.Image, settings: Preprocessing) -> NDArray[np.uint8]:
    """Bytes (3, S, S) of the centre of an upright RGB picture."""
    import numpy as np
    import torch
    import torch.nn.functional as F

    left, top, right, bottom = _whole_box(picture.width, picture.height, settings)
    if max(right - left, bottom - top) > _LARGEST_RATIO * settings.size:
        return preprocess(picture, settings)
    crop = torch.from_numpy(np.array(np.asarray(picture)[top:bottom, left:right]))
    side = (settings.size, settings.size)
    scaled = F.interpolate(crop.permute(2, 0, 1)[None], side, mode="bicubic", antialias=True)
    return np.asarray(scaled[0].contiguous().numpy())


def _whole_box(width: int, height: int, settings: Preprocessing) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) that ``preprocess`` takes, in whole pixels and never empty."""
    short = min(width, height) * settings.squash
    box_w = max(1, round(min(width, short) * settings.crop))
    box_h = max(1, round(min(height, short) * settings.crop))
    left, top = (width - box_w) // 2, (height - box_h) // 2
    return left, top, left + box_w, top + box_h
