from __future__ import annotations

import numpy as np
import pytest
from mmkit_motion import quaternions as q
from mmkit_motion.features import from_features, straighten, to_features
from mmkit_motion.skeleton import RAW_OFFSETS
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation


def test_joints_come_back_to_the_tenth_of_a_millimetre(walk: np.ndarray, kick: np.ndarray) -> None:
    for joints in (walk, kick):
        back = from_features(to_features(joints))
        assert np.linalg.norm(back - joints[:-1], axis=-1).mean() < 1e-4


def test_features_equal_the_definition_written_out(kick: np.ndarray) -> None:
    joints = kick.astype(np.float64)
    forward = []
    for frame in joints:
        across = (frame[1] - frame[2]) + (frame[17] - frame[16])  # the published heading swaps the hips
        forward.append(np.cross([0, 1, 0], across / np.linalg.norm(across)))
    forward = gaussian_filter1d(np.array(forward), 20, axis=0, mode="nearest")
    headings = [Rotation.identity()]
    for way in forward[1:]:
        way = way / np.linalg.norm(way)
        headings.append(Rotation.from_euler("y", -np.arctan2(way[0], way[2])))
    features = to_features(joints)
    for t in (0, 5, len(joints) - 2):
        root = joints[t, 0] * [1, 0, 1]
        local = headings[t].apply(joints[t] - root)
        assert features[t, 3] == pytest.approx(joints[t, 0, 1], abs=1e-5)
        assert np.allclose(features[t, 4:67].reshape(21, 3), local[1:], atol=1e-5)
        step = headings[t + 1].apply(joints[t + 1, 0] - joints[t, 0])
        assert np.allclose(features[t, 1:3], step[[0, 2]], atol=1e-5)
        turn = (headings[t + 1] * headings[t].inv()).as_quat()
        assert features[t, 0] == pytest.approx(np.arcsin(turn[1] * np.sign(turn[3])), abs=1e-5)
        speed = headings[t].apply(joints[t + 1] - joints[t])
        assert np.allclose(features[t, 193:259].reshape(22, 3), speed, atol=1e-5)
        still = ((joints[t + 1] - joints[t]) ** 2).sum(-1) < 0.002
        assert np.array_equal(features[t, 259:], still[[7, 10, 8, 11]])
        # The six numbers of the right knee turn its bone at rest, within its parent's turn, to the bone there is.
        six = features[t, 67:193].reshape(21, 6)

        def matrix(row: np.ndarray) -> np.ndarray:
            x, y = row[:3], row[3:]
            return np.stack([x, y, np.cross(x, y)], axis=1)

        whole = headings[t].as_matrix() @ matrix(six[1]) @ matrix(six[4])
        bone = joints[t, 5] - joints[t, 2]
        assert np.allclose(whole @ RAW_OFFSETS[5], bone / np.linalg.norm(bone), atol=1e-4)


def test_straightened_motion_starts_at_the_origin_and_is_the_same_from_any_heading(walk: np.ndarray) -> None:
    turned = Rotation.from_euler("y", 77, degrees=True).apply(walk.reshape(-1, 3).astype(float)).reshape(walk.shape)
    again = straighten(turned + np.array([3.0, 0.4, -2.0]))
    assert np.allclose(again, straighten(walk), atol=1e-5)
    assert np.allclose(again[0, 0, [0, 2]], 0)


@pytest.mark.parametrize("shape", [(1, 22, 3), (5, 21, 3), (5, 66)])
def test_what_is_no_motion_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="22, 3"):
        to_features(np.zeros(shape))


def test_between_turns_one_to_the_other_even_opposites() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 50, 3))
    turned = q.rotate(q.between(one, other), one)
    lengths = [np.linalg.norm(v, axis=-1, keepdims=True) for v in (turned, other)]
    assert np.allclose(turned / lengths[0], other / lengths[1])
    opposite = q.between(np.array([[0.0, 1.0, 0.0]]), np.array([[0.0, -1.0, 0.0]]))
    assert np.linalg.norm(opposite) == pytest.approx(1)


def test_recordings_of_one_length_are_turned_into_features_together(walk: np.ndarray) -> None:
    spans = [(0, 40), (7, 47), (20, 60)]
    one_by_one = np.stack([to_features(straighten(walk[a:b])) for a, b in spans])
    together = to_features(straighten(np.stack([walk[a:b] for a, b in spans])))
    assert np.array_equal(together, one_by_one)
