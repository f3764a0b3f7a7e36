"""Mixtures made on the fly: what is in them, and what their queries ask for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmkit_separate.training.mixing import Mixer, Queries
from mmkit_separate.training.pool import Pool, Sound

RATE = 8000


def wave(hertz: float, seconds: float) -> np.ndarray:  # type: ignore[type-arg]
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


def pool() -> Pool:
    sounds = [Sound("low", wave(200, 2.0)), Sound("high", wave(2000, 2.0)), Sound("short", wave(800, 0.05))]
    sounds += [Sound("notes", wave(pitch, 0.4), "piano", note=True) for pitch in (300, 400)]
    return Pool(sounds, RATE, labels=["low", "high", "short", "notes"], clashes=[("low", "notes")])


def mixer(**options: float) -> Mixer:
    torch.manual_seed(0)
    queries = Queries(torch.eye(4), [[0], [1], [2], [3]], noise=0.0)
    return Mixer(pool(), queries, domains=[(1.0, [0, 1, 2, 3], [0, 1, 2, 3])], length=4000, **options)  # type: ignore[arg-type]


def test_a_source_holds_its_own_sound_and_no_other() -> None:
    torch.manual_seed(0)
    drawn = pool().draw(torch.tensor([0, 1, 0, 1]), 8000)
    peaks = torch.fft.rfft(drawn).abs().argmax(dim=1) * RATE / 8000
    assert (peaks[[0, 2]] < 300).all() and (peaks[[1, 3]] > 1400).all()


def test_a_short_sound_lies_whole_inside_the_excerpt() -> None:
    torch.manual_seed(0)
    drawn = pool().draw(torch.full((30,), 2), 8000)
    assert (drawn.abs().amax(dim=1) > 0.2).all()
    assert (drawn[:, :3].abs().amax() < 0.3) and ((drawn == 0).float().mean(dim=1) > 0.05).all()


def test_notes_become_phrases() -> None:
    torch.manual_seed(0)
    assert (pool().draw(torch.full((20,), 3), 8000).abs().amax(dim=1) > 0).float().mean() > 0.8


def test_labels_of_a_mixture_never_clash() -> None:
    made = mixer()
    labels = made.labels(200)
    for row in labels[:, :2].tolist():
        assert row[0] != row[1]
        assert set(row) != {0, 3}


def test_targets_and_what_they_leave_add_up_to_the_mixture() -> None:
    drawn = mixer(third=0.0, absent=0.0).draw(16)
    assert torch.allclose(drawn.targets.sum(dim=1), drawn.mixture, atol=1e-5)


def test_a_query_for_what_is_not_there_has_a_silent_target() -> None:
    drawn = mixer(third=0.0, absent=0.5).draw(16)
    assert float(drawn.targets[:, 1].abs().max()) == 0
    assert float(drawn.targets[:, 0].abs().amax(dim=1).min()) >= 0


def test_off_screen_noise_goes_into_the_targets() -> None:
    clean = mixer(third=0.0, absent=0.0)
    noisy = mixer(third=0.0, absent=0.0, stray=1.0)
    drawn = noisy.draw(16)
    assert torch.allclose(drawn.targets.sum(dim=1), drawn.mixture, atol=1e-5)
    one = clean.draw(16).targets.square().mean()
    assert float(drawn.targets.square().mean()) > float(one)


def test_queries_are_unit_rows_near_what_they_stand_for() -> None:
    torch.manual_seed(0)
    queries = Queries(torch.eye(8), [[0], [1, 2]], noise=0.3)
    drawn = queries.draw(torch.tensor([0, 1]).repeat(50))
    assert torch.allclose(drawn.norm(dim=1), torch.ones(100), atol=1e-5)
    assert (drawn[::2, 0] > 0.8).all()
    assert (drawn[1::2, 1:3].amax(dim=1) > 0.8).all()


def test_a_label_without_a_vector_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one query vector"):
        Queries(torch.eye(2), [[0], []])
