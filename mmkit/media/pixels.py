"""Pixel modes: whatever a picture file stores, as 8-bit RGB without clipping."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

__all__ = ["to_rgb"]


def to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB of a loaded picture of any mode: 16-bit and float scaled, transparency laid on white.

    Raises:
        ValueError: Pillow knows no way from its mode to RGB.
    """
    mode = image.mode
    if mode.startswith("I;16"):
        return _gray(_from_16_bit(np.asarray(image)))
    if mode == "I":
        return _gray(_from_integers(np.asarray(image), image.format))
    if mode == "F":
        return _gray(_from_floats(np.asarray(image)))
    if mode == "LAB":
        return _from_lab(image)
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _on_white(image)
    return image if mode == "RGB" else image.convert("RGB")


def _gray(values: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(values).convert("RGB")


def _from_16_bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _from_integers(values: NDArray[Any], kind: str | None) -> NDArray[np.uint8]:
    low, high = int(values.min()), int(values.max())
    # PNG and PNM hold 16 bits in this mode; elsewhere the values themselves tell their range.
    if kind in ("PNG", "PPM") or (low >= 0 and 255 < high <= 65535):
        return _from_16_bit(np.clip(values, 0, 65535))
    if low >= 0 and high <= 255:
        return values.astype(np.uint8)
    return _stretched(values.astype(np.float64), low, high)


def _from_floats(values: NDArray[Any]) -> NDArray[np.uint8]:
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape, np.uint8)
    low, high = float(values[finite].min()), float(values[finite].max())
    values = np.where(finite, values, low).astype(np.float64)
    if low >= 0 and high <= 1:
        return np.rint(values * 255).astype(np.uint8)
    if low >= 0 and high <= 255:
        return np.rint(values).astype(np.uint8)
    return _stretched(values, low, high)


def _stretched(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    if high == low:
        return np.zeros(values.shape, np.uint8)
    return np.rint((values - low) * (255 / (high - low))).astype(np.uint8)


def _on_white(image: Image.Image) -> Image.Image:
    image = image if image.mode == "RGBA" else image.convert("RGBA")
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=alpha)
    return white


@cache
def _lab_transform() -> ImageCms.ImageCmsTransform:
    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(lab, rgb, "LAB", "RGB")


def _from_lab(image: Image.Image) -> Image.Image:
    converted = ImageCms.applyTransform(image, _lab_transform())
    if converted is None:
        raise ValueError("the LAB colours could not be converted")
    return converted
