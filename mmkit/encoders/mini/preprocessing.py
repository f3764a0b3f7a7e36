"""From a PIL picture to the byte array that the picture tower was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

__all__ = ["Preprocessing", "normalise", "preprocess"]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture becomes a square of `size` pixels.

    crop: share of the short side that the square covers. squash: how far a long side may be
    squeezed before its ends are cut off (1 never squeezes, 1.5 takes in a whole 3:2 photo).
    mean, scale: bytes become (byte - mean) / scale.
    """

    size: int = 260
    crop: float = 1.0
    squash: float = 1.0
    mean: float = 127.0
    scale: float = 128.0

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Preprocessing:
        """The settings of a weights folder's `config.json`, section "preprocessing"."""
        return cls(**{name: config[name] for name in cls.__dataclass_fields__ if name in config})


def preprocess(image: Image.Image, settings: Preprocessing | None = None) -> NDArray[np.uint8]:
    """Bytes (3, size, size) of the centre of a picture, antialiased bicubic.

    Turned upright by its EXIF tag, transparency over white, any mode and any aspect ratio.
    The crop is cut and scaled in one step, so a 1 x 100,000 strip costs no more than its centre.
    """
    import numpy as np
    from PIL import Image as pillow

    settings = settings or Preprocessing()
    picture = _as_rgb(image)
    box = _crop_box(picture.width, picture.height, settings)
    side = (settings.size, settings.size)
    resized = picture.resize(side, pillow.Resampling.BICUBIC, box=box, reducing_gap=3.0)
    return np.ascontiguousarray(np.asarray(resized, dtype=np.uint8).transpose(2, 0, 1))


def normalise(pixels: Any, settings: Preprocessing | None = None) -> Any:
    """Byte arrays or tensors (…, 3, H, W) in the tower's normalisation, as float32."""
    settings = settings or Preprocessing()
    floats = pixels.float() if hasattr(pixels, "float") else pixels.astype("float32")
    return (floats - settings.mean) / settings.scale


def _as_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image as pillow
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode == "RGB":
        return upright
    if upright.mode.startswith(("I", "F")):
        # 16- and 32-bit greys do not fit a byte: stretch them to it instead of cutting them off.
        import numpy as np

        values = np.asarray(upright, dtype=np.float32)
        low, span = values.min(), max(float(np.ptp(values)), 1e-12)
        grey = np.rint((values - low) * (255.0 / span)).astype(np.uint8)
        return pillow.fromarray(grey).convert("RGB")
    if "A" in upright.getbands() or "transparency" in upright.info:
        layered = upright.convert("RGBA")
        white = pillow.new("RGBA", layered.size, (255, 255, 255, 255))
        return pillow.alpha_composite(white, layered).convert("RGB")
    return upright.convert("RGB")


def _crop_box(width: int, height: int, settings: Preprocessing) -> tuple[float, float, float, float]:
    """The centred box (left, top, right, bottom), in source pixels, that becomes the square."""
    short = min(width, height)
    box_w = min(width, short * settings.squash) * settings.crop
    box_h = min(height, short * settings.squash) * settings.crop
    left, top = (width - box_w) / 2, (height - box_h) / 2
    return (left, top, left + box_w, top + box_h)
