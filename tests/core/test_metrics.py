"""Ranking metrics against plain loops, and at their limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies
from hypothesis.extra import numpy as hypothesis_numpy

from mmkit.pipeline.metrics import best_ranks, rank_summary, top_k_accuracy


def matrix(rows: int, columns: int, seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


@given(queries=strategies.integers(1, 12), gallery=strategies.integers(1, 20), seed=strategies.integers(0, 2**32 - 1))
def test_the_best_rank_equals_a_loop_over_the_sorted_scores(queries: int, gallery: int, seed: int) -> None:
    asked, there = matrix(queries, 6, seed), matrix(gallery, 6, seed + 1)
    chance = np.random.default_rng(seed)
    relevant = [
        chance.choice(gallery, size=chance.integers(1, gallery + 1), replace=False).tolist() for _ in range(queries)
    ]
    scores = asked @ there.T
    expected = []
    for row, own in enumerate(relevant):
        order = np.argsort(-scores[row]).tolist()
        # The best of several relevant items is ranked among the others alone.
        best = max(own, key=lambda item: scores[row, item])
        expected.append(1 + sum(item not in own for item in order[: order.index(best)]))
    np.testing.assert_array_equal(best_ranks(asked, there, relevant), expected)


def test_more_queries_than_a_chunk_change_nothing() -> None:
    asked, there = matrix(2100, 4, 0), matrix(30, 4, 1)
    own = np.random.default_rng(2).integers(0, 30, 2100)
    whole = best_ranks(asked, there, own[:, None])
    parts = [best_ranks(asked[i : i + 7], there, own[i : i + 7, None]) for i in range(0, 2100, 7)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


@given(gallery=strategies.integers(1, 50), own=strategies.integers(0, 49))
def test_constant_scores_rank_in_the_middle(gallery: int, own: int) -> None:
    ranks = best_ranks(np.zeros((1, 3), np.float32), matrix(gallery, 3, 0), [[own % gallery]])
    assert ranks[0] == (gallery + 1) / 2


def test_ties_count_half_and_worse_items_not_at_all() -> None:
    gallery = np.array([[1], [2], [2], [2], [3]], np.float32)
    assert best_ranks(np.ones((1, 1), np.float32), gallery, [[1]]).tolist() == [3.0]
    assert best_ranks(np.ones((1, 1), np.float32), gallery, [[1, 2, 3]]).tolist() == [2.0]
    assert best_ranks(np.ones((1, 1), np.float32), gallery, [[0, 1, 2, 3, 4]]).tolist() == [1.0]


@given(hypothesis_numpy.arrays(np.float64, strategies.integers(1, 40), elements=strategies.integers(1, 30).map(float)))
def test_the_summary_equals_its_definition(ranks: Any) -> None:
    found = rank_summary(ranks)
    ordered = sorted(ranks)
    for k in (1, 5, 10):
        assert found[f"R@{k}"] == pytest.approx(sum(rank <= k for rank in ranks) / len(ranks))
    assert found["median_rank"] == (ordered[(len(ranks) - 1) // 2] + ordered[len(ranks) // 2]) / 2
    assert found["R@1"] <= found["R@5"] <= found["R@10"]


def test_no_queries_are_all_zero_and_cutoffs_can_be_chosen() -> None:
    assert rank_summary(np.zeros(0)) == {"R@1": 0.0, "R@5": 0.0, "R@10": 0.0, "median_rank": 0.0}
    assert rank_summary(np.array([1.0, 3.0]), cutoffs=[2]) == {"R@2": 0.5, "median_rank": 2.0}


@given(rows=strategies.integers(1, 10), classes=strategies.integers(1, 12), seed=strategies.integers(0, 2**32 - 1))
def test_top_k_equals_a_sorted_loop(rows: int, classes: int, seed: int) -> None:
    scores = matrix(rows, classes, seed)
    labels = np.random.default_rng(seed).integers(0, classes, rows)
    for k in range(1, classes + 1):
        expected = [label in np.argsort(-row)[:k] for row, label in zip(scores, labels, strict=True)]
        assert top_k_accuracy(scores, labels, k).tolist() == expected


def test_a_constant_score_is_never_right_by_luck() -> None:
    labels = np.array([0, 1, 2])
    assert not top_k_accuracy(np.zeros((3, 3), np.float32), labels, 2).any()
    assert top_k_accuracy(np.zeros((3, 3), np.float32), labels, 3).all()
