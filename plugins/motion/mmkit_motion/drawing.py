"""Draw a clip: film strips, frames of an animation. Plain Pillow, no plotting library.

T frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mmkit_motion.skeleton import FPS, JOINTS, PARENTS

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["View", "draw_frame", "film_strip", "view_of"]

#: Left is warm, right is cool, the middle is grey.
_LEFT: Final = (214, 80, 40)
_RIGHT: Final = (40, 104, 190)
_CENTRE: Final = (70, 70, 74)
_PAPER: Final = (250, 249, 246)
_GRID: Final = (222, 220, 214)
_INK: Final = (90, 90, 96)
#: Pictures are drawn this much larger and scaled down, for smooth lines.
_OVERSAMPLE: Final = 3


@dataclass(frozen=True, slots=True)
class View:
    """A camera without perspective: it looks at ``centre`` from ``azimuth`` radians round and ``height`` radians up.

    Attributes:
        scale: pixels a metre.
    """

    centre: tuple[float, float, float]
    scale: float
    azimuth: float
    height: float = 0.25

    def project(self, points: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float64]:
        """(..., 3) metres to (..., 3) of pixel x, pixel y, and distance (greater is nearer)."""
        moved = np.asarray(points, np.float64) - self.centre
        sin, cos = np.sin(self.azimuth), np.cos(self.azimuth)
        # Seen from the front (azimuth 0, from z+), the body's left (x+) is on the right of the picture.
        across = moved[..., 0] * cos - moved[..., 2] * sin
        near = moved[..., 0] * sin + moved[..., 2] * cos
        up = moved[..., 1] * np.cos(self.height) - near * np.sin(self.height)
        near = near * np.cos(self.height) + moved[..., 1] * np.sin(self.height)
        return np.stack([size[0] / 2 + self.scale * across, size[1] / 2 - self.scale * up, near], axis=-1)


def view_of(joints: NDArray[np.floating], size: tuple[int, int], *, azimuth: float = 0.6) -> View:
    """A view that holds all of (T, 22, 3) in a picture of ``size``."""
    low, high = joints.min(axis=(0, 1)), joints.max(axis=(0, 1)) + np.array([0.0, 0.2, 0.0])  # the head's top, and air
    centre = (low + high) / 2
    unit = View(tuple(centre), 1.0, azimuth)
    flat = unit.project(joints.reshape(-1, 3), (0, 0))[:, :2]
    spread = 2 * np.abs(flat).max(axis=0) + 0.3
    return View(tuple(centre), float(min(size[0] / spread[0], size[1] / spread[1])), azimuth)


def draw_frame(
    joints: NDArray[np.floating],
    view: View,
    size: tuple[int, int],
    *,
    trail: NDArray[np.floating] | None = None,
    label: str = "",
) -> Image.Image:
    """One frame (22, 3) on a floor of one-metre squares.

    Args:
        trail: (T, 3) earlier places of the pelvis, drawn on the floor.
        label: a line of text in the corner.
    """
    from PIL import Image, ImageDraw

    big = (size[0] * _OVERSAMPLE, size[1] * _OVERSAMPLE)
    view = View(view.centre, view.scale * _OVERSAMPLE, view.azimuth, view.height)
    picture = Image.new("RGB", big, _PAPER)
    pen = ImageDraw.Draw(picture)
    _floor(pen, view, big)
    if trail is not None and len(trail) > 1:
        path = view.project(trail * [1.0, 0.0, 1.0], big)[:, :2]
        pen.line([tuple(point) for point in path], fill=_INK, width=_OVERSAMPLE)
    places = view.project(joints, big)
    thick = max(2.0, view.scale * 0.035)
    bones = [joint for joint, parent in enumerate(PARENTS) if parent >= 0]
    # The nearer a bone, the later it is drawn.
    for joint in sorted(bones, key=lambda joint: places[joint, 2] + places[PARENTS[joint], 2]):
        colour = _colour(joint)
        start, end = places[PARENTS[joint], :2], places[joint, :2]
        pen.line([tuple(start), tuple(end)], fill=colour, width=round(thick))
        for point in (start, end):
            pen.ellipse([*(point - thick / 2), *(point + thick / 2)], fill=colour)
    head, radius = places[JOINTS.index("head"), :2], view.scale * 0.10
    head = head - [0, radius * 0.6]
    pen.ellipse([*(head - radius), *(head + radius)], outline=_CENTRE, fill=_PAPER, width=round(thick))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    if label:
        ImageDraw.Draw(picture).text((6, 4), label, fill=_INK)
    return picture


def film_strip(
    joints: NDArray[np.floating], *, frames: int = 8, height: int = 220, azimuth: float = 0.6, caption: str = ""
) -> Image.Image:
    """A row of equally spaced frames of (T, 22, 3), each with its second."""
    from PIL import Image, ImageDraw

    chosen = np.unique(np.linspace(0, len(joints) - 1, frames).round().astype(int))
    # Every frame is centred on its own body, so that a long walk stays as large as a step.
    local = joints - joints[:, :1] * [1.0, 0.0, 1.0]
    size = (round(height * 0.72), height)
    view = view_of(local[chosen], size, azimuth=azimuth)
    bar = 20 if caption else 0
    strip = Image.new("RGB", (size[0] * len(chosen), height + bar), _PAPER)
    for column, frame in enumerate(chosen):
        trail = joints[: frame + 1, 0] - joints[frame, 0] * [1.0, 0.0, 1.0]
        picture = draw_frame(local[frame], view, size, trail=trail, label=f"{frame / FPS:.1f} s")
        strip.paste(picture, (column * size[0], bar))
    if caption:
        ImageDraw.Draw(strip).text((6, 4), caption, fill=_INK)
    return strip


def _colour(joint: int) -> tuple[int, int, int]:
    name = JOINTS[joint]
    return _LEFT if name.startswith("left") else _RIGHT if name.startswith("right") else _CENTRE


def _floor(pen: object, view: View, size: tuple[int, int]) -> None:
    """Lines of one-metre squares around the view's centre."""
    centre = np.round([view.centre[0], 0.0, view.centre[2]])
    reach = 6
    for step in range(-reach, reach + 1):
        for line in ([[step, 0, -reach], [step, 0, reach]], [[-reach, 0, step], [reach, 0, step]]):
            ends = view.project(np.array(line, np.float64) + centre, size)[:, :2]
            pen.line([tuple(ends[0]), tuple(ends[1])], fill=_GRID, width=_OVERSAMPLE)  # type: ignore[attr-defined]
