"""A puppet of the one skeleton: from the channels of a played score to joints.

T frames. Angles in degrees, lengths in metres.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mmkit_motion.skeleton import BONE_LENGTHS, FPS, PARENTS, index_of

__all__ = ["pose"]

Floats = NDArray[np.float64]


def pose(play: dict[str, Floats], *, grounded: str) -> Floats:
    """Forward kinematics of the puppet, (T, 22, 3); its lowest foot, or lowest joint, stands on the ground."""
    count = len(play["yaw"])

    def turn(axis: str, angle: Floats | float) -> Rotation:
        return Rotation.from_euler(axis, np.broadcast_to(np.asarray(angle, np.float64), count)[:, None], degrees=True)

    offsets = np.zeros((22, 3))
    for name, way in {
        "left_hip": (0.56, -0.82, -0.1),
        "right_hip": (-0.56, -0.82, -0.1),
        "spine1": (0, 1, -0.1),
        "spine2": (0, 1, 0),
        "spine3": (0, 1, 0.1),
        "neck": (0, 1, -0.05),
        "head": (0, 0.8, 0.5),
        "left_collar": (0.6, 0.78, 0),
        "right_collar": (-0.6, 0.78, 0),
        "left_shoulder": (1, 0.1, 0),
        "right_shoulder": (-1, 0.1, 0),
    }.items():
        offsets[index_of(name)] = np.array(way) / np.linalg.norm(way)
    for name in (
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
    ):
        offsets[index_of(name)] = (0, -1, 0)
    for name in ("left_foot", "right_foot"):
        offsets[index_of(name)] = (0, -0.4, 0.92)
    offsets *= BONE_LENGTHS[:, None]
    whole = turn("y", play["yaw"]) * turn("x", play["pitch"])
    turns = [whole] * 22
    third = turn("y", play["twist"] / 3) * turn("z", -play["lean"] / 3) * turn("x", play["bend"] / 3)
    for name in ("spine1", "spine2", "spine3"):
        whole = whole * third
        turns[index_of(name)] = whole
    for name in ("neck", "head", "left_collar", "right_collar"):
        turns[index_of(name)] = whole
    for letter, side, sign in (("l", "left", 1.0), ("r", "right", -1.0)):
        leg = turns[0] * turn("z", sign * play[f"{letter}_out"]) * turn("x", -play[f"{letter}_hip"])
        turns[index_of(f"{side}_hip")] = leg
        leg = leg * turn("x", play[f"{letter}_knee"])
        turns[index_of(f"{side}_knee")] = turns[index_of(f"{side}_ankle")] = leg
        arm = whole * turn("z", sign * play[f"{letter}_side"]) * turn("x", -play[f"{letter}_arm"])
        arm = arm * turn("y", -sign * play[f"{letter}_turn"])
        turns[index_of(f"{side}_shoulder")] = arm
        turns[index_of(f"{side}_elbow")] = arm * turn("x", -play[f"{letter}_elbow"])
    out = np.zeros((count, 22, 3))
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            out[:, joint] = out[:, parent] + turns[parent].apply(np.tile(offsets[joint], (count, 1)))
    feet = [index_of(f"{side}_{name}") for side in ("left", "right") for name in ("ankle", "foot")]
    low = out[:, feet if grounded == "feet" else slice(None), 1].min(axis=1)
    ahead = np.radians(play["yaw"])
    step = np.stack([np.sin(ahead), np.cos(ahead)], axis=-1) * play["speed"][:, None] / FPS
    place = np.cumsum(step, axis=0)
    out[..., 0] += place[:, None, 0]
    out[..., 2] += place[:, None, 1]
    out[..., 1] += (play["up"] - low)[:, None]
    return out
