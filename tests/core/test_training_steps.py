"""What every plugin's training shares."""

from __future__ import annotations

import math

import pytest
import torch

from mmkit.errors import MmkitError
from mmkit.training.steps import GuardedOptimiser, autocast


def test_steps_that_are_not_finite_are_skipped_and_counted() -> None:
    net = torch.nn.Linear(2, 1)
    before = net.weight.detach().clone()
    guarded = GuardedOptimiser(net, rate=0.1)
    assert not guarded.step(net(torch.ones(1, 2)).sum() * math.nan)
    assert guarded.skipped == 1
    assert torch.equal(net.weight, before)
    assert guarded.step(net(torch.ones(1, 2)).sum())
    assert not torch.equal(net.weight, before)
    with pytest.raises(MmkitError, match="in a row"):
        for _ in range(60):
            guarded.step(net(torch.ones(1, 2)).sum() * math.inf)


def test_matrices_decay_and_the_rest_does_not() -> None:
    net = torch.nn.Linear(2, 3)
    groups = GuardedOptimiser(net, rate=0.1, decay=0.2).inner.param_groups
    assert [(group["weight_decay"], [p.ndim for p in group["params"]]) for group in groups] == [(0.2, [2]), (0.0, [1])]


def test_the_factor_scales_the_step() -> None:
    moved = []
    for factor in (1.0, 0.5):
        net = torch.nn.Linear(1, 1, bias=False)
        before = net.weight.detach().clone()
        GuardedOptimiser(net, rate=0.1, decay=0.0).step(net(torch.ones(1, 1)).sum(), factor=factor)
        moved.append(float((before - net.weight).detach()))
    assert moved[1] == pytest.approx(0.5 * moved[0], rel=1e-3)


def test_half_precision_is_the_gpu_s_alone() -> None:
    with autocast(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_parameters_may_have_a_share_of_the_rate() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    guarded = GuardedOptimiser(net, rate=0.1, share=lambda name: 0.5 if name.startswith("0.") else 1.0)
    before = [value.detach().clone() for value in net.parameters()]
    assert guarded.step(net(torch.ones(1, 2)).sum(), factor=0.2)
    moved = [float((a - b.detach()).abs().max()) for a, b in zip(before, net.parameters(), strict=True)]
    # Adam's first step is as long as the rate; decay adds a hundredth of a weight.
    assert moved[1] == pytest.approx(0.01, rel=0.01)
    assert moved[3] == pytest.approx(0.02, rel=0.01)
