"""Scorers, the registry, approximate indexes, assignment and clustering."""

from __future__ import annotations

import builtins
import itertools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import mmkit.match
from mmkit.errors import BadInput, MissingExtra, PluginError, UsageError
from mmkit.match import SCORERS, Scorer, assign, cluster, match, resolve_scorer
from mmkit.match.ann import FaissIndex
from mmkit.types import Embeddings


def draws(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


# The room


def test_importing_the_room_loads_neither_numpy_nor_torch() -> None:
    code = "import sys, mmkit.match; print([m for m in ('numpy', 'torch', 'scipy', 'faiss') if m in sys.modules])"
    assert python(code) == "[]"


def test_a_small_match_does_not_load_torch() -> None:
    code = (
        "import sys, numpy as np; from mmkit.match import match; "
        "match(np.eye(4), np.ones((1000, 4))); print('torch' in sys.modules)"
    )
    assert python(code) == "False"


def test_the_room_itself_can_be_called() -> None:
    assert mmkit.match(np.eye(2), np.eye(2), 1).indices.tolist() == [[0], [1]]


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_here"):
        mmkit.match.nothing_here  # noqa: B018


# Scorers


def test_maxsim_equals_its_loop() -> None:
    left, right = draws(0, 3, 4, 8), draws(1, 7, 5, 8)
    left_mask, right_mask = draws(2, 3, 4) > -0.5, draws(3, 7, 5) > -0.5
    left_mask[:, 0] = right_mask[:, 0] = True
    queries = Embeddings(left, kind="multivector", mask=left_mask)
    gallery = Embeddings(right, kind="multivector", mask=right_mask)
    wanted = np.zeros((3, 7))
    for q, g in np.ndindex(3, 7):
        wanted[q, g] = sum(
            max(float(token @ other) for other in right[g][right_mask[g]]) for token in left[q][left_mask[q]]
        )
    found = match(queries, gallery, 7, scorer="maxsim")
    np.testing.assert_array_equal(found.indices, np.argsort(-wanted, axis=1))
    np.testing.assert_allclose(found.scores, -np.sort(-wanted, axis=1), rtol=1e-5)
    averaged = match(queries, gallery, 7, scorer="maxsim_mean")
    np.testing.assert_allclose(averaged.scores * left_mask.sum(axis=1)[:, None], found.scores, rtol=1e-5)


def test_maxsim_of_a_single_vector_is_its_best_token_either_way_round() -> None:
    single, tokens = draws(4, 3, 8), draws(5, 6, 4, 8)
    wanted = (single @ tokens.transpose(0, 2, 1)).max(axis=2).T
    forward = match(single, Embeddings(tokens, kind="multivector"), 6, scorer="maxsim")
    np.testing.assert_allclose(forward.scores, -np.sort(-wanted, axis=1), rtol=1e-5)
    backward = match(Embeddings(tokens, kind="multivector"), single, 3, scorer="maxsim")
    np.testing.assert_allclose(backward.scores, -np.sort(-wanted.T, axis=1), rtol=1e-5)


def test_a_set_without_tokens_is_never_a_hit() -> None:
    mask = np.array([[True, True], [False, False]])
    gallery = Embeddings(draws(6, 2, 2, 3), kind="multivector", mask=mask)
    for query in (draws(7, 1, 3), draws(7, 1, 2, 3)):
        assert match(query, gallery, 2, scorer="maxsim").indices.tolist() == [[0, -1]]


def test_hamming_counts_differing_bits() -> None:
    bits = np.random.default_rng(8).integers(0, 2, (50, 24), dtype=np.uint8)
    packed = np.packbits(bits, axis=1)
    found = match(packed[:3], Embeddings(packed, kind="bits"), 50, scorer="hamming")
    wanted = (bits[:3, None] != bits[None]).sum(axis=2)
    np.testing.assert_array_equal(found.indices, np.argsort(wanted, axis=1, kind="stable"))
    np.testing.assert_array_equal(found.scores, -np.sort(wanted, axis=1))


@pytest.mark.parametrize(
    ("queries", "gallery", "scorer"),
    [
        (draws(0, 1, 4), draws(1, 2, 3, 4), "cosine"),
        (draws(0, 1, 4), draws(1, 3, 4), "hamming"),
        (np.zeros((1, 4), np.uint8), draws(1, 3, 4), "maxsim"),
    ],
)
def test_kinds_a_scorer_does_not_take_are_refused_naming_both(queries: Any, gallery: Any, scorer: str) -> None:
    names = {2: "vector", 3: "multivector"}
    left = "bits" if queries.dtype == np.uint8 else names[queries.ndim]
    with pytest.raises(UsageError, match=f"{scorer}.*{left} queries.*{names[gallery.ndim]} gallery"):
        match(queries, gallery, scorer=scorer)


def negative_l1(queries: Any, gallery: Any) -> Any:
    return -np.abs(queries.vectors[:, None] - gallery.vectors[None]).sum(axis=2)


L1 = Scorer("l1", negative_l1)


def test_a_scorer_of_ones_own_is_searched_block_by_block() -> None:
    queries, gallery = draws(9, 3, 5), draws(10, 9001, 5)
    wanted = np.argsort(np.abs(queries[:, None] - gallery[None]).sum(axis=2), axis=1, kind="stable")[:, :20]
    np.testing.assert_array_equal(match(queries, gallery, 20, scorer=L1).indices, wanted)


def test_equal_scores_of_any_scorer_go_by_the_lower_row() -> None:
    level = Scorer("level", lambda queries, gallery: np.zeros((len(queries), len(gallery))))
    assert match(draws(0, 2, 3), draws(1, 9000, 3), 4, scorer=level).indices.tolist() == [[0, 1, 2, 3]] * 2


def test_scorers_resolve_by_name_plugin_and_reference() -> None:
    assert resolve_scorer("dot") is SCORERS["dot"]
    assert resolve_scorer(L1) is L1
    assert resolve_scorer(f"{__name__}:L1") is L1
    assert resolve_scorer("manhattan", {"manhattan": f"{__name__}:L1"}) is L1
    with pytest.raises(UsageError, match=r"'cosin'.*cosine.*manhattan"):
        resolve_scorer("cosin", {"manhattan": "nowhere:L1"})
    with pytest.raises(PluginError, match="nowhere:L1"):
        resolve_scorer("manhattan", {"manhattan": "nowhere:L1"})
    with pytest.raises(PluginError, match="to be a Scorer"):
        resolve_scorer("mmkit.match.scorers:cosine")


# Approximate indexes


@pytest.mark.parametrize("scorer", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("index", ["faiss:HNSW32", "faiss:IVF16,Flat;nprobe=16", "faiss:Flat"])
def test_faiss_finds_nearly_what_exact_search_finds(index: str, scorer: str) -> None:
    pytest.importorskip("faiss")
    queries, gallery = draws(11, 5, 16), draws(12, 1000, 16)
    exact, found = match(queries, gallery, 10, scorer=scorer), match(queries, gallery, 10, scorer=scorer, index=index)
    common = [len(set(a) & set(b)) for a, b in zip(exact.indices.tolist(), found.indices.tolist(), strict=True)]
    assert np.mean(common) >= (8 if "HNSW" in index else 10)
    agree = found.indices == exact.indices
    np.testing.assert_array_equal(found.scores[agree], exact.scores[agree])
    assert (np.diff(found.scores, axis=1) <= 0).all()


def test_faiss_errors_say_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss")
    with pytest.raises(UsageError, match="100 rows"):
        match(draws(0, 1, 4), draws(1, 100, 4), index="faiss:IVF256,Flat")
    with pytest.raises(UsageError, match="Nonsense"):
        match(draws(0, 1, 4), draws(1, 100, 4), index="faiss:Nonsense")
    with pytest.raises(UsageError, match="annoy"):
        match(draws(0, 1, 4), draws(1, 100, 4), index="annoy")
    assert FaissIndex(np.empty((0, 4), np.float32), "faiss:Flat").search(draws(0, 2, 4)).indices.shape == (2, 0)


def test_faiss_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_faiss(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "faiss":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_faiss)
    with pytest.raises(MissingExtra, match=r"mmkit\[faiss\]"):
        match(draws(0, 1, 4), draws(1, 100, 4), index="faiss:Flat")


# Assignment


@settings(max_examples=80, deadline=None)
@given(
    rows=st.integers(0, 4), columns=st.integers(0, 4), forbidden=st.floats(0, 0.9), seed=st.integers(0, 10**6),
    threshold=st.none() | st.floats(-1, 1),
)  # fmt: skip
def test_assignment_equals_trying_everything(
    rows: int, columns: int, forbidden: float, seed: int, threshold: float | None
) -> None:
    draw = np.random.default_rng(seed)
    scores = draw.standard_normal((rows, columns))
    scores[draw.random(scores.shape) < forbidden] = -np.inf
    allowed = {
        (int(i), int(j)) for i, j in np.argwhere(np.isfinite(scores)) if threshold is None or scores[i, j] >= threshold
    }
    best = (0, 0.0)
    for size in range(1, min(rows, columns) + 1):
        for left in itertools.combinations(range(rows), size):
            for right in itertools.permutations(range(columns), size):
                if allowed.issuperset(zip(left, right, strict=True)):
                    total = float(sum(scores[i, j] for i, j in zip(left, right, strict=True)))
                    best = max(best, (size, total))
    pairs, found = assign(scores, threshold=threshold)
    assert allowed.issuperset(map(tuple, pairs.tolist()))
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs) == best[0]
    assert float(found.sum()) == pytest.approx(best[1], abs=1e-5)
    assert pairs.dtype == np.int64 and (np.diff(pairs[:, 0]) > 0).all()


def test_assignment_refuses_scores_without_an_order() -> None:
    for bad in (np.nan, np.inf):
        with pytest.raises(BadInput, match="NaN or"):
            assign(np.array([[bad]]))
    with pytest.raises(UsageError, match=r"\(N, M\)"):
        assign(np.zeros(3))


# Clustering


def components(close: NDArray[np.bool_]) -> NDArray[np.int64]:
    labels = np.full(len(close), -1)
    for start in range(len(close)):
        if labels[start] < 0:
            number, todo = labels.max() + 1, [start]
            while todo:
                row = todo.pop()
                if labels[row] < 0:
                    labels[row] = number
                    todo.extend(np.flatnonzero(close[row]).tolist())
    return labels


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 60), dim=st.integers(1, 6), threshold=st.floats(-0.9, 1), step=st.integers(1, 70),
    seed=st.integers(0, 10**6),
)  # fmt: skip
def test_single_linkage_equals_connected_components(
    count: int, dim: int, threshold: float, step: int, seed: int
) -> None:
    vectors = draws(seed, count, dim)
    vectors[count // 2 :: 3] = vectors[: len(vectors[count // 2 :: 3])]
    units = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    cosines = (units[:, None] * units[None]).sum(axis=2).astype(np.float32)
    labels = cluster(vectors, threshold, rows_at_once=step)
    np.testing.assert_array_equal(labels, components(cosines >= np.float32(threshold)))


def test_complete_linkage_keeps_every_pair_of_a_cluster_close() -> None:
    angles = np.linspace(0, np.pi / 2, 40)
    chain = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert cluster(chain, 0.95).max() == 0
    for linkage, guaranteed in (("complete", np.min), ("average", np.mean)):
        labels = cluster(chain, 0.95, linkage=linkage)  # type: ignore[arg-type]
        assert labels.max() >= 2
        for label in range(labels.max() + 1):
            members = chain[labels == label]
            assert guaranteed(members @ members.T) >= 0.95


def test_stricter_linkages_never_join_across_groups() -> None:
    vectors = np.repeat(np.eye(3), 2, axis=0)
    for linkage in ("single", "complete", "average"):
        assert cluster(vectors, 0.9, linkage=linkage).tolist() == [0, 0, 1, 1, 2, 2]  # type: ignore[arg-type]


def test_identical_vectors_are_one_cluster_even_at_a_threshold_of_one() -> None:
    vectors = np.repeat(draws(13, 1, 300), 30, axis=0)
    assert cluster(vectors, 1.0, rows_at_once=7).tolist() == [0] * 30


def test_clustering_refuses_what_it_cannot_mean() -> None:
    with pytest.raises(UsageError, match="cosine from -1 to 1"):
        cluster(np.eye(2), 1.5)
    with pytest.raises(UsageError, match="ward"):
        cluster(np.eye(2), 0.5, linkage="ward")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="vectors row 1"):
        cluster(np.array([[1.0], [np.nan]]), 0.5)
