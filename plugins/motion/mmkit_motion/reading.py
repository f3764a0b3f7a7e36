"""Any motion file to a clip: joints of the one skeleton, metres, y up, 20 frames a second.

T frames, J joints of the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput
from mmkit.media import read_motion
from mmkit.media.detect import array_headers
from mmkit.media.source import Source, name_of, open_source, suffix_of
from mmkit.types import Item
from mmkit_motion import acclaim
from mmkit_motion.body import drop_rest_pose, refuse_not_finite, resample, standard_bones, to_skeleton, upright
from mmkit_motion.bvh import parse_bvh
from mmkit_motion.features import WIDTH, from_features, straighten
from mmkit_motion.joint_names import Tree
from mmkit_motion.skeleton import FPS, JOINTS, PARENTS

__all__ = ["SUFFIXES", "Clip", "clip_from_joints", "read_clip", "read_joints"]

SUFFIXES: Final = (".bvh", ".amc", ".npy", ".npz")
#: Frames a second of KIT-ML's features.
_KIT_RATE: Final = 12.5
_KIT_WIDTH: Final = 251
#: Columns of a table of features, or of the 22 joints one after another.
_WIDTHS: Final = (WIDTH, _KIT_WIDTH, 66)
#: The longest recording read into memory: two hours.
_MOST_SECONDS: Final = 7200
#: Millimetres, the smallest unit there is, in a thousand kilometres.
_FARTHEST: Final = 1e9

_SMPL: Final = Tree(JOINTS, PARENTS)
_KIT: Final = Tree(
    (
        *("pelvis", "spine", "chest", "neck", "head", "right_shoulder", "right_elbow", "right_wrist"),
        *("left_shoulder", "left_elbow", "left_wrist", "right_hip", "right_knee", "right_ankle", "right_foot"),
        *("right_toe_end", "left_hip", "left_knee", "left_ankle", "left_foot", "left_toe_end"),
    ),
    (-1, 0, 1, 2, 3, 3, 5, 6, 3, 8, 9, 0, 11, 12, 13, 14, 0, 16, 17, 18, 19),
)
_H36M: Final = Tree(
    (
        *("pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "spine", "neck"),
        *("head", "head_end", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow"),
        "right_wrist",
    ),
    (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
)
#: Arrays of joints without names, by their number: SMPL, SMPL-H, SMPL-X start with the same 22.
_LAYOUTS: Final = {22: _SMPL, 24: _SMPL, 52: _SMPL, 55: _SMPL, 127: _SMPL, 21: _KIT, 17: _H36M}


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A motion on the one skeleton.

    Attributes:
        name: of the file.
        joints: (T, 22, 3) float32 metres, y up, feet on the floor, at the origin and facing z+ in the first frame.
    """

    name: str
    joints: NDArray[np.float32]

    @property
    def seconds(self) -> float:
        return len(self.joints) / FPS


def read_clip(source: Source, *, rate: float | None = None) -> Clip:
    """Read a .bvh, .amc (its .asf beside it), .npy or .npz.

    Args:
        source: a path, an item, or an item's array.
        rate: frames a second, where the file does not say (arrays: 20 if not given; .amc: 120).

    Raises:
        BadInput: the file cannot be read, holds no human body, or fewer than two frames.
    """
    where = name_of(source)
    suffix = suffix_of(source)
    if isinstance(source, Item) and source.array is not None:
        joints, found = _array(np.asarray(source.array), source.rate, where)
    elif suffix in _PARSERS:
        joints, found = _PARSERS[suffix](source, where)
    else:
        raise BadInput(
            f"Expected a file that ends in {', '.join(SUFFIXES)}, but received {suffix or 'no ending'}", where=where
        )
    return clip_from_joints(joints, rate or found, where=where)


def clip_from_joints(joints: NDArray[np.floating], rate: float, *, where: str) -> Clip:
    """A clip from (T, 22, 3) joints of any unit and heading at ``rate`` frames a second.

    Raises:
        BadInput: not finite, fewer than two frames, or longer than two hours.
    """
    if not rate > 0 or not np.isfinite(rate):
        raise BadInput(f"has a rate of {rate} frames a second", where=where, mend="give the true one with --rate")
    refuse_not_finite(joints, where=where)
    if (far := float(np.abs(joints).max(initial=0.0))) > _FARTHEST:
        raise BadInput(
            f"holds a position of {far:.0e}, farther than any unit explains",
            where=where,
            mend="cut those frames out, or export it again",
        )
    if len(joints) < 2:
        raise BadInput("has one frame, and a motion needs two or more", where=where)
    if len(joints) / rate > _MOST_SECONDS:
        raise BadInput(
            f"is {len(joints) / rate / 3600:.1f} hours long at {rate:g} frames a second, and the limit is 2",
            where=where,
            mend="cut it into parts, or give the true rate with --rate",
        )
    joints = drop_rest_pose(upright(np.asarray(joints, np.float64)), rate)
    joints = standard_bones(resample(joints, rate, FPS), where=where)
    if len(joints) < 2:
        raise BadInput("is shorter than two frames at 20 frames a second", where=where)
    return Clip(where, straighten(joints).astype(np.float32))


def read_joints(item: Item) -> NDArray[np.float32]:
    """(T, 22, 3) of an item, as the core's readers give motion."""
    return read_clip(item).joints


def _bvh(source: Source, where: str) -> tuple[NDArray[np.float64], float]:
    parsed = parse_bvh(_text(source, where), where=where)
    return to_skeleton(parsed.tree, parsed.positions, where=where), parsed.rate


def _amc(source: Source, where: str) -> tuple[NDArray[np.float64], float]:
    path = source.path if isinstance(source, Item) else source if isinstance(source, (str, os.PathLike)) else None
    if path is None:
        raise BadInput("needs the .asf that lies beside it, so it cannot come as bytes", where=where)
    asf = _asf_beside(Path(os.fspath(path)), where)
    skeleton = acclaim.parse_asf(_text(asf, str(asf)), where=str(asf))
    frames = acclaim.parse_amc(_text(source, where), where=where)
    tree, positions = acclaim.place_frames(skeleton, frames, where=where)
    return to_skeleton(tree, positions, where=where), acclaim.RATE


def _asf_beside(path: Path, where: str) -> Path:
    """The skeleton of a recording, here or in ../asf: of its own name up to any underscore, else the only one here.

    CMU's 07_01.amc goes with 07.asf, HDM05's HDM_bd_01-01_01_120.amc with HDM_bd.asf.
    """
    parts = path.stem.split("_")
    names = ["_".join(parts[:count]) for count in range(len(parts), 0, -1)]
    for name in names:
        for folder in (path.parent, path.parent.parent / "asf"):
            if (found := folder / f"{name}.asf").is_file():
                return found
    here = sorted(path.parent.glob("*.asf"))
    if len(here) != 1:
        wanted = names[-1] if len(names) < 3 else f"{names[-2]}.asf or {names[-1]}"
        raise BadInput(f"needs the skeleton {wanted}.asf beside it", where=where, mend="put the .asf into its folder")
    return here[0]


def _npy(source: Source, where: str) -> tuple[NDArray[np.float64], float]:
    return _array(_loaded(source, where), None, where)


def _npz(source: Source, where: str) -> tuple[NDArray[np.float64], float]:
    with open_source(source) as file:
        shapes = {name: shape for name, shape, _ in array_headers(file, ".npz")}
    tables = [name for name, shape in shapes.items() if len(shape) == 2 and shape[1] in _WIDTHS]
    if len(tables) == 1:
        return _array(_loaded(source, where, tables[0]), None, where)
    if "poses" in shapes and "trans" in shapes:
        raise BadInput(
            "holds the rotations of a body model (poses, trans), and joints are needed",
            where=where,
            mend="save the joints (T, J, 3) that the body model gives for them as positions",
        )
    positions, rate = read_motion(source)
    return _array(positions, rate, where)


def _loaded(source: Source, where: str, name: str = "") -> NDArray[np.generic]:
    """The array of an .npy, or the one of this name of an .npz."""
    with open_source(source) as file:
        try:
            held = np.load(file, allow_pickle=False)
            return np.asarray(held[name] if name else held)
        except Exception as error:  # numpy meets damaged files with any exception at all
            reason = "it holds Python objects" if "pickle" in str(error) else str(error).split("(file")[0].rstrip(" .")
            suffix = ".npz" if name else ".npy"
            raise BadInput(
                f"is not a {suffix} file that can be read: {reason}", where=where, mend="save it again with numpy.save"
            ) from error


def _array(array: NDArray[np.generic], rate: float | None, where: str) -> tuple[NDArray[np.float64], float]:
    """Joints and rate of (T, J, 3), (T, 66), or features (T, 263) and (T, 251)."""
    if array.dtype.kind not in "fiu":
        raise BadInput(f"Expected an array of numbers, but received one of {array.dtype}", where=where)
    if 0 in array.shape:
        raise BadInput(f"is empty: an array of shape {array.shape}", where=where)
    values = np.asarray(array, np.float64)
    refuse_not_finite(values, where=where)
    if values.ndim == 2 and values.shape[1] == WIDTH:
        return from_features(values), rate or FPS
    if values.ndim == 2 and values.shape[1] == _KIT_WIDTH:
        return to_skeleton(_KIT, from_features(values, joints=21), where=where), rate or _KIT_RATE
    if values.ndim == 2 and values.shape[1] == 3 * len(JOINTS):
        values = values.reshape(len(values), -1, 3)
    if values.ndim != 3 or values.shape[2] != 3 or values.shape[1] not in _LAYOUTS:
        raise BadInput(
            f"Expected (T, J, 3) joints with J one of {', '.join(map(str, sorted(_LAYOUTS)))}, or (T, 263) or (T, 251) "
            f"features, but received {array.shape}",
            where=where,
        )
    layout = _LAYOUTS[values.shape[1]]
    if layout is _SMPL:
        return values[:, : len(JOINTS)], rate or FPS
    return to_skeleton(layout, values, where=where), rate or FPS


def _text(source: Source, where: str) -> str:
    with open_source(source) as file:
        data = file.read()
    if b"\0" in data[:4096]:
        raise BadInput("is not a text file", where=where)
    return data.decode("utf-8-sig", errors="replace")


_PARSERS: Final[dict[str, Callable[[Source, str], tuple[NDArray[np.float64], float]]]] = {
    ".bvh": _bvh,
    ".amc": _amc,
    ".npy": _npy,
    ".npz": _npz,
}
