"""Find the 22 joints in any body's tree: by the names people give them, else by the shape of the tree.

T frames, J joints of the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Landmarks", "Tree", "landmarks_by_name", "landmarks_by_shape"]

#: What a body must have; the others are filled in from these.
NEEDED: Final = ("pelvis", "hip", "knee", "ankle", "neck", "shoulder", "elbow")


@dataclass(frozen=True, slots=True)
class Tree:
    """Names and parents (-1 at the root) of J joints, parents first."""

    names: tuple[str, ...]
    parents: tuple[int, ...]

    def up(self, joint: int) -> list[int]:
        """The joint and all above it, the root last."""
        path = []
        while joint >= 0:
            path.append(joint)
            joint = self.parents[joint]
        return path


#: Landmark to index in the tree; sided ones are ``left_knee`` and the like. ``spine`` lists pelvis to neck.
@dataclass(frozen=True, slots=True)
class Landmarks:
    """Where the landmarks of a body are in its tree: ``single`` by name, and ``spine`` from pelvis to neck."""

    single: dict[str, int]
    spine: tuple[int, ...]


#: For each landmark the names it goes by, best first, after prefixes, sides and separators are taken off.
_SIDED: Final[dict[str, tuple[str, ...]]] = {
    "hip": ("upleg", "upperleg", "thigh", "femur", "hip", "legupper", "uleg"),
    "knee": ("knee", "leg", "lowerleg", "lowleg", "shin", "calf", "tibia", "leglower", "lleg", "downleg"),
    "ankle": ("ankle", "foot", "feet"),
    "foot": ("toebase", "toe", "toes", "ball", "foottoe", "toe0", "forefoot"),
    "collar": ("collar", "clavicle", "clav", "shouldercollar", "inshoulder", "shoulder"),
    "shoulder": ("uparm", "upperarm", "arm", "shldr", "humerus", "shoulder", "armupper", "uarm"),
    "elbow": ("elbow", "forearm", "lowerarm", "lowarm", "radius", "armlower", "farm", "downarm"),
    "wrist": ("wrist", "hand", "palm"),
}
_CENTRAL: Final[dict[str, tuple[str, ...]]] = {
    "pelvis": ("hips", "pelvis", "hip", "root", "spinebase", "midhip", "centerhip"),
    "neck": ("neck", "lowerneck", "neck1", "neck01", "necktwist01", "neckbase"),
    "head": ("head", "skull", "upperneck"),
}
_PREFIX: Final = re.compile(
    r"^(mixamorig\d*|cc_base|bip\d*|biped\d*|valvebiped|character\d*|def|m_avg|smpl|jnt|joint|j)[\s:._-]*(?=.)", re.I
)
_SIDE: Final = (
    re.compile(r"^(?P<side>left|right)[\s_.:-]*(?P<rest>.+)$", re.I),
    re.compile(r"^(?P<rest>.+?)[\s_.:-]*(?P<side>left|right)$", re.I),
    re.compile(r"^(?P<side>[lr])[\s_.:-]+(?P<rest>.+)$", re.I),
    re.compile(r"^(?P<rest>.+?)[\s_.:-]+(?P<side>[lr])$", re.I),
    re.compile(r"^(?P<side>[lr])(?P<rest>[A-Z].*)$"),
)
#: Acclaim's names are lower case with the side run into them.
_RUN_IN: Final = re.compile(
    r"^(?P<side>[lr])(?P<rest>femur|tibia|foot|toes|clavicle|humerus|radius|wrist|hand|hip|knee|ankle|toe|collar|shoulder|elbow|shldr|thigh|shin|forearm)$",
    re.I,
)


def landmarks_by_name(tree: Tree) -> Landmarks | None:
    """Landmarks by their names, or None where a needed one is not found."""
    sides: dict[str, dict[str, int]] = {"left": {}, "right": {}}
    centre: dict[str, int] = {}
    for index, name in enumerate(tree.names):
        side, plain = _split(name)
        (sides[side] if side else centre).setdefault(plain, index)
    single: dict[str, int] = {}
    for landmark, names in _CENTRAL.items():
        found = next((centre[name] for name in names if name in centre), None)
        if found is not None:
            single[landmark] = found
    for side, held in sides.items():
        for landmark, names in _SIDED.items():
            taken = set(single.values())
            found = next((held[name] for name in names if name in held and held[name] not in taken), None)
            if found is not None:
                single[f"{side}_{landmark}"] = found
        # "shoulder" names the upper arm where no other name does, and the collar bone where one does.
        if f"{side}_shoulder" not in single and f"{side}_collar" in single:
            single[f"{side}_shoulder"] = single.pop(f"{side}_collar")
    if "neck" not in single and "head" in single:
        single["neck"] = tree.parents[single["head"]]
    return _complete(tree, single)


def landmarks_by_shape(tree: Tree, positions: NDArray[np.floating]) -> Landmarks | None:
    """Landmarks by how the tree branches: two like legs and a spine at the pelvis, two like arms and a head above.

    Left and right are told by where the feet point in the first frame. None where the tree has another shape.
    """
    children: dict[int, list[int]] = {index: [] for index in range(len(tree.names))}
    for index, parent in enumerate(tree.parents):
        if parent >= 0:
            children[parent].append(index)
    size = [1] * len(tree.names)
    for index in range(len(tree.names) - 1, 0, -1):
        size[tree.parents[index]] += size[index]

    def line(joint: int) -> list[int]:
        """The longest way down from a joint, itself first; ends of bones are no joints."""
        below = [line(child) for child in children[joint] if not tree.names[child].endswith("_end")]
        return [joint, *max(below, key=len, default=[])]

    forks = [
        joint
        for joint in children
        if sum(len(line(child)) >= 2 for child in children[joint]) >= 2
        and sum(not tree.names[child].endswith("_end") for child in children[joint]) >= 3
    ]
    if len(forks) < 2:
        return None
    pelvis = forks[0]
    above = next((fork for fork in forks[1:] if pelvis in tree.up(fork)), None)
    if above is None:
        return None
    legs = [child for child in children[pelvis] if child not in tree.up(above) and len(line(child)) >= 3]
    branches = [child for child in children[above] if not tree.names[child].endswith("_end")]
    arms = sorted(branches, key=lambda child: -len(line(child)))[:2]
    heads = [child for child in branches if child not in arms]
    if len(legs) != 2 or len(arms) != 2 or not heads or min(len(line(arm)) for arm in arms) < 3:
        return None
    first = positions[0]
    spine = first[above] - first[pelvis]
    toes = sum(first[line(leg)[-1]] - first[line(leg)[2]] for leg in legs)
    left = np.cross(spine, toes)

    def is_left(joint: int, centre: int) -> bool:
        return float((first[joint] - first[centre]) @ left) > 0

    if is_left(legs[0], pelvis) == is_left(legs[1], pelvis):
        return None
    neck = line(heads[0])
    single = (
        {"pelvis": pelvis, "neck": neck[0], "head": neck[1]}
        if len(neck) > 1
        else {"pelvis": pelvis, "neck": above, "head": neck[0]}
    )
    for leg in legs:
        side = "left" if is_left(leg, pelvis) else "right"
        for landmark, joint in zip(("hip", "knee", "ankle", "foot"), line(leg), strict=False):
            single[f"{side}_{landmark}"] = joint
    for arm in arms:
        joints = line(arm)
        side = "left" if is_left(joints[1], above) else "right"
        single.update({f"{side}_{name}": joint for name, joint in zip(_arm_names(len(joints)), joints, strict=False)})
    return _complete(tree, single)


def _arm_names(length: int) -> tuple[str, ...]:
    return ("collar", "shoulder", "elbow", "wrist") if length >= 4 else ("shoulder", "elbow", "wrist")


def _split(name: str) -> tuple[str, str]:
    """A joint's side ("left", "right" or "") and its plain name."""
    bare = _PREFIX.sub("", name.strip())
    for pattern in (*_SIDE, _RUN_IN):
        if match := pattern.match(bare):
            side = "left" if match["side"].lower().startswith("l") else "right"
            return side, re.sub(r"[\s_.:-]", "", match["rest"]).lower()
    return "", re.sub(r"[\s_.:-]", "", bare).lower()


def _complete(tree: Tree, single: dict[str, int]) -> Landmarks | None:
    """The landmarks with the spine between pelvis and neck, or None where a needed one is missing."""
    for needed in NEEDED:
        if needed not in single and not all(f"{side}_{needed}" in single for side in ("left", "right")):
            return None
    path = tree.up(single["neck"])
    if single["pelvis"] not in path:
        hips = [tree.up(single[f"{side}_hip"]) for side in ("left", "right")]
        shared = next((joint for joint in path if all(joint in hip for hip in hips)), None)
        if shared is None:
            return None
        single["pelvis"] = shared
    spine = path[: path.index(single["pelvis"]) + 1][::-1]
    return Landmarks(single, tuple(spine))
