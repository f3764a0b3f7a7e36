"""Spectra that mean the same at every rate."""

from __future__ import annotations

import pytest
import torch
from mmkit_separate.networks.clipsep import from_log_frequency, to_log_frequency
from mmkit_separate.networks.spectra import Resolution

RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000)


@pytest.mark.parametrize("rate", RATES)
def test_synthesis_undoes_analysis_at_every_rate(rate: int) -> None:
    samples = torch.randn(2, round(0.3 * rate))
    resolution = Resolution()
    again = resolution.synthesise(resolution.analyse(samples, rate), rate, samples.shape[1])
    assert torch.allclose(again, samples, atol=1e-4)


@pytest.mark.parametrize("rate", RATES)
def test_a_sine_stands_in_the_same_bin_with_the_same_height_at_every_rate(rate: int) -> None:
    time = torch.arange(rate // 2) / rate
    sine = torch.sin(2 * torch.pi * 1000 * time)[None]
    resolution = Resolution()
    spectrum = resolution.to_network(resolution.analyse(sine, rate)).abs()[0].mean(dim=1)
    assert abs(int(spectrum.argmax()) - 64) <= 1  # 1000 Hz in steps of 15.6 Hz
    assert 0.4 < float(spectrum.max()) < 0.55


@pytest.mark.parametrize("rate", RATES)
def test_windows_are_fast_and_within_a_hundredth_of_their_length(rate: int) -> None:
    window, _ = Resolution().sizes(rate)
    left = window
    for factor in (2, 3, 5, 7):
        while left % factor == 0:
            left //= factor
    assert left == 1
    assert abs(window / rate - 0.064) <= 0.01 * 0.064 + 2 / rate


def test_a_mask_goes_on_above_the_network_with_the_mean_of_its_edge() -> None:
    mask = torch.rand(1, 64, 5)
    wide = Resolution(bins=64).from_network(mask, 80)
    assert torch.equal(wide[:, :64], mask)
    assert torch.allclose(wide[:, 64:], mask[:, -4:].mean(dim=1, keepdim=True).expand(1, 16, 5))


def test_sound_shorter_than_a_window_is_taken() -> None:
    resolution = Resolution()
    samples = torch.randn(1, 7)
    assert torch.allclose(resolution.synthesise(resolution.analyse(samples, 8000), 8000, 7), samples, atol=1e-5)


def test_the_warp_to_log_frequency_keeps_smooth_spectra() -> None:
    smooth = torch.linspace(0, 1, 512)[:, None].expand(512, 3)
    again = from_log_frequency(to_log_frequency(smooth, 256), 512)
    assert float((again - smooth).abs().max()) < 0.02


def test_log_frequency_rows_are_even_steps_of_pitch() -> None:
    bins = torch.arange(512.0)[:, None]
    rows = to_log_frequency(bins, 256)[:, 0]
    ratios = rows[1:] / rows[:-1]
    assert torch.allclose(ratios, ratios[:1].expand(255), rtol=1e-3)
    assert float(rows[-1]) == pytest.approx(511)
