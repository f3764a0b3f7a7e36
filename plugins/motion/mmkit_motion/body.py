"""From any body's joints to the one skeleton: fill in what is missing, scale, turn upright, give standard bones.

T frames.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput
from mmkit_motion.joint_names import Landmarks, Tree, landmarks_by_name, landmarks_by_shape
from mmkit_motion.skeleton import BONE_LENGTHS, JOINTS, LEG_LENGTH, PARENTS, index_of

__all__ = ["drop_rest_pose", "refuse_not_finite", "resample", "standard_bones", "to_skeleton", "upright"]

#: Places of spine1, spine2 and spine3 along the way from pelvis to neck.
_ALONG_SPINE: Final = (0.24, 0.50, 0.61)
#: How many frames at the start may be the rest pose and the way out of it.
_FIRST: Final = 8


def to_skeleton(tree: Tree, positions: NDArray[np.floating], *, where: str) -> NDArray[np.float64]:
    """(T, 22, 3) from a file's joints (T, J, 3), in the file's unit and axes.

    Raises:
        BadInput: the tree is not that of a human body.
    """
    place = {name: index for index, name in enumerate(tree.names)}
    if all(name in place for name in JOINTS):
        return np.asarray(positions, np.float64)[:, [place[name] for name in JOINTS]]
    marks = landmarks_by_name(tree) or landmarks_by_shape(tree, positions)
    if marks is None:
        raise BadInput(
            f"has a skeleton of {len(tree.names)} joints in which no human body was found "
            f"({', '.join(tree.names[:6])}, ...)",
            where=where,
            mend="name its joints as BVH files do (Hips, LeftUpLeg, LeftLeg, LeftFoot, Spine, Neck, LeftArm, ...)",
        )
    return _fill(marks, np.asarray(positions, np.float64))


def _fill(marks: Landmarks, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.empty((len(positions), len(JOINTS), 3))

    def at(name: str) -> NDArray[np.float64]:
        return positions[:, marks.single[name]]

    hips = (at("left_hip") + at("right_hip")) / 2
    neck, shoulders = at("neck"), (at("left_shoulder") + at("right_shoulder")) / 2
    # Bodies differ in where they put their root; SMPL's pelvis lies a little above the middle of the hips.
    up = neck - hips
    pelvis = hips + 0.17 * up
    out[:, 0], out[:, index_of("neck")] = pelvis, neck
    # Some bodies have spine joints down at the hips, below where SMPL's pelvis is: they would make a kink.
    above = [joint for joint in marks.spine[1:-1] if _share(positions[:, joint] - hips, up) > 0.24]
    spine = np.stack([pelvis, *(positions[:, joint] for joint in above), neck], axis=1)
    for name, share in zip(("spine1", "spine2", "spine3"), _ALONG_SPINE, strict=True):
        out[:, index_of(name)] = _along(spine, share)
    out[:, index_of("head")] = at("head") if "head" in marks.single else neck + 0.25 * up
    ahead = _unit(np.cross(at("left_hip") - at("right_hip"), up))
    for side in ("left", "right"):
        for name in ("hip", "knee", "ankle", "shoulder", "elbow"):
            out[:, index_of(f"{side}_{name}")] = at(f"{side}_{name}")
        ankle, elbow, shoulder = at(f"{side}_ankle"), at(f"{side}_elbow"), at(f"{side}_shoulder")
        if f"{side}_foot" in marks.single:
            toes = at(f"{side}_foot")
        else:
            shank = np.linalg.norm(ankle - at(f"{side}_knee"), axis=-1, keepdims=True)
            toes = ankle + ahead * 0.3 * shank
        out[:, index_of(f"{side}_foot")] = toes
        wrist = at(f"{side}_wrist") if f"{side}_wrist" in marks.single else elbow + (elbow - shoulder)
        out[:, index_of(f"{side}_wrist")] = wrist
        # Collar bones begin near the chest in every body, whatever a file calls by that name.
        chest = out[:, index_of("spine3")]
        middle = (neck + shoulders) / 2
        out[:, index_of(f"{side}_collar")] = chest + 0.75 * (middle - chest) + 0.4 * (shoulder - middle)
    return out


def _share(vectors: NDArray[np.float64], up: NDArray[np.float64]) -> float:
    """How far (T, 3) reach along (T, 3), as a share of its length."""
    return float((vectors * up).sum(-1).mean() / max((up * up).sum(-1).mean(), 1e-12))


def _along(points: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """(T, 3) at a share of the way along the polyline (T, K, 3), by its mean lengths."""
    lengths = np.linalg.norm(np.diff(points, axis=1), axis=-1).mean(axis=0)
    ends = np.concatenate([[0.0], np.cumsum(lengths)])
    place = share * ends[-1]
    piece = min(int(np.searchsorted(ends, place, side="right")) - 1, len(lengths) - 1)
    part = (place - ends[piece]) / max(lengths[piece], 1e-9)
    return points[:, piece] + part * (points[:, piece + 1] - points[:, piece])


def refuse_not_finite(frames: NDArray[np.floating], *, where: str) -> None:
    """Refuse NaN and infinite numbers in (T, ...) frames, and name the first frame that holds one.

    Raises:
        BadInput: there is such a frame.
    """
    bad = np.flatnonzero(~np.isfinite(frames).reshape(len(frames), -1).all(axis=1))
    if len(bad):
        raise BadInput(
            f"holds NaN or infinite numbers in {len(bad)} of {len(frames)} frames, first in frame {bad[0] + 1}",
            where=where,
            mend="cut those frames out, or export it again",
        )


def upright(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn (T, 22, 3) joints so that y is up, where another axis plainly is."""
    feet = joints[:, [7, 8, 10, 11]].mean(axis=1)
    stand = np.median(_unit(joints[:, index_of("neck")] - feet), axis=0)
    axis = int(np.abs(stand).argmax())
    # A body that lies down keeps y; only one that stands along another axis is turned.
    if axis == 1 or abs(stand[axis]) < 0.75 or abs(stand[1]) > 0.5:
        turned = joints
        sign = np.sign(stand[1]) if axis == 1 and abs(stand[1]) > 0.75 else 1.0
        return turned * [1.0, -1.0, -1.0] if sign < 0 else turned
    x, y, z = np.moveaxis(joints, -1, 0)
    if axis == 2:
        return np.stack([x, z, -y], axis=-1) * ([1.0, 1.0, 1.0] if stand[2] > 0 else [1.0, -1.0, -1.0])
    return np.stack([-y, x, z], axis=-1) * ([1.0, 1.0, 1.0] if stand[0] > 0 else [-1.0, -1.0, 1.0])


def standard_bones(joints: NDArray[np.float64], *, where: str) -> NDArray[np.float64]:
    """Give (T, 22, 3) joints the standard bone lengths, keeping every bone's direction; the root is scaled by the legs.

    So the unit of a file does not matter. The method of HumanML3D (Guo et al., 2022).

    Raises:
        BadInput: legs without length.
    """
    legs = [np.linalg.norm(joints[:, a] - joints[:, b], axis=-1) for a, b in ((1, 4), (4, 7), (2, 5), (5, 8))]
    length = float(np.median(sum(legs))) / 2
    if not length > 1e-6:
        raise BadInput("has a body whose legs have no length", where=where)
    out = np.empty_like(joints)
    out[:, 0] = joints[:, 0] * (LEG_LENGTH / length)
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            out[:, joint] = out[:, parent] + _unit(joints[:, joint] - joints[:, parent]) * BONE_LENGTHS[joint]
    return out


def drop_rest_pose(joints: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Leave out the T-pose that many converted files put before the first frame: a leap no body makes."""
    if len(joints) < 2 * _FIRST:
        return joints
    local = joints[: 2 * _FIRST] - joints[: 2 * _FIRST, :1]
    speed = np.linalg.norm(np.diff(local, axis=0), axis=-1).mean(axis=-1) * rate
    thigh = np.linalg.norm(joints[:, 1] - joints[:, 4], axis=-1).mean()
    # Limbs that on average go faster than ten thighs a second, in the first frames alone, did not move: they were set.
    leaps = np.flatnonzero(speed > 10 * thigh)
    return joints[leaps[-1] + 1 :] if len(leaps) and leaps[-1] < _FIRST else joints


def resample(joints: NDArray[np.floating], rate: float, target: float) -> NDArray[np.float64]:
    """(T, J, 3) at another number of frames a second, by linear interpolation in time."""
    joints = np.asarray(joints, np.float64)
    if abs(rate - target) < 1e-6 or len(joints) == 1:
        return joints
    last = len(joints) - 1
    times = np.arange(int(np.floor(last / rate * target + 1e-6)) + 1) * (rate / target)
    before = np.minimum(times.astype(np.int64), last - 1)
    share = (times - before)[:, None, None]
    return joints[before] * (1 - share) + joints[before + 1] * share


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    down = np.zeros(vectors.shape[-1])
    down[1] = -1.0
    return np.where(length > 1e-9, vectors / np.maximum(length, 1e-9), down)
