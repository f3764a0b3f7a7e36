"""A clip to a file: .bvh with rotations found from the joints, .npy or .npz with the joints themselves.

T frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mmkit.errors import UsageError
from mmkit.media import write_motion
from mmkit.media.target import atomic_path
from mmkit_motion import quaternions as q
from mmkit_motion.bvh import format_bvh
from mmkit_motion.skeleton import BONE_LENGTHS, FPS, JOINTS, PARENTS

__all__ = ["to_rotations", "write_clip"]

#: Where single bones point at rest: a T-pose facing z+.
_REST: Final = {
    **dict.fromkeys(("spine2", "spine3", "head"), (0.0, 1.0, 0.0)),
    **dict.fromkeys(("left_knee", "right_knee", "left_ankle", "right_ankle"), (0.0, -1.0, 0.0)),
    **dict.fromkeys(("left_foot", "right_foot"), (0.0, -0.45, 0.9)),
    **dict.fromkeys(("left_shoulder", "left_elbow", "left_wrist"), (1.0, 0.0, 0.0)),
    **dict.fromkeys(("right_shoulder", "right_elbow", "right_wrist"), (-1.0, 0.0, 0.0)),
}


def write_clip(path: Path, joints: NDArray[np.floating]) -> None:
    """Write (T, 22, 3) joints at 20 frames a second, all or nothing.

    Raises:
        UsageError: another ending than .bvh, .npy and .npz.
        BadInput: the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix == ".bvh":
        rest, turns = to_rotations(joints)
        text = format_bvh(rest, turns, joints[:, 0])
        with atomic_path(path) as partial:
            partial.write_text(text, "utf-8")
    elif suffix in (".npy", ".npz"):
        write_motion(path, joints, rate=float(FPS) if suffix == ".npz" else None)
    else:
        raise UsageError(f"Expected a name that ends in .bvh, .npy or .npz, but received {path.name}", where="--output")


def to_rotations(joints: NDArray[np.floating]) -> tuple[NDArray[np.float64], Rotation]:
    """A rest pose (22, 3) and T * 22 rotations of joints against their parents that give (T, 22, 3) joints again.

    Pelvis and chest, which hold three bones each, get their rotation from those; the shape that the three keep on
    average is their rest. Every other joint turns its one bone without twist.
    """
    joints = np.asarray(joints, np.float64)
    count = len(joints)
    children: dict[int, list[int]] = {joint: [] for joint in range(len(JOINTS))}
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            children[parent].append(joint)
    whole = np.zeros((count, len(JOINTS), 4))
    offsets = np.zeros((len(JOINTS), 3))
    for joint, below in children.items():
        parent = PARENTS[joint]
        above = whole[:, parent] if parent >= 0 else np.tile([1.0, 0.0, 0.0, 0.0], (count, 1))
        if len(below) == 3:
            axes = _axes(joints, joint, below)
            x, y, z, w = np.moveaxis(Rotation.from_matrix(axes).as_quat(), -1, 0)
            whole[:, joint] = np.stack([w, x, y, z], axis=-1)
            for child in below:
                mean = np.einsum("tji,tj->i", axes, joints[:, child] - joints[:, joint])
                offsets[child] = mean / max(np.linalg.norm(mean), 1e-9) * BONE_LENGTHS[child]
        elif below:
            (child,) = below
            at_rest = np.array(_REST.get(JOINTS[child], (0.0, 1.0, 0.0)))
            offsets[child] = at_rest / np.linalg.norm(at_rest) * BONE_LENGTHS[child]
            bone = joints[:, child] - joints[:, joint]
            whole[:, joint] = q.multiply(
                q.between(q.rotate(above, np.broadcast_to(offsets[child], bone.shape)), bone), above
            )
        else:
            whole[:, joint] = above
    local = whole.copy()
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            local[:, joint] = q.multiply(q.conjugate(whole[:, parent]), whole[:, joint])
    rest = np.zeros((len(JOINTS), 3))
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            rest[joint] = rest[parent] + offsets[joint]
    return rest, Rotation.from_quat(local.reshape(-1, 4)[:, [1, 2, 3, 0]])


def _axes(joints: NDArray[np.float64], joint: int, below: list[int]) -> NDArray[np.float64]:
    """(T, 3, 3) axes of a joint that holds a left, a right and an upper bone: left, up, ahead."""
    left, right, up = sorted(below, key=lambda child: ("left" not in JOINTS[child], "right" not in JOINTS[child]))
    across = joints[:, left] - joints[:, right]
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-9)
    ahead = np.cross(across, joints[:, up] - joints[:, joint])
    ahead = ahead / np.maximum(np.linalg.norm(ahead, axis=-1, keepdims=True), 1e-9)
    return np.stack([across, np.cross(ahead, across), ahead], axis=-1)
