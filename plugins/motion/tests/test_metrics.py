from __future__ import annotations

import random

import numpy as np
import pytest
from mmkit_motion import metrics
from mmkit_motion.training.captions import CONTENTS, STYLES, caption, mirrored, paced, sides
from mmkit_motion.training.corpus import pack_joints, unpack_joints
from mmkit_motion.training.procedural import ACTIONS, draw_clip


def test_recall_counts_ranks() -> None:
    found = metrics.recall(np.array([1, 2, 6, 40]))
    assert found["R@1"] == 0.25
    assert found["R@5"] == 0.5
    assert found["R@10"] == 0.75
    assert found["median_rank"] == 4.0
    assert metrics.recall(np.array([], int))["R@1"] == 0.0


def test_equal_scores_count_against_the_query() -> None:
    ranks = metrics.ranks_of(np.zeros((2, 5)), np.eye(5, dtype=bool)[:2])
    assert ranks.tolist() == [5, 5]  # a model that says nothing is not first


def test_batches_of_thirty_two_are_easier_than_the_gallery() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(96, 96)) + 1.5 * np.eye(96)
    right = np.eye(96, dtype=bool)
    whole = metrics.recall(metrics.ranks_of(scores, right))
    parts = metrics.batched_recall(scores, right, range(96))
    assert parts["R@5"] > whole["R@5"]
    few = metrics.batched_recall(scores[:9, :9], right[:9, :9], range(9))
    assert few == metrics.recall(metrics.ranks_of(scores[:9, :9], right[:9, :9]))


def test_fid_of_a_set_with_itself_is_nothing_and_of_a_shift_its_square() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 6))
    assert metrics.frechet_distance(rows, rows) == pytest.approx(0, abs=1e-6)
    assert metrics.frechet_distance(rows + 2.0, rows) == pytest.approx(6 * 4.0, rel=1e-6)


def test_r_precision_of_a_perfect_and_of_a_random_model() -> None:
    assert metrics.r_precision(np.eye(50))["top-1"] == 1.0
    chance = metrics.r_precision(np.random.default_rng(0).normal(size=(400, 400)))["top-3"]
    assert chance == pytest.approx(3 / 32, abs=0.05)


def test_bert_score_of_the_same_text_is_one() -> None:
    rows = np.random.default_rng(0).normal(size=(4, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert metrics.greedy_f1(rows, rows) == pytest.approx(1)
    assert metrics.greedy_f1(rows, rows[:0]) == 0.0


def test_feet_that_stand_do_not_skate_and_feet_that_slide_do(walk: np.ndarray) -> None:
    still = np.repeat(walk[:1], 40, axis=0)
    assert metrics.foot_skate(still) == 0.0
    slid = still + np.arange(40)[:, None, None] * np.array([0.05, 0.0, 0.0])
    assert metrics.foot_skate(slid) == 1.0
    assert metrics.bone_error(walk) < 0.1  # drawn with rounded directions
    assert metrics.bone_error(walk * 1.1) > 10


def test_diversity_of_one_point_is_nothing() -> None:
    assert metrics.diversity(np.ones((5, 3))) == 0.0
    assert metrics.diversity(np.ones((1, 3))) == 0.0


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("a person waves the left hand", "a person waves the right hand"),
        ("turns clockwise, then right", "turns counterclockwise, then left"),
        ("turns counter-clockwise", "turns clockwise"),
        ("walks to their left side", "walks to their right side"),
        ("a man walks", "a man walks"),
    ],
)
def test_a_mirrored_caption_has_its_sides_swapped(text: str, other: str) -> None:
    assert mirrored(text) == other


def test_sentences_for_every_label_say_their_sides() -> None:
    draw = random.Random(0)
    for content in CONTENTS:
        for style in (*STYLES, None):
            text = caption(content, style, draw)
            left, right = sides(text)
            assert left == ("left" in content)
            assert right == ("right" in content)
    assert mirrored("wave-left-hand") == "wave-right-hand"
    assert paced("a man walks.", 0.8, draw) != "a man walks."
    assert paced("a man walks.", 1.0, draw) == "a man walks."


def test_drawn_clips_stand_on_the_floor_and_speak() -> None:
    draw = random.Random(0)
    for action in ACTIONS:
        joints, texts = draw_clip(action, draw)
        assert joints.shape[1:] == (22, 3)
        assert np.isfinite(joints).all()
        assert joints[..., 1].min() == pytest.approx(0, abs=1e-5)
        assert texts
        assert all(len(text.split()) >= 2 for text in texts)


def test_packed_takes_come_back_to_the_millimetre(walk: np.ndarray, kick: np.ndarray) -> None:
    back = unpack_joints(pack_joints([walk, kick[:1], kick]))
    for one, other in zip(back, [walk, kick[:1], kick], strict=True):
        assert np.abs(one - other).max() <= 0.00051
