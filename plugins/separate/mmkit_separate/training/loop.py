"""The training loops: time-boxed, with a warm-up, a cosine to zero and a running mean of the weights.

Legend: B mixtures a step.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmkit.training.steps import GuardedOptimiser
from mmkit_separate.networks.clipsep import ClipSep, to_log_frequency
from mmkit_separate.networks.film_unet import FilmUNet, complex_masks
from mmkit_separate.networks.spectra import Resolution
from mmkit_separate.networks.tower import SoundTower
from mmkit_separate.training.losses import clipsep_loss, nit_loss, separation_loss
from mmkit_separate.training.mixing import Mixer, Queries

__all__ = ["Budget", "Schedule", "fit", "separator_loss", "tower_loss"]


@dataclass(slots=True)
class Budget:
    """How long to train: until ``seconds`` are over or ``steps`` are done, whichever comes first."""

    seconds: float
    steps: int = 10**9


@dataclass(frozen=True, slots=True)
class Schedule:
    """Attributes:
    rate: the highest learning rate.
    warm_up: share of the budget it rises over.
    decay: weight decay of matrices and kernels.
    average: weights' running mean keeps this much a step.
    """

    rate: float = 1e-3
    warm_up: float = 0.03
    decay: float = 1e-2
    average: float = 0.998


def fit(
    model: nn.Module,
    loss_of: Callable[[], Tensor],
    budget: Budget,
    schedule: Schedule,
    report: Callable[[int, float, float], None],
    *,
    between: Callable[[float, nn.Module], None] | None = None,
    frozen: Sequence[nn.Module] = (),
) -> tuple[nn.Module, int]:
    """Train ``model`` and return the running mean of its weights and the steps done.

    Args:
        loss_of: draws a batch and returns the loss of ``model`` on it.
        report: takes step, share of the budget spent and mean loss, about every 15 seconds.
        between: takes share spent and the averaged model, after every step.
        frozen: normalisations that keep their statistics.
    """
    optimiser = GuardedOptimiser(model, rate=schedule.rate, decay=schedule.decay)
    averaged = copy.deepcopy(model).eval()
    start = said = time.monotonic()
    step, total = 0, torch.zeros((), device=next(model.parameters()).device)
    since = 0
    while True:
        spent = max((time.monotonic() - start) / budget.seconds, step / budget.steps)
        if spent >= 1:
            break
        factor = min(spent / schedule.warm_up, 0.5 * (1 + math.cos(math.pi * spent)), 1.0)
        model.train()
        for part in frozen:
            part.eval()
        loss = loss_of()
        step += 1
        if optimiser.step(loss, factor=max(factor, 1e-3)):
            _blend(averaged, model, min(schedule.average, step / (step + 10)))
            total += loss.detach()
            since += 1
        if time.monotonic() - said > 15:
            report(step, spent, float(total) / max(since, 1))
            said, since = time.monotonic(), 0
            total.zero_()
        if between is not None:
            between(spent, averaged)
    return averaged, step


@torch.no_grad()
def _blend(averaged: nn.Module, model: nn.Module, keep: float) -> None:
    mean, new = list(averaged.parameters()), list(model.parameters())
    torch._foreach_lerp_(mean, new, 1 - keep)
    for one, other in zip(averaged.buffers(), model.buffers(), strict=True):
        one.copy_(other)


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
