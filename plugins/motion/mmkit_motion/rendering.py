"""Write pictures of clips: film strips as PNG, animations as GIF or MP4."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import ModelUnavailable, UsageError
from mmkit.media.target import atomic_path
from mmkit_motion.drawing import draw_frame, film_strip, view_of
from mmkit_motion.reading import read_clip
from mmkit_motion.skeleton import FPS

__all__ = ["ENDINGS", "render_clip", "write_strips"]

ENDINGS: Final = (".png", ".gif", ".mp4")
_GIF_FPS: Final = 10
_LONGEST_ANIMATION_S: Final = 120


def render_clip(
    path: Path,
    joints: NDArray[np.floating],
    *,
    size: int = 360,
    frames: int = 8,
    azimuth: float = 35.0,
    label: str = "",
) -> None:
    """Draw (T, 22, 3) into a file whose ending says how.

    Args:
        size: pixels of the height.
        frames: of a film strip.
        azimuth: degrees that the camera stands to the body's left of its front.

    Raises:
        UsageError: another ending, or an animation of more than two minutes.
        ModelUnavailable: .mp4 without imageio-ffmpeg.
        BadInput: the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in ENDINGS:
        raise UsageError(
            f"Expected a name that ends in {', '.join(ENDINGS)}, but received {path.name}", where="--output"
        )
    angle = np.radians(azimuth)
    if suffix == ".png":
        strip = film_strip(joints, frames=frames, height=size, azimuth=angle, caption=label)
        with atomic_path(path) as partial:
            strip.save(partial, format="PNG")
        return
    if len(joints) > _LONGEST_ANIMATION_S * FPS:
        raise UsageError(
            f"An animation of {len(joints) / FPS:.0f} seconds is too long; the limit is {_LONGEST_ANIMATION_S}",
            mend="choose a part with --from and --to, or write a .png film strip",
        )
    _animate(path, joints, size=size, angle=angle, label=label)


def _animate(path: Path, joints: NDArray[np.floating], *, size: int, angle: float, label: str) -> None:
    mp4 = path.suffix.lower() == ".mp4"
    step = 1 if mp4 else FPS // _GIF_FPS
    wide = (round(size * 4 / 3 / 2) * 2, round(size / 2) * 2)
    # The camera follows a body that goes far, and stands still for one that does not.
    reach = np.ptp(joints[:, 0, [0, 2]], axis=0).max()
    follow = joints[:, :1] * [1.0, 0.0, 1.0] if reach > 3.0 else np.zeros((len(joints), 1, 3))
    local = joints - follow
    view = view_of(local, wide, azimuth=angle)
    pictures = (
        draw_frame(
            local[frame],
            view,
            wide,
            trail=joints[: frame + 1, 0] - follow[frame],
            label=f"{label}  {frame / FPS:.1f} s".strip(),
        )
        for frame in range(0, len(joints), step)
    )
    if not mp4:
        first, *rest = [picture.quantize(64) for picture in pictures]
        with atomic_path(path) as partial:
            first.save(partial, format="GIF", save_all=True, append_images=rest, duration=1000 // _GIF_FPS, loop=0)
        return
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ModelUnavailable(
            "writing .mp4 needs the package imageio-ffmpeg", mend="install it with: pip install imageio-ffmpeg"
        ) from error
    with atomic_path(path) as partial:
        writer = imageio_ffmpeg.write_frames(str(partial), wide, fps=FPS, macro_block_size=2)
        writer.send(None)
        for picture in pictures:
            writer.send(picture.tobytes())
        writer.close()


def write_strips(path: Path, hits: Sequence[tuple[str, float, float, str]]) -> None:
    """A PNG of film strips one under another.

    Args:
        hits: for each its file, first and last second, and what to write over it.
    """
    from PIL import Image

    strips = []
    for source, start, end, label in hits:
        joints = read_clip(source).joints[round(start * FPS) : max(round(end * FPS), round(start * FPS) + 2)]
        strips.append(film_strip(joints, height=180, caption=label))
    sheet = Image.new("RGB", (max(s.width for s in strips), sum(s.height for s in strips)), (250, 249, 246))
    top = 0
    for one in strips:
        sheet.paste(one, (0, top))
        top += one.height
    with atomic_path(path) as partial:
        sheet.save(partial, format="PNG")
