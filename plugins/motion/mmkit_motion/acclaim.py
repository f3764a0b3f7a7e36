"""Acclaim's pair of files: .asf holds the skeleton, .amc the angles of each frame.

A bone of an .asf runs from its parent's end to its own end. As in a BVH, the joint named after a bone is where the
bone begins, so that ``lfemur`` is the left hip and ``ltibia`` the left knee.

T frames, J joints.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mmkit.errors import BadInput
from mmkit_motion.joint_names import Tree

__all__ = ["RATE", "Skeleton", "place_frames", "parse_amc", "parse_asf"]

#: Frames a second of CMU's recordings; an .amc does not say its own.
RATE: Final = 120.0
#: Characters that are split into words at a time, and frames that are placed at a time.
_PIECE: Final = 1 << 23
_FRAMES: Final = 4096
#: The line that begins a frame.
_NUMBER_LINE: Final = re.compile(r"^[ \t]*\d+[ \t\r]*$", re.MULTILINE)


@dataclass(slots=True)
class _Bone:
    name: str
    direction: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    length: float = 0.0
    axis: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    axis_order: str = "XYZ"
    freedom: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A parsed .asf: bones by name, ``parents`` among them (root has none), and whether angles are in degrees."""

    bones: dict[str, _Bone]
    parents: dict[str, str]
    root_order: tuple[str, ...]
    degrees: bool


def parse_asf(text: str, *, where: str) -> Skeleton:
    """Read an .asf file's text.

    Raises:
        BadInput: no bones, no tree, or a damaged entry.
    """
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if line.startswith(":"):
            name, _, rest = line[1:].partition(" ")
            current = sections.setdefault(name.lower(), [rest] if rest else [])
        elif line:
            current.append(line)
    try:
        bones = {bone.name: bone for bone in _bones(sections.get("bonedata", []))}
        parents = {}
        for line in sections.get("hierarchy", []):
            first, *rest = line.split()
            if first not in ("begin", "end"):
                parents.update(dict.fromkeys(rest, first))
        order: tuple[str, ...] = ("tx", "ty", "tz", "rx", "ry", "rz")
        for line in sections.get("root", []):
            if line.lower().startswith("order"):
                order = tuple(line.lower().split()[1:])
    except (ValueError, IndexError) as error:
        raise BadInput(f"is a damaged .asf file ({error})", where=where) from error
    if not bones or not parents:
        raise BadInput("is not an .asf file: it has no bones or no hierarchy", where=where)
    if lost := [name for name in parents if name not in bones]:
        raise BadInput(f"has a hierarchy that names a bone it does not describe: {lost[0]}", where=where)
    return Skeleton(bones, parents, order, "rad" not in " ".join(sections.get("units", [])).lower())


def _bones(lines: list[str]) -> list[_Bone]:
    bones: list[_Bone] = []
    bone: _Bone | None = None
    for line in lines:
        key, *rest = line.split()
        if key == "begin":
            bone = _Bone("")
        elif bone is None:
            continue
        elif key == "end":
            bones.append(bone)
            bone = None
        elif key == "name":
            bone.name = rest[0]
        elif key == "direction":
            bone.direction = np.array([float(v) for v in rest[:3]])
        elif key == "length":
            bone.length = float(rest[0])
        elif key == "axis":
            bone.axis = np.array([float(v) for v in rest[:3]])
            bone.axis_order = rest[3].upper() if len(rest) > 3 else "XYZ"
        elif key == "dof":
            bone.freedom = tuple(value.lower() for value in rest)
    return bones


def parse_amc(text: str, *, where: str) -> dict[str, NDArray[np.float64]]:
    """Angles (T, W) of each bone, W values a frame; in the file's own unit.

    Raises:
        BadInput: empty, a line that is not a bone with numbers, or frames that differ in what they hold.
    """
    # Nearly all files have the same bones in every frame, and are read many times faster as one table.
    frames = _table(text) or _line_by_line(text, where)
    if not all(np.isfinite(values).all() for values in frames.values()):
        raise BadInput("holds angles that are not finite numbers", where=where)
    return frames


def _table(text: str) -> dict[str, NDArray[np.float64]] | None:
    """The angles where every frame is laid out as the first is; else nothing."""
    layout: list[list[str]] = []
    parts: list[NDArray[np.float64]] = []
    for piece in _pieces(text):
        lines = [line for line in piece.splitlines() if line.strip() and line.lstrip()[0] not in "#:"]
        if not layout:
            second = next((number for number, line in enumerate(lines[1:], 1) if line.strip().isdigit()), len(lines))
            layout = [line.split() for line in lines[1:second]]
        if not layout or len({name for name, *_ in layout}) < len(layout):
            return None
        if not lines[0].strip().isdigit() or len(lines) % (len(layout) + 1):
            return None
        words = " ".join(lines).split()
        count, width = len(lines) // (len(layout) + 1), 1 + sum(map(len, layout))
        if len(words) != count * width:
            return None
        table = np.array(words, dtype=object).reshape(count, width)
        names = 1 + np.cumsum([0, *map(len, layout[:-1])])
        if not (table[:, names] == [name for name, *_ in layout]).all():
            return None
        try:
            parts.append(np.delete(table, [0, *names], axis=1).astype(np.float64))
        except ValueError:
            return None
    if not parts:
        return None
    ends = np.cumsum([len(values) for _, *values in layout])
    columns = np.split(np.concatenate(parts), ends[:-1], axis=1)
    return {name: values for (name, *_), values in zip(layout, columns, strict=True)}


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces of whole frames, since the words of an hour take gigabytes; the head is left out."""
    first = _NUMBER_LINE.search(text)
    start = first.start() if first else len(text)
    while start < len(text):
        after = _NUMBER_LINE.search(text, start + _PIECE)
        end = after.start() if after else len(text)
        yield text[start:end]
        start = end


def _line_by_line(text: str, where: str) -> dict[str, NDArray[np.float64]]:
    """The angles of a file that is laid out in another way, or what is wrong with it."""
    frames: list[dict[str, list[float]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "#:":
            continue
        if line.isdigit():
            frames.append({})
            continue
        name, *values = line.split()
        try:
            numbers = [float(value) for value in values]
        except ValueError as error:
            raise BadInput(f"is damaged at line {number}: {error}", where=where) from error
        if not frames or not all(map(math.isfinite, numbers)):
            raise BadInput(f"is damaged at line {number}", where=where)
        frames[-1][name] = numbers
    if not frames or not frames[0]:
        raise BadInput("holds no frames", where=where)
    if len(frames) > 1 and len(frames[-1]) < len(frames[0]):
        if len(frames) == 2:
            raise BadInput("was cut off in its second frame", where=where)
        raise BadInput(
            f"was cut off in frame {len(frames)}", where=where, mend="copy it again, or remove the unfinished frame"
        )
    out = {}
    for name in frames[0]:
        try:
            out[name] = np.array([frame[name] for frame in frames], dtype=np.float64)
        except (KeyError, ValueError) as error:
            raise BadInput(f"does not have the same values for {name} in every frame", where=where) from error
    return out


def place_frames(
    skeleton: Skeleton, frames: dict[str, NDArray[np.float64]], *, where: str
) -> tuple[Tree, NDArray[np.float64]]:
    """Forward kinematics: names and parents of the joints, and their positions (T, J, 3).

    Raises:
        BadInput: the .amc does not belong to the .asf.
    """
    names = ["root", *_ordered(skeleton.parents)]
    place = {name: index for index, name in enumerate(names)}
    if unknown := [name for name in frames if name not in place]:
        raise BadInput(f"moves a bone that its .asf does not have: {unknown[0]}", where=where)
    kinds = {"root": skeleton.root_order} | {name: skeleton.bones[name].freedom for name in names[1:]}
    for name, values in frames.items():
        if values.shape[1:] != (len(kinds[name]),):
            expected = f"Expected {len(kinds[name])} values for {name}, but received {values.shape[-1]}"
            raise BadInput(f"{expected}; is it the .asf of another recording?", where=where)
    leaves = [name for name in names[1:] if name not in set(skeleton.parents.values())]
    parents = [-1, *(place[skeleton.parents[name]] for name in names[1:]), *(place[name] for name in leaves)]
    tree = Tree((*names, *(f"{name}_end" for name in leaves)), tuple(parents))
    count = len(next(iter(frames.values())))
    positions = np.empty((count, len(parents), 3))
    for first in range(0, count, _FRAMES):
        some = slice(first, first + _FRAMES)
        values = {name: columns[some] for name, columns in frames.items()}
        _place_some(skeleton, values, names, leaves, positions[some])
    return tree, positions


def _place_some(
    skeleton: Skeleton,
    frames: dict[str, NDArray[np.float64]],
    names: list[str],
    leaves: list[str],
    positions: NDArray[np.float64],
) -> None:
    """Fill in (T, J, 3) ``positions``: where the bones ``names`` begin, then where the ``leaves`` end."""
    count = len(positions)
    shift, angles = _by_axis(skeleton.root_order, frames.get("root"), count)
    ends = {"root": shift}
    turns = {"root": _matrices(angles, skeleton.degrees)}
    positions[:, 0] = shift
    for column, name in enumerate(names[1:], 1):
        bone, parent = skeleton.bones[name], skeleton.parents[name]
        _, angles = _by_axis(bone.freedom, frames.get(name), count)
        axis = Rotation.from_euler(bone.axis_order.lower(), bone.axis, degrees=skeleton.degrees).as_matrix()
        turns[name] = turns[parent] @ (axis @ _matrices(angles, skeleton.degrees) @ axis.T)
        positions[:, column] = ends[parent]
        ends[name] = ends[parent] + turns[name] @ (bone.direction * bone.length)
    for column, name in enumerate(leaves, len(names)):
        positions[:, column] = ends[name]


def _ordered(parents: dict[str, str]) -> list[str]:
    """Bones with every parent before its children."""
    done: list[str] = []
    waiting = list(parents)
    while waiting:
        ready = [name for name in waiting if parents[name] == "root" or parents[name] in done]
        if not ready:
            raise BadInput(f"has a hierarchy that does not reach {waiting[0]} from its root")
        done += ready
        waiting = [name for name in waiting if name not in ready]
    return done


def _by_axis(
    kinds: tuple[str, ...], values: NDArray[np.float64] | None, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shift and angles (T, 3) about x, y, z of a bone's values (T, W); zeros where a file leaves the bone out."""
    shift, angles = np.zeros((count, 3)), np.zeros((count, 3))
    if values is not None:
        for column, kind in enumerate(kinds):
            if kind in ("tx", "ty", "tz"):
                shift[:, "xyz".index(kind[1])] = values[:, column]
            elif kind in ("rx", "ry", "rz"):
                angles[:, "xyz".index(kind[1])] = values[:, column]
    return shift, angles


def _matrices(angles: NDArray[np.float64], degrees: bool) -> NDArray[np.float64]:
    """(T, 3, 3) of rotations about the fixed axes x, then y, then z."""
    return Rotation.from_euler("xyz", angles, degrees=degrees).as_matrix()
