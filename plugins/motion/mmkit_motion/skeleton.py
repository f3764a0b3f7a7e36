"""The one skeleton everything is brought to: the first 22 joints of SMPL (Loper et al., 2015), y up, metres, 20 fps.

A body that faces z+ has its left side at x+.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BONE_LENGTHS",
    "CHAINS",
    "FACING_JOINTS",
    "FPS",
    "JOINTS",
    "LEFT_FOOT",
    "LEG_LENGTH",
    "MIRROR",
    "PARENTS",
    "RAW_OFFSETS",
    "RIGHT_FOOT",
    "index_of",
    "mirror",
]

#: Frames a second after reading.
FPS: Final = 20
JOINTS: Final = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
)
PARENTS: Final = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
#: Kinematic chains of HumanML3D (Guo et al., 2022): right leg, left leg, spine, right arm, left arm.
CHAINS: Final = (
    (0, 2, 5, 8, 11),
    (0, 1, 4, 7, 10),
    (0, 3, 6, 9, 12, 15),
    (9, 14, 17, 19, 21),
    (9, 13, 16, 18, 20),
)
#: Direction of each bone at rest in HumanML3D's rotations; (22, 3).
RAW_OFFSETS: Final[NDArray[np.float64]] = np.array(
    [
        [0, 0, 0],
        [1, 0, 0],
        [-1, 0, 0],
        [0, 1, 0],
        [0, -1, 0],
        [0, -1, 0],
        [0, 1, 0],
        [0, -1, 0],
        [0, -1, 0],
        [0, 1, 0],
        [0, 0, 1],
        [0, 0, 1],
        [0, 1, 0],
        [1, 0, 0],
        [-1, 0, 0],
        [0, 0, 1],
        [0, -1, 0],
        [0, -1, 0],
        [0, -1, 0],
        [0, -1, 0],
        [0, -1, 0],
        [0, -1, 0],
    ],
    dtype=np.float64,
)
#: Right hip, left hip, right shoulder, left shoulder: what tells where a body faces.
FACING_JOINTS: Final = (2, 1, 17, 16)
LEFT_FOOT: Final = (7, 10)
RIGHT_FOOT: Final = (8, 11)
#: Which joint each becomes in a mirror.
MIRROR: Final = (0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20)
#: Metres from each joint's parent: the lengths of HumanML3D's reference body.
BONE_LENGTHS: Final[NDArray[np.float64]] = np.array(
    [
        0.0,
        0.1031,
        0.1099,
        0.1316,
        0.3936,
        0.3902,
        0.1432,
        0.4324,
        0.4256,
        0.0574,
        0.1434,
        0.1494,
        0.2194,
        0.1375,
        0.1434,
        0.1030,
        0.1316,
        0.1230,
        0.2568,
        0.2631,
        0.2660,
        0.2699,
    ]
)
#: Metres of thigh and shank together, the measure by which other bodies are scaled.
LEG_LENGTH: Final = float((BONE_LENGTHS[[4, 5]].sum() + BONE_LENGTHS[[7, 8]].sum()) / 2)


def index_of(name: str) -> int:
    """The place of a joint in ``JOINTS``."""
    return JOINTS.index(name)


def mirror(joints: NDArray[np.floating]) -> NDArray[np.floating]:
    """Swap left and right of (..., 22, 3) joints: the x axis is turned round and the sides change names."""
    return joints[..., list(MIRROR), :] * np.array([-1.0, 1.0, 1.0], joints.dtype)
