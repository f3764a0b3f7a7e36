"""Identities and degenerate cases of the parts."""

from __future__ import annotations

import numpy as np
import pytest
from mmkit_link.calibration import best_f1_threshold, fit_sigmoid
from mmkit_link.candidates import nearest
from mmkit_link.choosing import choose
from mmkit_link.comparisons import Features
from mmkit_link.encoding import pooled
from mmkit_link.grouping import cluster_pooled, group_pairs
from mmkit_link.metrics import adjusted_rand, average_precision, f1_of
from mmkit_link.model import fit_model, load_model, with_threshold
from mmkit_link.rivals import best_rival, mutual_best, ranks, rivals_of
from mmkit_link.thresholds import threshold_without_labels
from mmkit_link.tuning import search_cut, search_pooling
from mmkit_link.views import grams_view, overlap, term_counts, view_of
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score, average_precision_score

from mmkit.errors import BadInput, UsageError


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def towers():
    rng = np.random.default_rng(0)
    return unit(rng.normal(size=(40, 16))), unit(rng.normal(size=(40, 16)))


def test_weight_zero_is_the_text_alone_and_one_the_picture_alone(towers):
    pictures, texts = towers
    assert np.allclose(pooled(pictures, texts, 0), texts, atol=1e-6)
    assert np.allclose(pooled(pictures, texts, 1), pictures, atol=1e-6)


def test_a_record_without_a_picture_is_its_text_at_any_weight(towers):
    pictures, texts = towers
    pictures = pictures.copy()
    pictures[3] = 0
    for weight in (0, 0.5, 1):
        assert np.allclose(pooled(pictures, texts, weight)[3], texts[3], atol=1e-6)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_pooled_clusters_equal_dbscan_with_one_sample(towers, threshold):
    found = cluster_pooled(*towers, weight=0.4, threshold=threshold)
    rows = pooled(*towers, 0.4)
    expected = DBSCAN(eps=1 - threshold, min_samples=1, metric="cosine").fit_predict(rows)
    assert adjusted_rand_score(found, expected) == 1


def test_search_over_weights_beats_either_tower_alone():
    rng = np.random.default_rng(1)
    classes = np.repeat(np.arange(24), 5)
    # Even and odd neighbours share a picture, odd and even a text: only both together tell all apart.
    picture, text = rng.normal(size=(12, 32)), rng.normal(size=(13, 32))
    pictures = unit(picture[classes // 2] + 0.15 * rng.normal(size=(120, 32)))
    texts = unit(text[(classes + 1) // 2] + 0.15 * rng.normal(size=(120, 32)))
    best = search_pooling(pictures, texts, classes.tolist())
    alone = [search_pooling(pictures, texts, classes.tolist(), weights=(w,)).ari for w in (0.0, 1.0)]
    assert 0 < best.weight < 1 and best.ari > 0.95 > max(alone)
    found = cluster_pooled(pictures, texts, weight=best.weight, threshold=best.threshold)
    assert adjusted_rand(found.tolist(), classes.tolist()) == pytest.approx(best.ari, abs=0.02)


def test_single_linkage_chains_and_average_linkage_does_not():
    pairs = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    scores = np.array([0.9, 0.6, 0.9, 0.9], np.float32)
    assert group_pairs(6, pairs, scores, 0.5, linkage="single").tolist() == [0, 0, 0, 0, 0, 1]
    assert group_pairs(6, pairs, scores, 0.5, linkage="average").tolist()[:3] == [0, 0, 1]
    assert group_pairs(6, pairs, scores, 0.95).tolist() == list(range(6))


def test_a_chain_too_long_for_a_dense_linkage_is_cut_where_it_is_weakest():
    count = 2500
    pairs = np.stack([np.arange(count - 1), np.arange(1, count)], axis=1)
    scores = np.full(count - 1, 0.99, np.float32)
    scores[1200] = 0.6
    labels = group_pairs(count, pairs, scores, 0.5)
    assert len(set(labels.tolist())) == 2 and labels[1200] != labels[1201]


def test_adjusted_rand_equals_the_reference_and_one_where_alike():
    rng = np.random.default_rng(2)
    one, other = rng.integers(0, 5, 60), rng.integers(0, 4, 60)
    assert adjusted_rand(one.tolist(), other.tolist()) == pytest.approx(adjusted_rand_score(one, other))
    assert adjusted_rand([1, 1, 2], ["b", "b", "a"]) == 1 and adjusted_rand([], []) == 1


def test_average_precision_equals_the_reference_with_ties():
    rng = np.random.default_rng(3)
    scores, labels = rng.integers(0, 6, 80) / 6, rng.integers(0, 2, 80)
    assert average_precision(scores, labels) == pytest.approx(average_precision_score(labels, scores))
    assert average_precision(scores, 0 * labels) == 0


def test_f1_without_anything_is_zero():
    assert f1_of(np.zeros(3, bool), np.zeros(3, np.int64)) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_the_best_threshold_separates_what_can_be_separated():
    threshold, f1 = best_f1_threshold(np.array([0.1, 0.4, 0.6, 0.9]), np.array([0, 0, 1, 1]))
    assert (threshold, f1) == (0.5, 1.0)
    assert best_f1_threshold(np.array([0.1]), np.array([0])) == (1.0, 0.0)


def test_calibration_of_calibrated_scores_changes_little():
    rng = np.random.default_rng(4)
    scores = rng.uniform(0.02, 0.98, 4000)
    labels = (rng.uniform(size=4000) < scores).astype(np.int64)
    assert np.abs(fit_sigmoid(scores, labels)(scores) - scores).max() < 0.05


def test_overlap_of_equal_sets_is_one_and_of_empty_ones_unknown():
    counts = term_counts([["a", "b"], [], ["b", "a"], ["c"]], {})
    view = view_of(counts, np.array([0, 1], np.int32), np.array([2, 3], np.int32))
    same, empty, apart = (
        {name: float(value[place]) for name, value in overlap(view, np.array([0, 1, 0]), np.array([2, 2, 3])).items()}
        for place in range(3)
    )
    assert same["cosine"] == pytest.approx(1) and same["left_only"] == 0
    assert set(empty.values()) == {-1.0}
    assert apart["cosine"] == apart["left_in_right"] == apart["shared"] == 0


def test_sparse_search_equals_the_dense_product():
    texts = [f"record {number} {number * 37 % 11}" for number in range(60)]
    one, other = grams_view(texts[:30], texts[30:]).sides()
    product = (one @ other.T).toarray()
    pairs = nearest(one, other, 4)
    for row in range(30):
        got = np.sort(product[row, pairs[pairs[:, 0] == row, 1]])
        assert np.allclose(got, np.sort(product[row])[-4:])


def test_a_search_beyond_its_budget_drops_the_commonest_terms_only():
    counts = term_counts([["all", f"own{n}"] for n in range(50)], {})
    pairs = nearest(counts, counts, 3, work=100)
    assert pairs.tolist() == [[n, n] for n in range(50)]


def test_rivals_are_the_best_of_the_others():
    pairs = np.array([[0, 0], [0, 1], [1, 1], [2, 2]])
    scores = np.array([0.9, 0.5, 0.7, 0.3], np.float32)
    assert best_rival(pairs[:, 0], scores).tolist() == pytest.approx([0.5, 0.9, 0, 0])
    assert mutual_best(pairs, scores).tolist() == [True, False, True, True]
    assert ranks(pairs[:, 1], scores).tolist() == [0, 1, 0, 0]
    left, right = rivals_of(np.array([[0, 1], [1, 2]]), np.array([0.9, 0.4], np.float32), within=True)
    assert left.tolist() == pytest.approx([0, 0.9]) and right.tolist() == pytest.approx([0.4, 0])


def test_assignment_takes_the_best_total_and_each_record_once():
    pairs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    scores = np.array([0.9, 0.8, 0.85, 0.1], np.float32)
    assert choose(pairs, scores, 0.05).tolist() == [0, 3] or choose(pairs, scores, 0.05).tolist() == [1, 2]
    assert choose(pairs, scores, 0.82).tolist() == [0]
    assert choose(pairs, scores, 0.05, relation="one-to-many").tolist() == [0, 1]
    assert choose(pairs, scores, 0.05, relation="many-to-one").tolist() == [0, 2]
    assert choose(pairs, scores, 0.05, relation="many-to-many").tolist() == [0, 1, 2, 3]
    with pytest.raises(UsageError, match="one-to-one"):
        choose(pairs, scores, 0.05, relation="one")


def test_a_threshold_without_labels_lies_between_two_groups():
    rng = np.random.default_rng(5)
    lefts = np.repeat(np.arange(600), 12)
    pairs = np.stack([lefts, rng.integers(0, 600, len(lefts))], axis=1)
    scores = rng.uniform(0.1, 0.4, len(lefts)).astype(np.float32)
    # The first half of the records have a partner, the others have none.
    pairs[: 300 * 12 : 12, 1] = np.arange(300)
    scores[: 300 * 12 : 12] = rng.uniform(0.7, 1.0, 300)
    found = threshold_without_labels(pairs, scores)
    assert 0.38 < found.threshold <= 0.75
    assert found.f1 > 0.95
    assert threshold_without_labels(np.zeros((0, 2), np.int64), np.zeros(0)).threshold == 1


@pytest.fixture
def fitted():
    rng = np.random.default_rng(6)
    values = rng.normal(size=(300, 4)).astype(np.float32)
    labels = (values[:, 0] + 0.5 * values[:, 1] > 0).astype(np.int64)
    features = Features(values, ("a:x", "a:y", "b:x", "b:y"))
    return features, labels, fit_model(features, labels, trees=20)[0]


def test_the_plain_forest_predicts_what_scikit_learn_predicts(fitted):
    from mmkit_link.forest import _plain
    from sklearn.ensemble import ExtraTreesClassifier

    features, labels, _ = fitted
    classifier = ExtraTreesClassifier(15, random_state=0).fit(features.values, labels)
    expected = classifier.predict_proba(features.values)[:, 1]
    assert np.allclose(_plain([each.tree_ for each in classifier.estimators_])(features.values), expected, atol=1e-6)


def test_a_saved_model_scores_the_same(fitted, tmp_path):
    features, _, model = fitted
    with_threshold(model, 0.25, columns=["a", "b"]).save(tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    assert loaded.threshold == 0.25 and loaded.recipe == {"columns": ["a", "b"]}
    assert np.array_equal(loaded.probabilities(features), model.probabilities(features))


def test_a_model_refuses_other_features_and_damaged_files(fitted, tmp_path):
    features, labels, model = fitted
    with pytest.raises(BadInput, match="b:y"):
        model.probabilities(Features(features.values[:, :3], features.names[:3]))
    with pytest.raises(BadInput, match="one class"):
        fit_model(features, np.zeros_like(labels))
    with pytest.raises(BadInput, match="no such model"):
        load_model(tmp_path / "missing")
    model.save(tmp_path / "m")
    data = (tmp_path / "m").read_bytes()
    (tmp_path / "cut").write_bytes(data[: len(data) // 2])
    with pytest.raises(BadInput, match="damaged"):
        load_model(tmp_path / "cut")


def test_a_model_whose_trees_walk_in_circles_is_refused(fitted, tmp_path):
    from dataclasses import replace

    _, _, model = fitted
    looped = model.forest.left.copy()
    looped[model.forest.feature >= 0] = 0
    replace(model, forest=replace(model.forest, left=looped)).save(tmp_path / "m")
    with pytest.raises(BadInput, match="malformed"):
        load_model(tmp_path / "m")


def test_rows_that_agree_become_one_record_and_columns_are_read_as_one():
    import pyarrow as pa
    from mmkit_link.records import as_records, grouped, parse_columns

    lines = pa.table({"id": ["a", "b", "c"], "page": ["2", "1", "2"], "text": ["Kestrel", "Lantern", "Ltd"]})
    pages = grouped(lines, "page")
    assert pages.column("id").to_pylist() == ["2", "1"] and pages.column("text").to_pylist() == [
        "Kestrel Ltd",
        "Lantern",
    ]
    firms = pa.table({"id": ["x"], "name": ["Kestrel"], "city": ["Ashford"]})
    column = parse_columns("text=name+city", pages.column_names, firms.column_names)[0]
    assert as_records(firms, {column.name: column.right}).columns == {"text": ("Kestrel Ashford",)}
    with pytest.raises(UsageError, match="town"):
        parse_columns("text=name+town", pages.column_names, firms.column_names)


def test_columns_that_agree_tell_links_without_labels():
    from mmkit_link.agreement import agreement_probabilities

    rng = np.random.default_rng(0)
    names = tuple(f"{name}:ratio" for name in "abcd")
    apart = rng.choice([0.2, 1.0], (400, 4), p=[0.8, 0.2])
    links = rng.choice([0.2, 1.0], (60, 4), p=[0.1, 0.9])
    chance = Features(rng.choice([0.2, 1.0], (2000, 4), p=[0.98, 0.02]).astype(np.float32), names)
    found = agreement_probabilities(Features(np.concatenate([apart, links]).astype(np.float32), names), chance, 300)
    assert (found[400:] > 0.5).mean() > 0.9 and (found[:400] > 0.5).mean() < 0.05
    assert agreement_probabilities(Features(links[:, :3].astype(np.float32), names[:3]), chance, 300) is None


def test_large_tables_are_searched_by_words_they_share():
    from mmkit_link.prepared import prepare
    from mmkit_link.records import Records
    from mmkit_link.shared_words import shared_words_view

    words = [f"name{number % 40} day{number % 37} street{number}" for number in range(120)]
    texts = [*words, *(text.replace("street", "road") for text in words)]
    view = shared_words_view(prepare(Records(tuple(map(str, range(240))), {"text": tuple(texts)}), None))
    pairs = {tuple(sorted(pair)) for pair in nearest(*view, 2).tolist() if pair[0] != pair[1]}
    assert pairs >= {(number, number + 120) for number in range(120)}


def test_the_cut_keeps_away_from_a_chain_that_a_hundredth_more_would_close():
    # Two classes on a line, 0.10 apart inside; the gap between them is bridged at 0.205 by two strays of a third.
    places = np.array([0.0, 0.1, 0.2, 0.3, 0.505, 0.71, 0.81, 0.91, 1.01])
    labels = [0, 0, 0, 0, 1, 2, 2, 2, 2]
    distances = np.abs(places[:, None] - places[None])
    cut, ari = search_cut(distances, labels)
    # Every cut from 0.10 to 0.20 separates the classes; from 0.18 on, three hundredths more would chain them.
    assert ari == 1 and 0.1 <= cut <= 0.17


def test_bars_near_zero_keep_their_digits():
    from mmkit_link.pages import bar

    assert [bar(value, 1.0).split("> ")[-1] for value in (0.314, -0.05, 1.3e-7, 0.0)] == [
        "+0.31",
        "-0.05",
        "+1.3e-07",
        "+0",
    ]
