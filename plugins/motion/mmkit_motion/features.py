"""The motion feature of HumanML3D (Guo et al., 2022) from joints, and joints from it.

T frames, J joints; leading axes stand for recordings of one length. A feature row holds, for J = 22 (263 numbers):

    [0]        angular velocity of the root about y, as the arcsine of half the turn a frame (radians)
    [1:3]      linear velocity of the root along x and z, in the body's own heading (metres a frame)
    [3]        height of the root (metres)
    [4:67]     positions of the other 21 joints, in the body's own heading, relative to the root's place on the floor
    [67:193]   rotations of those joints against their parents, six numbers each
    [193:259]  velocities of all 22 joints in the body's own heading (metres a frame)
    [259:263]  whether left ankle, left toes, right ankle, right toes stand still

The same definition with J = 21 gives the 251 numbers of KIT-ML.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from mmkit_motion import quaternions as q
from mmkit_motion.skeleton import CHAINS, FACING_JOINTS, LEFT_FOOT, RAW_OFFSETS, RIGHT_FOOT

__all__ = ["WIDTH", "facing", "from_features", "straighten", "to_features"]

#: Numbers a frame for 22 joints.
WIDTH: Final = 263
#: Squared metres a frame below which a foot counts as standing.
STANDING: Final = 0.002
#: Standard deviation, in frames, of the smoothing of the heading.
_SMOOTHING: Final = 20
_HEADING_JOINTS: Final = (1, 2, 17, 16)
_UP: Final = np.array([0.0, 1.0, 0.0])
_AHEAD: Final = np.array([0.0, 0.0, 1.0])


def facing(joints: NDArray[np.floating], *, order: tuple[int, ...] = FACING_JOINTS) -> NDArray[np.floating]:
    """Unit vectors (..., 3) in the floor plane that the body faces, from hips and shoulders of (..., J, 3)."""
    forward = _forward(joints, order)
    length = np.linalg.norm(forward, axis=-1, keepdims=True)
    return np.where(length > 1e-8, forward / np.maximum(length, 1e-8), _AHEAD)


def straighten(joints: NDArray[np.floating]) -> NDArray[np.floating]:
    """Stand (..., T, J, 3) joints on the floor, start at the origin and face z+ in the first frame."""
    floor = np.asarray(joints[..., 1].min(axis=(-2, -1)), np.float64)
    moved = np.asarray(joints, np.float64) - floor[..., None, None, None] * _UP
    moved = moved - moved[..., :1, :1, :] * [1.0, 0.0, 1.0]
    return q.rotate(_turn_ahead(facing(moved[..., :1, :, :]))[..., None, :], moved)


def to_features(joints: NDArray[np.floating]) -> NDArray[np.float32]:
    """(..., T, 22, 3) straightened joints to (..., T - 1, 263) features; the last frame only gives velocities.

    Raises:
        ValueError: fewer than two frames, or another number of joints.
    """
    if joints.ndim < 3 or joints.shape[-2:] != (22, 3) or joints.shape[-3] < 2:
        raise ValueError(f"Expected (..., T, 22, 3) joints of two frames or more, but received {joints.shape}")
    joints = np.asarray(joints, np.float64)
    # The published heading takes the hips the wrong way round, and models trained on the feature expect just that.
    # It is smoothed before it is made a unit vector: a body that leans sideways counts for less.
    forward = gaussian_filter1d(_forward(joints, _HEADING_JOINTS), _SMOOTHING, axis=-2, mode="nearest")
    forward /= np.maximum(np.linalg.norm(forward, axis=-1, keepdims=True), 1e-8)
    heading = _turn_ahead(forward)
    # The published definition sets the first heading to none whatever smoothing made of it.
    heading[..., 0, :] = [1.0, 0.0, 0.0, 0.0]
    steps = joints[..., 1:, :, :] - joints[..., :-1, :, :]
    turn = q.multiply(heading[..., 1:, :], q.conjugate(heading[..., :-1, :]))
    root_step = q.rotate(heading[..., 1:, :], steps[..., 0, :])
    local = joints - joints[..., :1, :] * [1.0, 0.0, 1.0]
    local = q.rotate(heading[..., None, :], local)
    still = (steps**2).sum(-1) < STANDING
    rows = steps.shape[:-2]
    parts = [
        np.arcsin(np.clip(turn[..., 2:3], -1.0, 1.0)),
        root_step[..., [0, 2]],
        local[..., :-1, 0, 1:2],
        local[..., :-1, 1:, :].reshape(*rows, -1),
        q.to_six(_rotations(joints, heading)[..., :-1, 1:, :]).reshape(*rows, -1),
        q.rotate(heading[..., :-1, None, :], steps).reshape(*rows, -1),
        still[..., list(LEFT_FOOT)],
        still[..., list(RIGHT_FOOT)],
    ]
    return np.concatenate(parts, axis=-1).astype(np.float32)


def from_features(features: NDArray[np.floating], *, joints: int = 22) -> NDArray[np.float64]:
    """Joints (T, J, 3) from features (T, 263), or (T, 251) with ``joints=21``, by their positions, not rotations."""
    features = np.asarray(features, np.float64)
    angle = np.concatenate([[0.0], np.cumsum(features[:-1, 0])])
    heading = np.stack([np.cos(angle), np.zeros_like(angle), np.sin(angle), np.zeros_like(angle)], axis=-1)
    step = np.zeros((len(features), 3))
    step[1:, [0, 2]] = features[:-1, 1:3]
    place = np.cumsum(q.rotate(q.conjugate(heading), step), axis=0)
    local = features[:, 4 : 4 + 3 * (joints - 1)].reshape(len(features), joints - 1, 3)
    out = np.empty((len(features), joints, 3))
    out[:, 0] = place
    out[:, 0, 1] = features[:, 3]
    out[:, 1:] = q.rotate(q.conjugate(heading)[:, None], local) + place[:, None]
    return out


def _forward(joints: NDArray[np.floating], order: tuple[int, ...]) -> NDArray[np.floating]:
    """(..., 3) in the floor plane, ahead of the body, of length one where hips and shoulders are level."""
    right_hip, left_hip, right_shoulder, left_shoulder = (joints[..., joint, :] for joint in order)
    across = right_shoulder - left_shoulder + (right_hip - left_hip)
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-8)
    return q.cross(_UP, across)


def _turn_ahead(forward: NDArray[np.floating]) -> NDArray[np.floating]:
    """The rotation that turns each of (..., 3) to z+."""
    return q.between(forward, _AHEAD)


def _rotations(joints: NDArray[np.float64], heading: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 22, 4) rotation of each joint against its parent, along the chains; each chain starts from the heading."""
    out = np.zeros((*joints.shape[:-1], 4))
    out[..., 0, :] = heading
    for chain in CHAINS:
        total = heading
        for parent, child in pairwise(chain):
            bone = joints[..., child, :] - joints[..., parent, :]
            bone = bone / np.maximum(np.linalg.norm(bone, axis=-1, keepdims=True), 1e-9)
            whole = q.between(RAW_OFFSETS[child], bone)
            out[..., child, :] = q.multiply(q.conjugate(total), whole)
            total = q.multiply(total, out[..., child, :])
    return out
