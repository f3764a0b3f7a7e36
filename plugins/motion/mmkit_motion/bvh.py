"""Biovision's BVH: a tree of joints with channels, then one line of numbers a frame.

T frames, J joints.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mmkit.errors import BadInput
from mmkit_motion import quaternions as q
from mmkit_motion.body import refuse_not_finite
from mmkit_motion.joint_names import Tree
from mmkit_motion.skeleton import FPS, JOINTS, PARENTS

__all__ = ["Bvh", "format_bvh", "parse_bvh"]

_AXES: Final = {"x": 0, "y": 1, "z": 2}
#: Joints past which a file is not a body.
_MOST_JOINTS: Final = 2000
_EXPORT_AGAIN: Final = "copy or export it again"
#: Characters read, and frames placed, at once.
_PIECE: Final = 1 << 20
_FRAMES: Final = 4096


@dataclass(frozen=True, slots=True)
class Bvh:
    """A parsed file.

    Attributes:
        tree: names and parents of the joints and end sites.
        positions: (T, J, 3) of all of them, in the file's own unit and axes.
        rate: frames a second.
    """

    tree: Tree
    positions: NDArray[np.float64]
    rate: float


def parse_bvh(text: str, *, where: str) -> Bvh:
    """Read a BVH file's text and place every joint in every frame.

    Raises:
        BadInput: empty, cut off, no tree, or numbers that do not fit it.
    """
    start = text.find("MOTION")
    head = text[:start] if start >= 0 else text
    if not head.lstrip().startswith("HIERARCHY"):
        raise BadInput(
            "is not a BVH file: it does not begin with HIERARCHY" if text.strip() else "is empty", where=where
        )
    names, parents, offsets, channels = _hierarchy(head, where)
    counts = re.compile(r"MOTION\s*Frames:\s*(\d+)\s*Frame Time:\s*([-+.\deE]+)").match(text, max(start, 0))
    if not counts:
        raise BadInput(
            "breaks off before its frames (no MOTION with Frames and Frame Time)", where=where, mend=_EXPORT_AGAIN
        )
    frames, width = int(counts.group(1)), sum(len(kinds) for kinds in channels)
    try:
        step = float(counts.group(2))
        values = _numbers(text, counts.end())
    except ValueError as error:
        raise BadInput(f"holds something that is not a number among its frames ({error})", where=where) from error
    whole = len(values) // width if width else 0
    # Some exporters count one frame too many; more than that is a file that was cut off.
    if whole == 0 and frames == 0:
        raise BadInput("holds no frames", where=where, mend=_EXPORT_AGAIN)
    if whole == 0 or whole < frames - 1:
        raise BadInput(
            f"says {frames} frames but holds {whole}: it was cut off",
            where=where,
            mend="copy it again, or set its Frames line to what is there",
        )
    values = values[: min(whole, frames) * width].reshape(-1, width)
    refuse_not_finite(values, where=where)
    if not 0 < step < np.inf:
        raise BadInput(
            f"has a frame time of {step} seconds", where=where, mend="write the true one into its line Frame Time"
        )
    return Bvh(Tree(tuple(names), tuple(parents)), _place(values, parents, offsets, channels), 1.0 / step)


def _numbers(text: str, start: int) -> NDArray[np.float64]:
    """All numbers of a text from a place on, a piece at a time: an hour's words take gigabytes."""
    parts = [np.zeros(0)]
    while start < len(text):
        after = text.find("\n", start + _PIECE)
        end = len(text) if after < 0 else after
        parts.append(np.array(text[start:end].split(), dtype=np.float64))
        start = end
    return np.concatenate(parts)


def _hierarchy(text: str, where: str) -> tuple[list[str], list[int], NDArray[np.float64], list[list[str]]]:
    """Names, parents, offsets (J, 3) and channels of every joint and end site."""
    tokens = iter(text.split())
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[list[str]] = []
    open_joints: list[int] = []
    try:
        for token in tokens:
            if token in ("ROOT", "JOINT", "End"):
                name = next(tokens)
                while (word := next(tokens)) != "{":  # names with spaces
                    name = f"{name} {word}"
                parent = open_joints[-1] if open_joints else -1
                names.append(f"{names[parent]}_end" if token == "End" and parent >= 0 else name)
                parents.append(parent)
                offsets.append([0.0, 0.0, 0.0])
                channels.append([])
                open_joints.append(len(names) - 1)
            elif token == "OFFSET":
                offsets[open_joints[-1]] = [float(next(tokens)) for _ in range(3)]
            elif token == "CHANNELS":
                channels[open_joints[-1]] = [next(tokens).lower() for _ in range(int(next(tokens)))]
            elif token == "}":
                open_joints.pop()
            if len(names) > _MOST_JOINTS:
                raise BadInput(f"has more than {_MOST_JOINTS} joints", where=where)
    except (StopIteration, ValueError, IndexError) as error:
        raise BadInput(
            "has a damaged HIERARCHY: a joint's lines break off or hold no numbers", where=where, mend=_EXPORT_AGAIN
        ) from error
    if open_joints or not names:
        raise BadInput("has a HIERARCHY that is not closed: it was cut off", where=where, mend=_EXPORT_AGAIN)
    if bad := {kind for kinds in channels for kind in kinds if not re.fullmatch(r"[xyz](position|rotation)", kind)}:
        raise BadInput(f"has channels of an unknown kind: {', '.join(sorted(bad))}", where=where)
    return names, parents, np.array(offsets), channels


def _place(
    values: NDArray[np.float64], parents: list[int], offsets: NDArray[np.float64], channels: list[list[str]]
) -> NDArray[np.float64]:
    """Forward kinematics: (T, W) channel values to (T, J, 3) positions."""
    positions = np.empty((len(values), len(parents), 3))
    for first in range(0, len(values), _FRAMES):
        some = slice(first, first + _FRAMES)
        _place_some(values[some], parents, offsets, channels, positions[some])
    return positions


def _place_some(
    values: NDArray[np.float64],
    parents: list[int],
    offsets: NDArray[np.float64],
    channels: list[list[str]],
    positions: NDArray[np.float64],
) -> None:
    """Fill in (T, J, 3) ``positions``."""
    turns: list[NDArray[np.floating]] = []
    column = 0
    for joint, (parent, kinds) in enumerate(zip(parents, channels, strict=True)):
        shift = np.tile(offsets[joint], (len(values), 1))
        turn = turns[parent] if parent >= 0 else np.tile([1.0, 0.0, 0.0, 0.0], (len(values), 1))
        above = turn
        for kind in kinds:
            if kind.endswith("position"):
                shift[:, _AXES[kind[0]]] = values[:, column]
            else:
                # Each rotation is about an axis that those before it have moved.
                turn = q.multiply(turn, q.about(_AXES[kind[0]], np.radians(values[:, column])))
            column += 1
        positions[:, joint] = shift if parent < 0 else positions[:, parent] + q.rotate(above, shift)
        turns.append(turn)


def format_bvh(rest: NDArray[np.floating], turns: Rotation, root: NDArray[np.floating]) -> str:
    """The text of a BVH file of the 22-joint skeleton, metres, 20 frames a second.

    Args:
        rest: (22, 3) positions in the rest pose.
        turns: T * 22 rotations of each joint against its parent, frame by frame.
        root: (T, 3) places of the pelvis.
    """
    children: dict[int, list[int]] = {joint: [] for joint in range(len(JOINTS))}
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            children[parent].append(joint)
    lines, order = ["HIERARCHY"], []

    def write(joint: int, depth: int) -> None:
        pad, parent = "\t" * depth, PARENTS[joint]
        offset = rest[joint] - rest[parent] if parent >= 0 else np.zeros(3)
        order.append(joint)
        lines.append(f"{pad}{'ROOT' if parent < 0 else 'JOINT'} {JOINTS[joint]}")
        lines.append(pad + "{")
        lines.append(f"{pad}\tOFFSET {offset[0]:.6f} {offset[1]:.6f} {offset[2]:.6f}")
        place = "6 Xposition Yposition Zposition " if parent < 0 else "3 "
        lines.append(f"{pad}\tCHANNELS {place}Zrotation Xrotation Yrotation")
        for child in children[joint]:
            write(child, depth + 1)
        if not children[joint]:
            end = offset * 0.5
            lines.append(
                f"{pad}\tEnd Site\n{pad}\t{{\n{pad}\t\tOFFSET {end[0]:.6f} {end[1]:.6f} {end[2]:.6f}\n{pad}\t}}"
            )
        lines.append(pad + "}")

    write(0, 0)
    angles = turns.as_euler("ZXY", degrees=True).reshape(len(root), len(JOINTS), 3)[:, order].reshape(len(root), -1)
    rows = np.concatenate([root, angles], axis=1)
    lines += ["MOTION", f"Frames: {len(root)}", f"Frame Time: {1.0 / FPS:.6f}"]
    lines += [" ".join(f"{value:.6f}" for value in row) for row in rows]
    return "\n".join(lines) + "\n"
