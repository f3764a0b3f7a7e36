"""A picture of a word, brought to the size that the network reads."""

from __future__ import annotations

import numpy as np
from PIL import Image

from mmkit_ocr.recogniser.network import HEIGHT, WIDTH

__all__ = ["fitted"]


def fitted(crop: np.ndarray, *, width: int = WIDTH) -> np.ndarray:
    """(H, W, 3) uint8 RGB -> (48, width, 3) uint8; the aspect ratio is given up, as PARSeq does."""
    if crop.shape[:2] == (HEIGHT, width):
        return np.ascontiguousarray(crop)
    picture = Image.fromarray(np.ascontiguousarray(crop))
    return np.asarray(picture.resize((width, HEIGHT), Image.Resampling.BICUBIC))
