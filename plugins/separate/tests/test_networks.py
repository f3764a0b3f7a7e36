"""What the networks keep to whatever their weights are."""

from __future__ import annotations

import pytest
import torch
from mmkit_separate.networks.clipsep import ClipSep
from mmkit_separate.networks.film_unet import FilmUNet
from mmkit_separate.networks.tower import SoundTower, mel_bands
from mmkit_separate.training.losses import clipsep_loss, nit_loss, separation_loss


def film() -> FilmUNet:
    torch.manual_seed(0)
    network = FilmUNet(query_dim=6, bins=64, widths=(4, 6, 8), depths=(1, 1, 2), condition=8)
    return network.eval().requires_grad_(False)


def clipsep(heads: int = 0) -> ClipSep:
    torch.manual_seed(0)
    return (
        ClipSep(query_dim=6, bins=40, rows=32, maps=5, widths=(4, 4, 6), noise_heads=heads).eval().requires_grad_(False)
    )


def own_film(*own: float) -> FilmUNet:
    """A network whose decoder blends the excerpt's statistics in, with those of some training."""
    torch.manual_seed(0)
    network = FilmUNet(query_dim=6, bins=64, widths=(4, 6, 8), depths=(1, 1, 2), condition=8, own=own)
    with torch.no_grad():
        network.train()(3 * torch.rand(6, 64, 16), torch.randn(6, 2, 6))
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize("network", [film(), clipsep(), own_film(0.0, 0.2, 0.3)])
def test_queries_asked_together_give_what_they_give_alone(network: FilmUNet | ClipSep) -> None:
    magnitude, queries = torch.rand(2, network.bins, 19), torch.randn(2, 3, 6)
    together = network(magnitude, queries)
    assert together.shape == (2, 3, network.bins, 19)
    for number in range(3):
        assert torch.allclose(network(magnitude, queries[:, number : number + 1])[:, 0], together[:, number], atol=1e-5)


def test_blended_statistics_are_those_of_the_blend_of_both_distributions() -> None:
    layer = own_film(0.3).up[0][0].first
    x = torch.randn(2, 4, 5, 7) * 3 + 1
    layer.norm.running_mean.fill_(-2.0)
    layer.norm.running_var.fill_(0.25)
    mean, variance = layer._statistics(x)
    usual = torch.tensor([-2.5, -1.5])  # mean -2, variance 0.25
    for row, seen in enumerate(x):
        values = torch.cat([seen.flatten(1), usual.expand(4, 2)], dim=1)
        weights = torch.cat([torch.full((35,), 0.3 / 35), torch.full((2,), 0.7 / 2)])
        centre = values @ weights
        assert torch.allclose(mean[row], centre, atol=1e-5)
        assert torch.allclose(variance[row], (values - centre[:, None]).square() @ weights, atol=1e-4)


def test_without_statistics_of_its_own_a_layer_is_plain_batch_normalisation() -> None:
    torch.manual_seed(3)
    plain, almost = film().up[1][0].first.train(), own_film(0.0, 1e-7).up[1][0].first.train()
    almost.load_state_dict(plain.state_dict())
    x, condition = torch.randn(5, 6, 8, 8), torch.randn(5, 8)
    for _ in range(2):  # by the batch's statistics, then by those kept from it
        # The library keeps the unbiased variance: n / (n - 1) of 320 values.
        assert torch.allclose(plain(x, condition), almost(x, condition), atol=1e-3)
        plain.eval(), almost.eval()
    assert torch.allclose(plain.norm.running_mean, almost.norm.running_mean, atol=1e-5)


def test_strips_of_the_finest_level_join_up_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    network, magnitude, query = film(), torch.rand(1, 64, 19), torch.randn(1, 1, 6)
    monkeypatch.setattr("mmkit_separate.networks.film_unet._STRIP", 1000)
    whole = network(magnitude, query)
    for rows in (3, 4, 5, 15):
        monkeypatch.setattr("mmkit_separate.networks.film_unet._STRIP", rows)
        assert torch.allclose(network(magnitude, query), whole, atol=1e-6)


def test_evaluation_in_place_leaves_the_shared_levels_as_they_are() -> None:
    network, magnitude, query = film(), torch.rand(1, 64, 16), torch.randn(1, 1, 6)
    features = network.features(magnitude)
    first = network.masks(features, query, 16)
    network.masks(features, -query, 16)
    assert torch.equal(network.masks(features, query, 16), first)


@pytest.mark.parametrize("network", [film(), clipsep()])
def test_masks_do_not_depend_on_the_level(network: FilmUNet | ClipSep) -> None:
    magnitude, query = torch.rand(1, network.bins, 16) + 0.1, torch.randn(1, 1, 6)
    assert torch.allclose(network(magnitude, query), network(magnitude * 50, query), atol=1e-3)


@pytest.mark.parametrize("network", [film(), clipsep()])
def test_masks_never_amplify(network: FilmUNet | ClipSep) -> None:
    masks = network(torch.rand(1, network.bins, 9), 20 * torch.randn(1, 4, 6))
    assert float(masks.abs().max()) <= 1 + 1e-5
    assert torch.isfinite(masks.abs()).all()


@pytest.mark.parametrize("network", [film(), clipsep()])
def test_silence_gives_finite_masks(network: FilmUNet | ClipSep) -> None:
    assert torch.isfinite(network(torch.zeros(1, network.bins, 5), torch.randn(1, 1, 6)).abs()).all()


def test_clipsep_logits_are_the_gated_sum_of_the_paper() -> None:
    network = clipsep()
    maps, query = torch.randn(1, 5, 32, 4), torch.randn(1, 1, 6)
    logits, noise = network.logits(maps, query)
    gate = torch.sigmoid(network.condition(query)[0, 0])
    by_hand = sum(network.scale[k] * gate[k] * maps[0, k] for k in range(5)) + network.bias
    assert torch.allclose(logits[0, 0], by_hand, atol=1e-5)
    assert noise.shape[1] == 0


def test_noise_heads_depend_on_the_queries_only_through_their_mean() -> None:
    network = clipsep(heads=2)
    maps, queries = torch.randn(1, 5, 32, 4), torch.randn(1, 2, 6)
    assert torch.allclose(network.logits(maps, queries)[1], network.logits(maps, queries.flip(1))[1], atol=1e-6)


def test_the_invariant_loss_does_not_know_the_order_of_its_noise_heads() -> None:
    torch.manual_seed(1)
    logits, noise = torch.randn(3, 2, 8, 5), torch.randn(3, 2, 8, 5)
    mixture = torch.rand(3, 8, 5) + 0.5
    targets = torch.rand(3, 2, 8, 5)
    one, other = nit_loss(logits, noise, targets, mixture), nit_loss(logits, noise.flip(1), targets, mixture)
    assert torch.allclose(one, other)


def test_without_activity_the_invariant_loss_is_plain_clipsep() -> None:
    torch.manual_seed(2)
    logits, mixture, targets = torch.randn(2, 2, 8, 5), torch.rand(2, 8, 5) + 0.5, torch.rand(2, 2, 8, 5)
    silent = torch.full((2, 2, 8, 5), -40.0)
    assert torch.allclose(nit_loss(logits, silent, targets, mixture), clipsep_loss(logits, targets, mixture), atol=1e-4)


def test_noise_heads_at_work_all_the_time_cost() -> None:
    logits = torch.full((1, 2, 4, 4), 30.0)
    mixture = torch.ones(1, 4, 4)
    busy = nit_loss(logits, torch.full_like(logits, 30.0), torch.ones_like(logits), mixture)
    idle = nit_loss(logits, torch.full_like(logits, -30.0), torch.ones_like(logits), mixture)
    assert float(busy - idle) == pytest.approx(0.1 * 0.75, abs=1e-3)


def test_the_separation_loss_is_least_for_the_target_itself() -> None:
    torch.manual_seed(3)
    targets = torch.randn(2, 2, 8, 5, dtype=torch.complex64)
    mixture = targets.sum(dim=1)
    perfect = separation_loss(targets, targets, mixture)
    assert float(perfect) == pytest.approx(-30, abs=0.1)
    assert float(separation_loss(targets * 0.5, targets, mixture)) > float(perfect)
    assert float(separation_loss(mixture[:, None].expand_as(targets), targets, mixture)) > -3


def test_for_a_silent_target_the_loss_is_what_leaks() -> None:
    torch.manual_seed(4)
    mixture = torch.randn(1, 8, 5, dtype=torch.complex64)
    nothing = torch.zeros(1, 1, 8, 5, dtype=torch.complex64)
    quiet = separation_loss(nothing, nothing, mixture)
    loud = separation_loss(mixture[:, None], nothing, mixture)
    assert torch.isfinite(quiet)
    assert float(loud) > float(quiet) + 5


def test_mel_bands_each_sum_to_one_and_rise_in_frequency() -> None:
    bands = mel_bands(40, 256, 8000.0)
    assert torch.allclose(bands.sum(dim=1), torch.ones(40))
    centres = (bands * torch.arange(256)).sum(dim=1)
    assert bool((centres.diff() >= 0).all())


def test_the_tower_gives_unit_rows_whatever_the_level() -> None:
    tower = SoundTower(dim=5, bins=64, bands=16, widths=(4, 6, 8), dropout=0.5).eval()
    magnitude = torch.rand(2, 64, 20) + 0.1
    rows = tower(magnitude)
    assert torch.allclose(rows.norm(dim=1), torch.ones(2), atol=1e-5)
    assert torch.allclose(tower(magnitude * 30), rows, atol=1e-3)
