from __future__ import annotations

import numpy as np
from mmkit_link.forest import fit_forest


def test_few_and_heavy_links_are_left_out_of_trees_as_often_as_other_pairs():
    rng = np.random.default_rng(0)
    labels = (np.arange(2000) < 40).astype(np.int64)
    values = rng.normal(size=(2000, 4)).astype(np.float32) + 4 * labels[:, None].astype(np.float32)
    weights = np.where(labels == 1, 0.5 / 0.02, 0.5 / 0.98)
    forest, unseen = fit_forest(values, labels, weights, trees=40, seed=0)
    # Drawn by weight, all 40 links would be in all trees, and unseen by none: no estimate, or 0.
    assert np.median(unseen[labels == 1]) > 0.9 and np.median(unseen[labels == 0]) < 0.1
    # What was not seen is estimated less surely than what was.
    assert unseen[labels == 1].mean() < forest(values)[labels == 1].mean()


def test_a_forest_is_the_mean_of_its_trees_and_the_same_for_the_same_seed():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(60, 3)).astype(np.float32)
    labels = (values[:, 0] > 0).astype(np.int64)
    one, unseen = fit_forest(values, labels, np.ones(60), trees=7, seed=3)
    other, again = fit_forest(values, labels, np.ones(60), trees=7, seed=3)
    np.testing.assert_allclose(
        one(values), np.mean([one.tree(number, values) for number in range(7)], axis=0), rtol=1e-5
    )
    np.testing.assert_array_equal(one(values), other(values))
    np.testing.assert_array_equal(unseen, again)


def test_two_pairs_and_one_tree_give_scores_all_the_same():
    forest, unseen = fit_forest(np.array([[0.0], [1.0]], np.float32), np.array([0, 1]), np.ones(2), trees=1, seed=0)
    assert np.isfinite(unseen).all() and len(forest.roots) == 1
