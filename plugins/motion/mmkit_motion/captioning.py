"""A sentence for a motion, or one for every few seconds of a long one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmkit_motion.skeleton import FPS

if TYPE_CHECKING:
    from mmkit_motion.lamp import Lamp
    from mmkit_motion.reading import Clip

__all__ = ["caption_clip"]


def caption_clip(lamp: Lamp, clip: Clip, *, every: float = 9.8, beams: int = 4) -> list[tuple[float, float, str]]:
    """First second, last second and sentence of each piece of at most ``every`` seconds."""
    length = max(2, round(every * FPS))
    total = len(clip.joints)
    # A last piece too short to say anything of belongs to the one before it.
    starts = [start for start in range(0, total, length) if start == 0 or total - start >= FPS]
    out = []
    for start, end in zip(starts, [*starts[1:], total], strict=True):
        piece = lamp.motion_input(clip.joints[start:end])[0]
        out.append((start / FPS, end / FPS, lamp.captions([piece], beams=beams)[0]))
    return out
