"""Quadrilaterals: corners of lines and words, cut out straight, split and turned.

A quad is (4, 2) float32: x, y of the corners clockwise, beginning where its text begins at the top, so that its first
side runs along the text.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["bounds", "clockwise", "cut", "part_of", "quad_size", "turned_back"]

FloatArray = NDArray[np.float32]


def clockwise(corners: FloatArray) -> FloatArray:
    """The corners of a rectangle in any order, as a quad of text that runs from left to right."""
    by_x = corners[np.argsort(corners[:, 0], kind="stable")]
    left, right = by_x[:2], by_x[2:]
    left = left[np.argsort(left[:, 1], kind="stable")]
    right = right[np.argsort(right[:, 1], kind="stable")]
    return np.stack([left[0], right[0], right[1], left[1]]).astype(np.float32)


def quad_size(quad: FloatArray) -> tuple[float, float]:
    """(width along the text, height) of a quad in pixels."""
    sides = np.linalg.norm(quad - np.roll(quad, -1, axis=0), axis=1)
    return float(max(sides[0], sides[2])), float(max(sides[1], sides[3]))


def bounds(quad: FloatArray) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 of the upright box around a quad."""
    low, high = quad.min(axis=0), quad.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def cut(pixels: NDArray[np.uint8], quad: FloatArray) -> NDArray[np.uint8]:
    """The quad's content as a straight picture, its text from left to right.

    Args:
        pixels: (H, W, 3) uint8; only the part around the quad is copied.

    Returns:
        (h, w, 3) uint8, each side at least one pixel.
    """
    width, height = (max(1, round(side)) for side in quad_size(quad))
    x0, y0, x1, y1 = bounds(quad)
    left, top = max(0, int(x0) - 2), max(0, int(y0) - 2)
    region = pixels[top : int(y1) + 3, left : int(x1) + 3]
    if 0 in region.shape:
        return np.full((height, width, 3), 255, np.uint8)
    # Quads run along the edges of pixels, and OpenCV counts from the centre of the first one.
    source = (quad - (left + 0.5, top + 0.5)).astype(np.float32)
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - np.float32(0.5)
    matrix = cv2.getPerspectiveTransform(source, target)
    straight = cv2.warpPerspective(
        np.ascontiguousarray(region), matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(straight, np.uint8)


def part_of(quad: FloatArray, start: float, end: float) -> FloatArray:
    """The part of a quad from one fraction of its width to another."""
    top_left, top_right, bottom_right, bottom_left = quad
    top, bottom = top_right - top_left, bottom_right - bottom_left
    return np.stack(
        [top_left + start * top, top_left + end * top, bottom_left + end * bottom, bottom_left + start * bottom]
    ).astype(np.float32)


def turned_back(quads: FloatArray, turns: int, width: int, height: int) -> FloatArray:
    """Quads of a picture that ``numpy.rot90(picture, turns)`` made, as quads of the picture itself.

    Args:
        quads: (..., 2) coordinates in the turned picture.
        width, height: of the picture before it was turned.
    """
    x, y = quads[..., 0], quads[..., 1]
    moved = {0: (x, y), 1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}[turns % 4]
    return np.stack(moved, axis=-1).astype(np.float32)
