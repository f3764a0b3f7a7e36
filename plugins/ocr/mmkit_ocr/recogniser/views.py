"""Further looks at a crop that was read with doubt: other margins, widths, slants and turns.

Legend: H, W pixels of a crop.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image

from mmkit_ocr.recogniser.crops import GREY, NARROWEST, drawn_width, fitted
from mmkit_ocr.recogniser.network import HEIGHT

__all__ = ["LOOKS", "second_looks"]

_WIDTHS: Final = (1.3, 0.8)
_TURNS: Final = (8.0, -8.0)
_SLANTS: Final = (0.25, -0.25)
#: How many pictures ``second_looks`` makes of a crop.
LOOKS: Final = 2 + len(_WIDTHS) + len(_TURNS) + len(_SLANTS)


def second_looks(crop: np.ndarray, *, width: int) -> list[np.ndarray]:
    """(H, W, 3) uint8 -> ``LOOKS`` pictures (48, width, 3): wider and narrower margins, proportions, turns, slants."""
    height = crop.shape[0]
    margin, cut = max(1, round(0.12 * height)), round(0.06 * height)
    looks = [fitted(np.pad(crop, ((margin, margin), (margin, margin), (0, 0)), mode="edge"), width=width)]
    inner = crop[cut : height - cut, cut : crop.shape[1] - cut]
    looks.append(fitted(inner if min(inner.shape[:2]) > 8 else crop, width=width))
    looks += [_drawn(crop, factor, width) for factor in _WIDTHS]
    picture = Image.fromarray(np.ascontiguousarray(crop))
    # What comes into view beside a turned crop looks like most of it.
    ground = tuple(int(value) for value in np.median(crop.reshape(-1, 3), 0))
    for angle in _TURNS:
        turned = picture.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=ground)
        looks.append(fitted(np.asarray(turned), width=width))
    for slant in _SLANTS:
        size = (picture.width + int(abs(slant) * height), height)
        shear = (1, slant, -slant * height if slant > 0 else 0, 0, 1, 0)
        slanted = picture.transform(size, Image.Transform.AFFINE, shear, Image.Resampling.BICUBIC, fillcolor=ground)
        looks.append(fitted(np.asarray(slanted), width=width))
    return looks


def _drawn(crop: np.ndarray, factor: float, width: int) -> np.ndarray:
    """The crop drawn ``factor`` times as wide as its proportions ask."""
    own = drawn_width(crop.shape[1] * factor, crop.shape[0], most=width)
    if factor < 1:
        own = max(NARROWEST * 4 // 5, min(own, int(drawn_width(crop.shape[1], crop.shape[0], most=width) * factor)))
    picture = Image.fromarray(np.ascontiguousarray(crop)).resize((own, HEIGHT), Image.Resampling.BICUBIC)
    out = np.full((HEIGHT, width, 3), GREY, np.uint8)
    out[:, :own] = np.asarray(picture)
    return out
