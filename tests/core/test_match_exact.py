"""Exact search returns what float64 brute force returns, whatever the data and whichever filter narrows it down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmkit.errors import BadInput, SpaceMismatch, UsageError
from mmkit.match import ExactIndex, match, search_blocks
from mmkit.match.bounds import BF16, FLOAT32, Query
from mmkit.match.filters import NumpyFilter, TorchFilter, TorchPreparer
from mmkit.types import Embeddings, Matches, SharedSpaceQuery

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

SCORERS = ("cosine", "dot", "euclidean")


def reference(queries: NDArray[Any], gallery: NDArray[Any], scorer: str) -> NDArray[np.float64]:
    """(Q, N) scores, each pair on its own in float64."""
    q, g = queries.astype(np.float64), gallery.astype(np.float64)
    if scorer == "euclidean":
        return -np.sqrt(np.square(q[:, None] - g[None]).sum(axis=2))
    scores = (q[:, None] * g[None]).sum(axis=2)
    if scorer == "cosine":
        lengths = np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(g, axis=1)[None]
        scores = np.divide(scores, lengths, out=np.zeros_like(scores), where=lengths > 0)
    return scores


def assert_exact(found: Matches, queries: NDArray[Any], gallery: NDArray[Any], scorer: str, k: int) -> None:
    """Scores are the k best, each hit has the score it states, and equal scores go by the lower row."""
    scores = reference(queries, gallery, scorer)
    k = min(k, len(gallery))
    assert found.indices.shape == found.scores.shape == found.ids.shape == (len(queries), k)
    best = -np.sort(-scores, axis=1)[:, :k]
    lengths = np.linalg.norm(queries.astype(np.float64), axis=1)[:, None] if scorer != "cosine" else 1.0
    room = 1e-12 * (np.max(lengths, initial=1.0) * max(1.0, float(np.abs(gallery.astype(np.float64)).max(initial=0))))
    np.testing.assert_allclose(found.scores, best, rtol=1.2e-7, atol=room * gallery.shape[1])
    for hits, own, wanted in zip(found.indices, found.scores, scores, strict=True):
        assert len(set(hits.tolist())) == k
        np.testing.assert_allclose(own, wanted[hits], rtol=1.2e-7, atol=room * gallery.shape[1])
        same = own[1:] == own[:-1]
        assert (hits[1:][same] > hits[:-1][same]).all()


def search(arithmetic: str, queries: Any, gallery: Any, k: int, scorer: str, block: int = 4096) -> Matches:
    """Through one filter, whatever the size of the problem."""
    blocks = [gallery[start : start + block] for start in range(0, len(gallery), block)]
    return search_blocks(queries, blocks, k, scorer=scorer, arithmetic=arithmetic)  # type: ignore[arg-type]


def adversarial(kind: str, rows: int, dim: int, queries: int, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Galleries on which a low-precision filter that trusts its scores goes wrong."""
    draw = np.random.default_rng(seed)
    gallery = draw.standard_normal((rows, dim)).astype(np.float32)
    asked = draw.standard_normal((queries, dim)).astype(np.float32)
    if kind == "near-duplicates":
        gallery = gallery[:1] + 1e-5 * gallery
        asked = gallery[:1] + 1e-3 * asked
    elif kind == "all equal":
        gallery = np.repeat(gallery[:1], rows, axis=0)
    elif kind == "few distinct":
        gallery = gallery[draw.integers(0, min(rows, 5), rows)]
    elif kind == "narrow cone":
        gallery = 0.02 * gallery + 1.0
        asked = 0.02 * asked + 1.0
    elif kind == "rising":
        # Every block is better than all before it: thresholds learnt early are worthless.
        gallery = gallery * 0.01 + np.linspace(-1, 1, rows, dtype=np.float32)[:, None] * asked[:1]
    elif kind == "wild lengths":
        gallery *= np.exp(6 * draw.standard_normal((rows, 1))).astype(np.float32)
    elif kind == "zero rows":
        gallery[draw.random(rows) < 0.7] = 0
        asked[0] = 0
    elif kind == "all negative":
        gallery, asked = -np.abs(gallery), np.abs(asked)
    elif kind == "signs":
        gallery, asked = np.sign(gallery), np.sign(asked)
    return asked, gallery


KINDS = (
    "plain", "near-duplicates", "all equal", "few distinct", "narrow cone",
    "rising", "wild lengths", "zero rows", "all negative", "signs",
)  # fmt: skip


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("arithmetic", ["bf16", "float32"])
def test_finds_the_same_as_float64_on_adversarial_data(kind: str, scorer: str, arithmetic: str) -> None:
    asked, gallery = adversarial(kind, 3001, 24, 5, seed=1)
    assert_exact(search(arithmetic, asked, gallery, 10, scorer, block=700), asked, gallery, scorer, 10)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    scorer=st.sampled_from(SCORERS),
    arithmetic=st.sampled_from(["bf16", "float32", "auto"]),
    rows=st.integers(1, 900),
    dim=st.integers(1, 70),
    queries=st.integers(1, 6),
    k=st.integers(1, 40),
    block=st.integers(1, 400),
    seed=st.integers(0, 2**32 - 1),
)
def test_finds_the_same_as_float64_for_any_shape(
    kind: str, scorer: str, arithmetic: str, rows: int, dim: int, queries: int, k: int, block: int, seed: int
) -> None:
    asked, gallery = adversarial(kind, rows, dim, queries, seed)
    assert_exact(search(arithmetic, asked, gallery, k, scorer, block), asked, gallery, scorer, k)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), scorer=st.sampled_from(SCORERS), arithmetic=st.sampled_from(["bf16", "float32"]))
def test_finds_the_same_as_float64_for_any_numbers(data: st.DataObject, scorer: str, arithmetic: str) -> None:
    numbers = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
    dim = data.draw(st.integers(1, 4))
    row = st.lists(numbers, min_size=dim, max_size=dim)
    gallery = np.array(data.draw(st.lists(row, min_size=1, max_size=40)), np.float32)
    asked = np.array(data.draw(st.lists(row, min_size=1, max_size=3)), np.float32)
    # Squares of such small numbers leave even float64 few digits to order by.
    gallery[np.abs(gallery) < 1e-12] = 0
    asked[np.abs(asked) < 1e-12] = 0
    assert_exact(search(arithmetic, asked, gallery, 3, scorer, block=16), asked, gallery, scorer, 3)


@settings(max_examples=50, deadline=None)
@given(
    kind=st.sampled_from(KINDS), scorer=st.sampled_from(SCORERS), dim=st.integers(1, 200), seed=st.integers(0, 10**6)
)
def test_every_low_precision_product_stays_within_its_bound(kind: str, scorer: Any, dim: int, seed: int) -> None:
    asked, gallery = adversarial(kind, 64, dim, 4, seed)
    query = Query(asked, scorer)
    exact = query.exact @ gallery.astype(np.float64).T
    if scorer == "cosine":
        lengths = np.linalg.norm(gallery.astype(np.float64), axis=1)
        exact = exact / np.where(lengths > 0, lengths, 1)
    elif scorer == "euclidean":
        exact = exact - np.square(gallery.astype(np.float64)).sum(axis=1) / 2
    for precision in (BF16, FLOAT32):
        narrow = TorchFilter(query, precision)
        block = TorchPreparer(scorer, precision).prepare(gallery, 0)
        low = (block.prepared @ narrow.columns).float().T.double().numpy()[:, : len(gallery)]
        if scorer == "euclidean":
            low = low - np.square(block.geometry.lengths) / 2
        slack = query.slack(precision, block.geometry, narrow.shift)
        output = 0.0 if scorer == "euclidean" else precision.output
        assert (np.abs(low - exact) <= slack[:, None] + output * np.abs(low)).all()


def test_the_filter_really_narrows_down() -> None:
    asked, gallery = adversarial("plain", 4096, 128, 8, seed=3)
    query = Query(asked, "cosine")
    floor = -np.sort(-reference(asked, gallery, "cosine"), axis=1)[:, 9]
    everyone = np.arange(8)
    for narrow, block in (
        (TorchFilter(query, BF16), TorchPreparer("cosine", BF16).prepare(gallery, 0)),
        (NumpyFilter(query), NumpyFilter(query).prepare(gallery, 0)),
    ):
        left = narrow.survivors(block, everyone, floor, k=10, full=True, cap=128)
        assert len(left.crowded) == 0
        assert 80 <= len(left.rows) <= 400


@pytest.mark.parametrize("arithmetic", ["bf16", "float32"])
def test_results_do_not_depend_on_block_size(arithmetic: str) -> None:
    asked, gallery = adversarial("few distinct", 2000, 16, 4, seed=5)
    whole = search(arithmetic, asked, gallery, 20, "cosine", block=2000)
    for block in (1, 17, 333):
        parts = search(arithmetic, asked, gallery, 20, "cosine", block=block)
        np.testing.assert_array_equal(parts.indices, whole.indices)
        np.testing.assert_array_equal(parts.scores, whole.scores)


@pytest.mark.parametrize("arithmetic", ["bf16", "float32", "auto"])
def test_a_prepared_index_finds_the_same_as_a_stream(arithmetic: Any) -> None:
    asked, gallery = adversarial("plain", 5000, 32, 7, seed=6)
    index = ExactIndex(gallery, scorer="dot", arithmetic=arithmetic)
    for _ in range(2):
        assert_exact(index.search(asked, 12), asked, gallery, "dot", 12)
    assert len(index) == 5000


def test_a_large_match_takes_the_fast_path_and_is_exact() -> None:
    asked, gallery = adversarial("plain", 20_000, 96, 110, seed=7)
    np.testing.assert_array_equal(
        match(asked, gallery, 5).indices, np.argsort(-reference_matrix(asked, gallery), axis=1)[:, :5]
    )


def reference_matrix(queries: NDArray[Any], gallery: NDArray[Any]) -> NDArray[np.float64]:
    q, g = queries.astype(np.float64), gallery.astype(np.float64)
    return (q / np.linalg.norm(q, axis=1, keepdims=True)) @ (g / np.linalg.norm(g, axis=1, keepdims=True)).T


@pytest.mark.parametrize("arithmetic", ["bf16", "float32"])
def test_float16_blocks_are_scored_as_they_are_stored(arithmetic: str) -> None:
    asked, gallery = adversarial("plain", 900, 48, 3, seed=8)
    gallery = (gallery / np.linalg.norm(gallery, axis=1, keepdims=True)).astype(np.float16)
    assert_exact(search(arithmetic, asked, gallery, 10, "cosine", block=250), asked, gallery, "cosine", 10)


def test_mapped_shards_of_both_types_stream_in_order(tmp_path: Any) -> None:
    asked, gallery = adversarial("plain", 600, 8, 2, seed=9)
    np.save(tmp_path / "a.npy", gallery[:350].astype(np.float16))
    np.save(tmp_path / "b.npy", gallery[350:])
    shards = [np.load(tmp_path / name, mmap_mode="r") for name in ("a.npy", "b.npy")]
    stored = np.concatenate([np.asarray(shard, np.float32) for shard in shards])
    for arithmetic in ("bf16", "float32"):
        found = search_blocks(asked, iter(shards), 10, arithmetic=arithmetic)  # type: ignore[arg-type]
        assert_exact(found, asked, stored, "cosine", 10)
    names = [f"item {row}" for row in range(600)]
    named = search_blocks(asked, iter(shards), 3, ids=names)
    assert named.ids.tolist() == [[names[row] for row in hits] for hits in named.indices]


@pytest.mark.parametrize("arithmetic", ["bf16", "float32"])
@pytest.mark.parametrize("scale", [1e-20, 1e-12, 1e12])
def test_cosine_does_not_depend_on_the_length_of_rows(arithmetic: str, scale: float) -> None:
    asked, gallery = adversarial("plain", 300, 12, 3, seed=10)
    plain = search(arithmetic, asked, gallery, 5, "cosine")
    scaled = search(arithmetic, asked, gallery * np.float32(scale), 5, "cosine")
    np.testing.assert_array_equal(scaled.indices, plain.indices)
    np.testing.assert_allclose(scaled.scores, plain.scores, rtol=1e-6)


def test_a_zero_row_scores_zero() -> None:
    found = match(np.array([[1.0, 0.0]]), np.array([[-1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]), 3)
    assert found.indices.tolist() == [[2, 1, 0]]
    np.testing.assert_allclose(found.scores, [[np.sqrt(0.5), 0.0, -1.0]], rtol=1e-6)


@pytest.mark.parametrize("arithmetic", ["bf16", "float32"])
def test_hits_under_the_threshold_are_padding(arithmetic: str) -> None:
    gallery = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]], np.float32)
    found = search_blocks(np.array([[1.0, 0.0]]), [gallery], 4, threshold=0.5, arithmetic=arithmetic)  # type: ignore[arg-type]
    assert found.indices.tolist() == [[0, 1, -1, -1]]
    assert found.ids.tolist() == [["0", "1", "", ""]]
    assert found.scores[0, 2:].tolist() == [-np.inf, -np.inf]


def test_empty_sides_give_empty_matches() -> None:
    vectors = np.ones((3, 4), np.float32)
    assert match(np.empty((0, 4), np.float32), vectors, 2).indices.shape == (0, 2)
    assert match(vectors, np.empty((0, 4), np.float32), 2).indices.shape == (3, 0)
    assert match(vectors, np.empty((0, 0), np.float32), 2).indices.shape == (3, 0)
    assert search_blocks(vectors, [], 2).indices.shape == (3, 0)
    assert ExactIndex(np.empty((0, 4), np.float32)).search(vectors).indices.shape == (3, 0)


def test_a_list_of_blocks_is_a_gallery() -> None:
    blocks = [np.eye(3, dtype=np.float32), -np.eye(3, dtype=np.float32)]
    assert match(np.eye(3), blocks, 1).indices.ravel().tolist() == [0, 1, 2]
    assert match(-np.eye(3), (block for block in blocks), 1).indices.ravel().tolist() == [3, 4, 5]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("arithmetic", ["bf16", "float32"])
def test_vectors_that_are_not_finite_are_refused_by_row(bad: float, arithmetic: str) -> None:
    gallery = np.ones((50, 4), np.float32)
    gallery[33, 2] = bad
    for blocks in ([gallery], [gallery[:30], gallery[30:]]):
        with pytest.raises(BadInput, match="gallery row 33"):
            search_blocks(np.ones((2, 4)), blocks, arithmetic=arithmetic)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="queries row 33"):
        match(gallery, np.ones((2, 4)))


def test_sides_of_different_spaces_are_refused_naming_both() -> None:
    vectors = np.eye(4, dtype=np.float32)
    mini = Embeddings(vectors, space="mini", fingerprint="a" * 64)
    with pytest.raises(SpaceMismatch, match=r"mini.*clip"):
        match(mini, Embeddings(vectors, space="clip"))
    with pytest.raises(SpaceMismatch, match=r"bbbb.*aaaa"):
        match(SharedSpaceQuery(vectors[0], "text", space="mini", fingerprint="b" * 64), mini)
    with pytest.raises(SpaceMismatch, match=r"3 dims.*4"):
        match(np.ones((1, 3)), mini)
    with pytest.raises(SpaceMismatch, match=r"block 1.*4 dims.*3"):
        match(mini, [vectors, np.ones((1, 3))])
    assert match(SharedSpaceQuery(vectors[2], "text", space="mini"), mini, 1).indices.tolist() == [[2]]


def test_names_come_from_the_gallery() -> None:
    gallery = Embeddings(np.eye(3, dtype=np.float32), ids=("a", "b", "c"))
    assert match(np.eye(3), gallery, 1).ids.ravel().tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("k", [0, -1])
def test_k_under_one_is_a_usage_error(k: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        match(np.eye(2), np.eye(2), k)
