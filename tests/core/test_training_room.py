"""Budgets, running means and checkpoints of trainings."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from mmkit.errors import ModelUnavailable
from mmkit.training.average import Average
from mmkit.training.budget import Budget, one_cycle
from mmkit.training.checkpoint import Checkpoint
from mmkit.training.steps import GuardedOptimiser


def test_a_budget_ends_after_its_steps_or_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    budget, count = Budget(seconds=3600, steps=40), 0
    while not budget.over:
        budget.step += 1
        count += 1
    assert count == 40
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    budget = Budget(seconds=10)
    budget.take_up(spent=4, step=7)
    monkeypatch.setattr(time, "monotonic", lambda: now + 3)
    assert (budget.elapsed, budget.progress, budget.step) == (7, 0.7, 7)
    monkeypatch.setattr(time, "monotonic", lambda: now + 6)
    assert budget.over
    assert Budget(steps=0).over
    assert Budget(seconds=0, steps=5).over
    with pytest.raises(ValueError, match="seconds or steps"):
        Budget()


def test_the_rate_rises_and_then_falls_to_its_floor() -> None:
    rates = [one_cycle(place / 100, rise=0.1, floor=0.02) for place in range(101)]
    assert rates.index(max(rates)) == 10
    assert max(rates) == 1.0
    assert min(rates) == pytest.approx(0.02)
    assert rates[-1] == pytest.approx(0.02)
    assert rates == [*sorted(rates[:10]), *sorted(rates[10:], reverse=True)]


def test_an_average_is_the_mean_of_the_weights_so_far_and_the_last_buffers() -> None:
    network = nn.BatchNorm1d(2)
    average = Average(network, decay=0.5)
    values = [1.0]
    for value in (3.0, 5.0, 9.0, 4.0, 8.0, 2.0, 7.0, 1.0, 6.0):
        with torch.no_grad():
            network.weight.fill_(value)
            network.running_mean.fill_(value)
        average.update(network)
        keep = min(0.5, (1 + len(values)) / (10 + len(values)))
        values.append(keep * values[-1] + (1 - keep) * value)
    assert average.count == 9
    assert torch.allclose(average.network.weight, torch.full((2,), values[-1]))
    assert torch.equal(average.network.running_mean, torch.full((2,), 6.0))
    assert not average.network.training
    average.swap(network)
    assert torch.allclose(network.weight, torch.full((2,), values[-1]))
    average.swap(network)
    assert torch.equal(network.weight, torch.full((2,), 6.0))


def _stepped(network: nn.Module, optimiser: GuardedOptimiser) -> None:
    optimiser.step(network(torch.ones(1, 2)).square().sum())


def test_a_run_taken_up_from_a_checkpoint_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Linear(2, 1)
    optimiser = GuardedOptimiser(network, rate=0.1)
    kept = Checkpoint(tmp_path / "state.safetensors")
    assert kept.load({"net": network}, {"net": optimiser.inner}) is None
    _stepped(network, optimiser)
    assert kept.save({"net": network}, {"net": optimiser.inner}, {"step": 1})
    _stepped(network, optimiser)
    again = nn.Linear(2, 1)
    resumed = GuardedOptimiser(again, rate=0.1)
    assert kept.load({"net": again}, {"net": resumed.inner}) == {"step": 1}
    _stepped(again, resumed)
    assert torch.equal(again.weight, network.weight)
    assert torch.equal(again.bias, network.bias)


def test_a_checkpoint_never_holds_broken_weights(tmp_path: Path) -> None:
    network = nn.Linear(2, 1)
    kept = Checkpoint(tmp_path / "state.safetensors")
    assert kept.save({"net": network}, {}, {"step": 3})
    good = network.weight.detach().clone()
    with torch.no_grad():
        network.weight[0, 0] = math.nan
    assert not kept.save({"net": network}, {}, {"step": 4})
    assert kept.load({"net": network}, {}) == {"step": 3}
    assert torch.equal(network.weight, good)


def test_a_checkpoint_that_does_not_fit_is_one_line(tmp_path: Path) -> None:
    kept = Checkpoint(tmp_path / "state.safetensors")
    kept.save({"net": nn.Linear(2, 1)}, {}, {})
    with pytest.raises(ModelUnavailable, match="does not fit this run"):
        kept.load({"net": nn.Linear(3, 1)}, {})
    kept.path.write_bytes(kept.path.read_bytes()[:20])
    with pytest.raises(ModelUnavailable, match="does not fit this run"):
        kept.load({"net": nn.Linear(2, 1)}, {})


def test_a_checkpoint_is_due_after_a_while(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = Checkpoint(tmp_path / "state.safetensors", every=60)
    assert not kept.due()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    assert kept.due()
    kept.save({"net": nn.Linear(2, 1)}, {}, {})
    assert not kept.due()
