from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from mmkit_motion.body import drop_rest_pose, resample, upright
from mmkit_motion.features import facing, to_features
from mmkit_motion.joint_names import Tree, landmarks_by_name
from mmkit_motion.reading import read_clip, read_joints
from mmkit_motion.skeleton import BONE_LENGTHS, JOINTS, PARENTS, mirror
from mmkit_motion.writing import write_clip
from scipy.spatial.transform import Rotation

from mmkit.errors import BadInput
from mmkit.types import Item


def _error_cm(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other, axis=-1).mean() * 100)


def test_bvh_written_and_read_again_is_the_same_motion(tmp_path: Path, kick: np.ndarray) -> None:
    write_clip(tmp_path / "kick.bvh", kick)
    clip = read_clip(tmp_path / "kick.bvh")
    assert clip.joints.shape == kick.shape
    assert _error_cm(clip.joints, kick) < 1.0


def test_left_stays_left_and_the_body_faces_ahead(tmp_path: Path, walk: np.ndarray) -> None:
    write_clip(tmp_path / "walk.bvh", walk)
    joints = read_clip(tmp_path / "walk.bvh").joints
    left, right = JOINTS.index("left_hip"), JOINTS.index("right_hip")
    assert joints[0, left, 0] > joints[0, right, 0]
    assert facing(joints[:1])[0] @ [0, 0, 1] > 0.999
    assert joints[..., 1].min() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "style",
    [
        {
            "pelvis": "Hips",
            "neck": "Neck",
            "head": "Head",
            "hip": "{}UpLeg",
            "knee": "{}Leg",
            "ankle": "{}Foot",
            "foot": "{}ToeBase",
            "collar": "{}Shoulder",
            "shoulder": "{}Arm",
            "elbow": "{}ForeArm",
            "wrist": "{}Hand",
        },
        {
            "pelvis": "mixamorig:Hips",
            "neck": "mixamorig:Neck",
            "head": "mixamorig:Head",
            "hip": "mixamorig:{}UpLeg",
            "knee": "mixamorig:{}Leg",
            "ankle": "mixamorig:{}Foot",
            "foot": "mixamorig:{}ToeBase",
            "collar": "mixamorig:{}Shoulder",
            "shoulder": "mixamorig:{}Arm",
            "elbow": "mixamorig:{}ForeArm",
            "wrist": "mixamorig:{}Hand",
        },
        {
            "pelvis": "Hips",
            "neck": "Neck",
            "head": "Head",
            "hip": "UpperLeg_{0[0]}",
            "knee": "LowerLeg_{0[0]}",
            "ankle": "Foot_{0[0]}",
            "foot": "Toes_{0[0]}",
            "collar": "Shoulder_{0[0]}",
            "shoulder": "UpperArm_{0[0]}",
            "elbow": "LowerArm_{0[0]}",
            "wrist": "Hand_{0[0]}",
        },
    ],
    ids=["cmu-bvh", "mixamo", "bandai"],
)
def test_other_names_are_the_same_body(tmp_path: Path, kick: np.ndarray, style: dict[str, str]) -> None:
    write_clip(tmp_path / "own.bvh", kick)
    text = (tmp_path / "own.bvh").read_text()
    for joint in JOINTS:
        side, _, part = joint.partition("_")
        pattern = style.get(part if side in ("left", "right") else joint)
        if pattern:
            text = re.sub(rf"\b(JOINT|ROOT) {joint}\b", rf"\1 {pattern.format(side.capitalize())}", text)
    (tmp_path / "other.bvh").write_text(text)
    # The spine and the collar bones are filled in, so that they differ by a few centimetres.
    assert _error_cm(read_clip(tmp_path / "other.bvh").joints, kick) < 6.0


def test_a_body_without_names_is_found_by_its_shape(tmp_path: Path, walk: np.ndarray) -> None:
    write_clip(tmp_path / "own.bvh", walk)
    text = (tmp_path / "own.bvh").read_text()
    for number, joint in enumerate(JOINTS):
        text = re.sub(rf"\b(JOINT|ROOT) {joint}\b", rf"\1 b{number}", text)
    (tmp_path / "bare.bvh").write_text(text)
    joints = read_clip(tmp_path / "bare.bvh").joints
    wrists = [JOINTS.index("left_wrist"), JOINTS.index("right_wrist")]
    assert _error_cm(joints[:, wrists], walk[:, wrists]) < 6.0


def test_centimetres_and_z_up_are_brought_to_metres_and_y_up(tmp_path: Path, kick: np.ndarray) -> None:
    turned = np.stack([kick[..., 0], -kick[..., 2], kick[..., 1]], axis=-1) * 100
    np.save(tmp_path / "turned.npy", turned)
    assert _error_cm(read_clip(tmp_path / "turned.npy").joints, kick) < 1.0


def test_a_body_that_lies_down_is_not_stood_up(walk: np.ndarray) -> None:
    lying = Rotation.from_euler("x", 90, degrees=True).apply(walk[:20].reshape(-1, 3).astype(float)).reshape(20, 22, 3)
    half = np.concatenate([lying, walk[:20]])
    assert np.allclose(upright(half), half)


def test_bones_have_the_standard_lengths_whatever_the_file_has(tmp_path: Path, walk: np.ndarray) -> None:
    np.save(tmp_path / "tall.npy", walk * 1.3)
    joints = read_clip(tmp_path / "tall.npy").joints
    bones = np.linalg.norm(joints[:, 1:] - joints[:, list(PARENTS[1:])], axis=-1)
    assert np.abs(bones - BONE_LENGTHS[1:]).max() < 1e-4


def test_a_rest_pose_before_the_first_frame_is_left_out(walk: np.ndarray) -> None:
    fast = resample(walk, 20, 120)
    rest = fast[:1].copy()
    rest[:, [18, 19, 20, 21]] += [[0.7], [0.7], [0.9], [0.9]] * np.array([0.0, 1.0, 0.0])
    assert len(drop_rest_pose(np.concatenate([rest, fast]), 120.0)) == len(fast)
    assert len(drop_rest_pose(fast, 120.0)) == len(fast)


def test_resampling_keeps_the_time(walk: np.ndarray) -> None:
    doubled = resample(walk, 20, 40)
    assert np.allclose(doubled[::2][: len(walk)], walk[: len(doubled[::2])], atol=1e-6)


def test_features_are_read_as_the_joints_they_were_made_from(tmp_path: Path, walk: np.ndarray) -> None:
    np.save(tmp_path / "features.npy", to_features(walk))
    assert _error_cm(read_clip(tmp_path / "features.npy").joints, walk[:-1]) < 0.1


def test_arrays_of_the_core_contract_are_read(walk: np.ndarray) -> None:
    assert read_joints(Item("motion", "x", array=walk, rate=20.0)).shape == walk.shape


def test_a_stated_rate_is_heard(tmp_path: Path, walk: np.ndarray) -> None:
    np.save(tmp_path / "fast.npy", walk)
    assert len(read_clip(tmp_path / "fast.npy", rate=40).joints) == pytest.approx(len(walk) / 2, abs=1)


ASF = """
:units
  mass 1.0
  length 0.45
  angle deg
:root
   order TX TY TZ RX RY RZ
   axis XYZ
:bonedata
{bones}
:hierarchy
  begin
    root lhipjoint rhipjoint lowerback
    lhipjoint lfemur
    lfemur ltibia
    ltibia lfoot
    rhipjoint rfemur
    rfemur rtibia
    rtibia rfoot
    lowerback thorax
    thorax lowerneck lclavicle rclavicle
    lowerneck head
    lclavicle lhumerus
    lhumerus lradius
    lradius lwrist
    rclavicle rhumerus
    rhumerus rradius
    rradius rwrist
  end
"""
BONES = {
    "lhipjoint": (1, -1, 0), "rhipjoint": (-1, -1, 0), "lfemur": (0, -7, 0), "rfemur": (0, -7, 0),
    "ltibia": (0, -7, 0), "rtibia": (0, -7, 0), "lfoot": (0, -0.5, 2), "rfoot": (0, -0.5, 2), "lowerback": (0, 4, 0),
    "thorax": (0, 4, 0), "lowerneck": (0, 1.5, 0), "head": (0, 1.5, 0), "lclavicle": (2.5, 1, 0),
    "rclavicle": (-2.5, 1, 0), "lhumerus": (5, 0, 0), "rhumerus": (-5, 0, 0), "lradius": (4, 0, 0),
    "rradius": (-4, 0, 0), "lwrist": (1, 0, 0), "rwrist": (-1, 0, 0),
}  # fmt: skip


@pytest.fixture
def acclaim(tmp_path: Path) -> Path:
    parts = []
    for number, (name, bone) in enumerate(BONES.items(), 1):
        length = float(np.linalg.norm(bone))
        way = " ".join(f"{value / length:.6f}" for value in bone)
        dof = "    dof rx ry rz\n" if name in ("lfemur", "lhumerus") else ""
        parts.append(
            f"  begin\n     id {number}\n     name {name}\n     direction {way}\n     length {length}\n"
            f"     axis 0 0 0  XYZ\n{dof}  end"
        )
    (tmp_path / "09.asf").write_text(ASF.replace("{bones}", "\n".join(parts)))
    lines = [":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(60):
        lines += [str(frame + 1), f"root 0 17 {frame * 0.1} 0 0 0", f"lfemur {-frame} 0 0", "lhumerus 0 0 -80"]
    (tmp_path / "09_01.amc").write_text("\n".join(lines) + "\n")
    return tmp_path / "09_01.amc"


def test_amc_is_read_with_the_asf_beside_it(acclaim: Path) -> None:
    clip = read_clip(acclaim)
    assert len(clip.joints) == 10  # 60 frames at 120 a second
    knee = clip.joints[:, JOINTS.index("left_knee"), 2] - clip.joints[:, JOINTS.index("left_hip"), 2]
    assert knee[-1] > 0.25  # the left thigh was raised ahead
    wrists = clip.joints[0, [JOINTS.index("left_wrist"), JOINTS.index("right_wrist")], 1]
    assert wrists[0] < wrists[1] - 0.3  # the left arm hangs, the right one is held out


@pytest.mark.parametrize("take", ["HDM_bd_01-02_03_120", "HDM_bd"])
def test_amc_finds_the_asf_of_its_subject_whatever_underscores_are_in_the_name(acclaim: Path, take: str) -> None:
    folder = acclaim.parent
    plain = read_clip(acclaim).joints
    acclaim.rename(folder / f"{take}.amc")
    (folder / "09.asf").rename(folder / "HDM_bd.asf")
    (folder / "HDM_tr.asf").write_text("another subject's, and no skeleton")
    np.testing.assert_array_equal(read_clip(folder / f"{take}.amc").joints, plain)


def test_amc_without_its_asf_says_what_it_needs(acclaim: Path) -> None:
    (acclaim.parent / "09.asf").unlink()
    with pytest.raises(BadInput, match=r"09\.asf"):
        read_clip(acclaim)


def test_amc_cut_off_in_a_frame_is_refused(acclaim: Path) -> None:
    text = acclaim.read_text()
    acclaim.write_text(text[: text.rindex("lhumerus")])
    with pytest.raises(BadInput, match="cut off"):
        read_clip(acclaim)


def test_amc_of_another_layout_is_read_the_same(acclaim: Path) -> None:
    plain = read_clip(acclaim).joints
    text = acclaim.read_text()
    first, second = "lfemur -7 0 0", "lhumerus 0 0 -80"
    assert f"{first}\n{second}" in text
    acclaim.write_text(text.replace(f"{first}\n{second}", f"{second}\n{first}"))  # one frame names its bones otherwise
    np.testing.assert_allclose(read_clip(acclaim).joints, plain, atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("lfemur -7 0 0", "lfemur -7 0", "same values for lfemur"),
        ("lfemur -7 0 0", "lfemur -7 0 x", "damaged at line"),
        ("lfemur -7 0 0", "lfemur nan 0 0", "not finite"),
        ("lfemur -7 0 0\n", "", "same values for lfemur"),
    ],
)
def test_a_damaged_amc_says_where(acclaim: Path, old: str, new: str, words: str) -> None:
    acclaim.write_text(acclaim.read_text().replace(old, new))
    with pytest.raises(BadInput, match=words):
        read_clip(acclaim)


def test_cmu_names_are_known() -> None:
    names = ("root", *BONES)
    parents = {"lhipjoint": "root", "rhipjoint": "root", "lowerback": "root"}
    for line in ASF.split("begin")[-1].splitlines()[2:]:
        first, *rest = line.split() or ["end"]
        parents |= dict.fromkeys(rest, first)
    tree = Tree(names, tuple(names.index(parents[name]) if name in parents else -1 for name in names))
    marks = landmarks_by_name(tree)
    assert marks is not None
    assert tree.names[marks.single["left_knee"]] == "ltibia"
    assert tree.names[marks.single["right_wrist"]] == "rwrist"
    assert [tree.names[joint] for joint in marks.spine] == ["root", "lowerback", "thorax", "lowerneck"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        ("hello", "HIERARCHY"),
        ("HIERARCHY\nROOT Hips\n{\n  OFFSET 0 0", "damaged HIERARCHY"),
        ("HIERARCHY\nROOT Hips\n{\n  OFFSET 0 0 0\n  CHANNELS 3 Xposition Yposition Zposition\n", "not closed"),
        ("HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 3 Xposition Yposition Zposition\n}\n", "MOTION"),
        (
            "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 3 Xposition Yposition Zposition\n}\n"
            "MOTION\nFrames: 9\nFrame Time: 0.05\n1 2 3\n4 5 6\n",
            "cut off",
        ),
        (
            "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 3 Xposition Yposition Zposition\n}\n"
            "MOTION\nFrames: 2\nFrame Time: 0.05\n1 2 3\n4 nan 6\n",
            "finite",
        ),
        (
            "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 3 Xposition Yposition Zposition\n}\n"
            "MOTION\nFrames: 2\nFrame Time: 0.05\n1 2 3\n4 5 6\n",
            "no human body",
        ),
    ],
)
def test_a_bad_bvh_gives_one_clear_line(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "bad.bvh").write_text(content)
    with pytest.raises(BadInput, match=words) as caught:
        read_clip(tmp_path / "bad.bvh")
    assert "\n" not in str(caught.value)
    assert "bad.bvh" in str(caught.value)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((1, 22, 3), np.float32), "one frame"),
        (np.zeros((30, 9, 3), np.float32), "joints"),
        (np.full((30, 22, 3), np.nan, np.float32), "finite"),
        (np.zeros((30, 22, 3), np.float32), "no length"),
        (np.zeros((30, 100), np.float32), "features"),
        (np.random.default_rng(0).normal(size=(20 * 7300, 22, 3)).astype(np.float16), "hours"),
    ],
)
def test_bad_arrays_give_one_clear_line(tmp_path: Path, array: np.ndarray, words: str) -> None:
    np.save(tmp_path / "bad.npy", array)
    with pytest.raises(BadInput, match=words):
        read_clip(tmp_path / "bad.npy")


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "bad.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(BadInput, match="read"):
        read_clip(tmp_path / "bad.npy")


def test_mirror_swaps_sides_and_twice_is_nothing(kick: np.ndarray) -> None:
    assert np.array_equal(mirror(mirror(kick)), kick)
    left, right = JOINTS.index("left_knee"), JOINTS.index("right_knee")
    assert np.allclose(mirror(kick)[:, right, 1], kick[:, left, 1])


def test_features_and_joints_are_found_in_an_npz(tmp_path: Path, walk: np.ndarray) -> None:
    np.savez(tmp_path / "features.npz", to_features(walk))
    np.savez(tmp_path / "joints.npz", positions=walk, fps=20.0)
    features, joints = (read_clip(tmp_path / f"{name}.npz").joints for name in ("features", "joints"))
    assert np.allclose(features, joints[:-1], atol=2e-3)


def test_features_that_are_damaged_behind_their_header_are_told(tmp_path: Path, walk: np.ndarray) -> None:
    path = tmp_path / "features.npz"
    np.savez(path, to_features(walk))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"is not a \.npz file that can be read"):
        read_clip(path)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (np.where(np.arange(60 * 66) == 8 * 66, np.nan, 1.0).reshape(60, 22, 3), "1 of 60 frames, first in frame 9"),
        (np.full((60, 22, 3), 1e200), "farther than any unit explains"),
        (np.zeros((0, 22, 3)), "is empty"),
    ],
)  # fmt: skip
def test_numbers_that_no_body_makes_are_told(tmp_path: Path, frames: np.ndarray, words: str) -> None:
    np.save(tmp_path / "take.npy", frames)
    with pytest.raises(BadInput, match=words):
        read_clip(tmp_path / "take.npy")


def test_rotations_of_a_body_model_are_told_from_joints(tmp_path: Path) -> None:
    np.savez(tmp_path / "amass.npz", poses=np.zeros((40, 156)), trans=np.zeros((40, 3)), mocap_framerate=60.0)
    with pytest.raises(BadInput, match="body model"):
        read_clip(tmp_path / "amass.npz")
