"""The training loop, and the losses it makes small.

Legend: B mixtures a step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmkit.training.average import Average
from mmkit.training.budget import Budget, one_cycle
from mmkit.training.checkpoint import Checkpoint
from mmkit.training.steps import GuardedOptimiser
from mmkit_separate.networks.clipsep import ClipSep, to_log_frequency
from mmkit_separate.networks.film_unet import FilmUNet, complex_masks
from mmkit_separate.networks.spectra import Resolution
from mmkit_separate.networks.tower import SoundTower
from mmkit_separate.training.losses import clipsep_loss, nit_loss, separation_loss
from mmkit_separate.training.mixing import Mixer, Queries

__all__ = ["Schedule", "fit", "separator_loss", "tower_loss"]

#: Seconds between two reports.
_EVERY = 15.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Attributes:
    rate: the highest learning rate, after a rise over the first 3 % of the time; then half a cosine to a thousandth.
    decay: weight decay of matrices and kernels.
    average: weights' running mean keeps this much a step.
    """

    rate: float = 1e-3
    decay: float = 1e-2
    average: float = 0.998


def fit(
    model: nn.Module,
    loss_of: Callable[[], Tensor],
    schedule: Schedule,
    report: Callable[[int, float, float], None],
    *,
    seconds: float | None = None,
    steps: int | None = None,
    checkpoint: Checkpoint | None = None,
    resume: bool = False,
    wrote: Callable[[nn.Module], None] = lambda averaged: None,
    frozen: Sequence[nn.Module] = (),
) -> tuple[nn.Module, int]:
    """Train ``model`` and return the running mean of its weights and the steps done.

    Args:
        loss_of: draws a batch and returns the loss of ``model`` on it.
        report: takes step, share of the budget spent and mean loss, about every 15 seconds.
        seconds, steps: the budget, whichever is spent first.
        checkpoint: where the run is kept now and then.
        resume: go on from there.
        wrote: takes the averaged model after each write.
        frozen: normalisations that keep their statistics.

    Raises:
        ModelUnavailable: what was kept is damaged or of another run.
    """
    optimiser = GuardedOptimiser(model, rate=schedule.rate, decay=schedule.decay)
    average = Average(model, decay=schedule.average)
    networks, inner = {"model": model, "average": average.network}, {"steps": optimiser.inner}
    facts = (checkpoint.load(networks, inner) if checkpoint is not None and resume else None) or {}
    budget = Budget(seconds=seconds, steps=steps)
    budget.take_up(spent=facts.get("elapsed", 0.0), step=facts.get("step", 0))
    average.count = facts.get("averaged", 0)
    if budget.step:
        # Not the draws of the first steps once more.
        torch.manual_seed(torch.initial_seed() + budget.step)
    said = time.monotonic()
    total, since = torch.zeros((), device=next(model.parameters()).device), 0
    while not budget.over:
        model.train()
        for part in frozen:
            part.eval()
        loss = loss_of()
        if optimiser.step(loss, factor=one_cycle(budget.progress, floor=1e-3)):
            average.update(model)
            total += loss.detach()
            since += 1
        budget.step += 1
        if time.monotonic() - said > _EVERY:
            report(budget.step, budget.progress, float(total) / max(since, 1))
            said, since = time.monotonic(), 0
            total.zero_()
        if checkpoint is not None and checkpoint.due():
            stands = {"step": budget.step, "elapsed": round(budget.elapsed, 1), "averaged": average.count}
            if checkpoint.save(networks, inner, stands):
                wrote(average.network)
    return average.network, budget.step


def separator_loss(
    model: nn.Module,
    mixer: Mixer,
    resolution: Resolution,
    batch: int,
    *,
    low: bool,
    compiled: bool = False,
    gamma: float = 0.25,
    strength: float = 0.1,
) -> Callable[[], Tensor]:
    """A function that draws mixtures and returns the loss of the separator on them.

    Args:
        low: run the network in bfloat16.
        compiled: let torch.compile fuse the U-Net's operations, at the price of a minute at the start.
        gamma, strength: see ``nit_loss``.
    """
    rate = mixer.pool.rate
    device = mixer.pool.device
    parts = model.parts if isinstance(model, FilmUNet) else None
    if compiled and parts is not None:
        parts = torch.compile(parts)

    def spectra(samples: Tensor) -> Tensor:
        return resolution.to_network(resolution.analyse(samples, rate))

    def loss() -> Tensor:
        with torch.no_grad():
            drawn = mixer.draw(batch)
            mixture = spectra(drawn.mixture)
            targets = spectra(drawn.targets.flatten(0, 1)).unflatten(0, drawn.targets.shape[:2])
        with torch.autocast(device.type, torch.bfloat16, enabled=low):
            if parts is not None:
                masks = complex_masks(parts(mixture.abs(), drawn.queries))
            else:
                assert isinstance(model, ClipSep)
                frames = mixture.shape[-1]
                signal, noise = model.logits(model.features(mixture.abs()), drawn.queries)
                signal, noise = signal[..., :frames].float(), noise[..., :frames].float()
        if parts is not None:
            return separation_loss(masks * mixture[:, None], targets, mixture)
        # The paper weighs bins by the magnitude of a plain STFT; 512 undoes the division by the window's sum.
        rows = [to_log_frequency(x.abs() * 512, model.rows) for x in (mixture, targets)]
        if model.noise:
            return nit_loss(signal, noise, rows[1], rows[0], gamma=gamma, strength=strength)
        return clipsep_loss(signal, rows[1], rows[0])

    return loss


def tower_loss(
    model: SoundTower, mixer: Mixer, queries: Queries, resolution: Resolution, batch: int, *, low: bool
) -> Callable[[], Tensor]:
    """A function that draws sounds, often with a quieter second one, and returns the tower's loss.

    The loss is softmax cross-entropy over one query vector of every label, at temperature 0.05.
    """
    pool = mixer.pool
    labels = torch.nonzero(pool.present).flatten()

    def loss() -> Tensor:
        with torch.no_grad():
            drawn = mixer.labels(batch)
            sources = mixer.sources(drawn[:, :2].flatten()).unflatten(0, (batch, 2))
            quiet = torch.pow(10.0, -(torch.rand(batch, 1, device=pool.device) * 25 + 5) / 20)
            spectra = resolution.to_network(resolution.analyse(sources[:, 0] + quiet * sources[:, 1], pool.rate))
            classes = queries.draw(labels)
            known = (labels[None] == drawn[:, :1]).float().argmax(dim=1)
        with torch.autocast(pool.device.type, torch.bfloat16, enabled=low):
            rows = model(spectra.abs())
        logits = rows.float() @ classes.T / 0.05
        # Labels that clash with the right one are no mistakes.
        alike = pool.clash[drawn[:, 0]][:, labels].scatter(1, known[:, None], False)
        return torch.nn.functional.cross_entropy(logits.masked_fill(alike, -1e4), known, label_smoothing=0.05)

    return loss
