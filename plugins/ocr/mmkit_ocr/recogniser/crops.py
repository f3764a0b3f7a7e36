"""A picture of a word, brought to the size that the network reads.

Legend: H, W pixels of a crop.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image

from mmkit_ocr.recogniser.network import HEIGHT, WIDTH

__all__ = ["GREY", "NARROWEST", "drawn_width", "fitted"]

#: What stands behind the word where it does not fill the width.
GREY: Final = 128
#: Crops of one or two characters are drawn out to this width.
NARROWEST: Final = 80


def drawn_width(width: float, height: float, *, most: int = WIDTH) -> int:
    """How wide a crop of that size is drawn: in its own proportions between 80 pixels and the whole width."""
    return int(min(max(round(HEIGHT * width / height), NARROWEST), most))


def fitted(crop: np.ndarray, *, width: int = WIDTH) -> np.ndarray:
    """(H, W, 3) uint8 RGB -> (48, width, 3) uint8: the word at the left in its own proportions, grey behind it."""
    if crop.shape[:2] == (HEIGHT, width):
        return np.ascontiguousarray(crop)
    drawn = drawn_width(crop.shape[1], crop.shape[0], most=width)
    picture = Image.fromarray(np.ascontiguousarray(crop)).resize((drawn, HEIGHT), Image.Resampling.BICUBIC)
    out = np.full((HEIGHT, width, 3), GREY, np.uint8)
    out[:, :drawn] = np.asarray(picture)
    return out
