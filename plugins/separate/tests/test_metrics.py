"""The scores against mir_eval, and their edges."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from mmkit_separate.metrics import BssEval, sdr, si_sdr


@pytest.mark.parametrize("count", [2, 3])
def test_scores_equal_mir_eval(count: int) -> None:
    mir_eval = pytest.importorskip("mir_eval")
    chance = np.random.default_rng(count)
    sources = chance.standard_normal((count, 6000))
    sources[0] = np.convolve(sources[0], np.hanning(9), "same")
    estimate = np.convolve(sources[0], [0, 0.7, 0.2], "same") + 0.3 * sources[1] + 0.1 * chance.standard_normal(6000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = mir_eval.separation.bss_eval_sources(
            sources, np.stack([estimate, *sources[1:]]), compute_permutation=False
        )
    found = BssEval(sources).scores(estimate)
    assert (found.sdr, found.sir, found.sar) == pytest.approx([row[0] for row in expected[:3]], abs=1e-3)


def test_a_filter_of_the_source_is_forgiven_by_bss_eval_and_not_by_plain_sdr() -> None:
    source = np.random.default_rng(0).standard_normal((2, 4000))
    late = np.roll(np.pad(source[0], (0, 100)), 50)[:4000] * 0.5
    assert BssEval(source).scores(late).sdr > 15
    assert sdr(source[0], late) < 1


def test_si_sdr_ignores_the_scale_and_agrees_with_the_formula() -> None:
    chance = np.random.default_rng(1)
    target, noise = chance.standard_normal(1000), chance.standard_normal(1000)
    noise -= (noise @ target) / (target @ target) * target
    mixed = target + 0.1 * noise
    expected = 10 * np.log10((target @ target) / (0.01 * noise @ noise))
    assert si_sdr(target, mixed) == pytest.approx(expected)
    assert si_sdr(target, 7 * mixed) == pytest.approx(expected)


def test_edges() -> None:
    target = np.array([1.0, -1.0, 0.5])
    assert sdr(target, target) == float("inf")
    assert sdr(target, np.zeros(3)) == pytest.approx(0)
    assert si_sdr(target, np.zeros(3)) == float("-inf")
    with pytest.raises(ValueError, match="silent"):
        BssEval(np.stack([target, np.zeros(3)]))
