"""Chunks that join up, and live steps that follow on."""

from __future__ import annotations

import time

import numpy as np
import pytest
from mmkit_separate.live import LiveSeparator
from mmkit_separate.streaming import separate_blocks


@pytest.mark.parametrize("length", [1, 99, 100, 101, 119, 120, 121, 555, 1000])
@pytest.mark.parametrize("block", [1, 37, 2000])
def test_the_pieces_are_the_whole_whatever_the_lengths(length: int, block: int) -> None:
    samples = np.random.default_rng(0).standard_normal((2, length)).astype(np.float32)
    blocks = (samples[:, start : start + block] for start in range(0, length, block))
    pieces = list(separate_blocks(blocks, lambda x: np.stack([x, 0.5 * x]), chunk=100, overlap=20))
    assert np.array_equal(np.concatenate([mixture for mixture, _ in pieces], axis=-1), samples)
    stems = np.concatenate([stem for _, stem in pieces], axis=-1)
    assert np.allclose(stems, np.stack([samples, 0.5 * samples]), atol=1e-6)


def test_several_workers_give_what_one_gives_in_order() -> None:
    samples = np.random.default_rng(0).standard_normal((1, 2000)).astype(np.float32)
    begun, together, most = [], [0], [0]

    def separate(x: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        together[0] += 1
        most[0] = max(most[0], together[0])
        time.sleep(0.02 * float(abs(x[0, 0])))  # later chunks often finish first
        together[0] -= 1
        return np.stack([x, 2 * x])

    pieces = list(
        separate_blocks([samples], separate, chunk=100, overlap=20, workers=3, prepare=lambda: begun.append(1))
    )
    assert np.array_equal(np.concatenate([mixture for mixture, _ in pieces], axis=-1), samples)
    stems = np.concatenate([stem for _, stem in pieces], axis=-1)
    assert np.allclose(stems, np.stack([samples, 2 * samples]), atol=1e-5)
    assert 1 < len(begun) <= 3 and 1 < most[0] <= 3


def test_an_error_in_a_chunk_comes_out() -> None:
    def separate(x: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        list(separate_blocks([np.zeros((1, 900), np.float32)], separate, chunk=100, overlap=20, workers=2))


def test_chunks_are_never_shorter_than_their_overlap_and_never_longer_than_a_chunk_and_an_overlap() -> None:
    seen = []

    def separate(x: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        seen.append(x.shape[-1])
        return x[None].copy()

    for length in range(100, 400, 7):
        list(separate_blocks([np.zeros((1, length), np.float32)], separate, chunk=100, overlap=20))
    assert min(seen) >= 20
    assert max(seen) < 120


def test_neighbouring_chunks_are_cross_faded() -> None:
    values = iter([0.0, 1.0])
    pieces = separate_blocks(
        [np.zeros((1, 150), np.float32)],
        lambda x: np.full((1, *x.shape), next(values), np.float32),
        chunk=100,
        overlap=20,
    )
    stem = np.concatenate([stem for _, stem in pieces], axis=-1)[0, 0]
    assert (stem[:80] == 0).all() and (stem[100:] == 1).all()
    assert (np.diff(stem[80:100]) > 0).all()


def test_an_overlap_of_half_a_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        next(separate_blocks([np.zeros((1, 9), np.float32)], lambda x: x[None], chunk=10, overlap=5))


def test_live_steps_give_the_stem_late_and_whole() -> None:
    live = LiveSeparator(lambda heard: heard * 0.5, rate=1000, step=0.1)
    samples = np.random.default_rng(0).standard_normal((1, 1000)).astype(np.float32)
    out = np.concatenate([live.push(samples[:, s : s + 100]) for s in range(0, 1000, 100)], axis=1)
    assert out.shape == samples.shape
    assert np.allclose(out[:, live.fade :], 0.5 * samples[:, : -live.fade], atol=1e-6)
    assert live.latency == pytest.approx(0.15)
