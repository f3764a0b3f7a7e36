"""The warm start: sentences written from their own text vectors, without a picture (CgT-GAN, section 3.2).

N sentences, T pieces, V of the vocabulary.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mmkit.generation.gap import GapCorrection, aggregate
from mmkit.training.budget import Budget, one_cycle
from mmkit.training.checkpoint import Checkpoint
from mmkit.training.steps import GuardedOptimiser, autocast
from mmkit_caption.model import CaptionModel
from mmkit_caption.training.conditions import Conditions
from mmkit_caption.training.texts import TextTable, batches_of

__all__ = ["WarmPlan", "reconstruction_loss", "seen_vectors", "train_warm"]


@dataclass(frozen=True, slots=True)
class WarmPlan:
    """How the warm start goes.

    Attributes:
        sigma: noise on the vectors (see ``GapCorrection.blurred``).
        temperature: of e(x), which the noisy vectors are then re-expressed by, as pictures will be; 0 for not at all.
        shares: of each language's sentences in training; equal to what there is where empty.
        smoothing: of the targets.
    """

    batch: int = 128
    rate: float = 1e-3
    sigma: float = 0.06
    temperature: float = 0.0
    smoothing: float = 0.1
    shares: tuple[float, ...] = ()
    seed: int = 0


def reconstruction_loss(scores: Tensor, ids: Tensor, *, pad: int, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy of scores (N, T, V) against ids (N, T), padding left out."""
    return F.cross_entropy(scores.float().flatten(0, 1), ids.flatten(), ignore_index=pad, label_smoothing=smoothing)


def seen_vectors(
    vectors: Tensor, plan: WarmPlan, support: Tensor | None, generator: torch.Generator | None = None
) -> Tensor:
    """Text vectors (N, D) as those of pictures will look: with noise, and re-expressed by the corpus."""
    gap = GapCorrection("noise", sigma=plan.sigma) if plan.sigma else GapCorrection()
    noisy = gap.blurred(vectors, generator=generator)
    if support is None or not plan.temperature:
        return noisy
    return F.normalize(aggregate(noisy, support, temperature=plan.temperature), dim=-1)


def train_warm(
    model: CaptionModel,
    table: TextTable,
    conditions: Conditions,
    plan: WarmPlan,
    *,
    pad: int,
    support: Tensor | None = None,
    seconds: float = 0.0,
    steps: int = 0,
    checkpoint: Checkpoint | None = None,
    resume: bool = False,
    log: Callable[[str], None] = print,
) -> dict[str, float]:
    """Train in place; steps, seconds, skipped steps and the last loss.

    Args:
        support: (S, D) text vectors of e(x), where ``plan.temperature`` is above 0.
    """
    device = table.ids.device
    optimiser = GuardedOptimiser(model, rate=plan.rate)
    found = checkpoint.load({"model": model}, {"warm": optimiser.inner}) if checkpoint is not None and resume else None
    facts = found or {}
    budget = Budget(seconds=seconds or None, steps=steps or None)
    budget.take_up(spent=float(facts.get("elapsed", 0)), step=int(facts.get("step", 0)))
    optimiser.skipped = int(facts.get("skipped", 0))
    generator = torch.Generator(device).manual_seed(plan.seed + budget.step)
    batches = batches_of(
        table.lengths,
        conditions.usable.cpu().nonzero().flatten(),
        _weights(table, plan.shares),
        plan.batch,
        seed=plan.seed + budget.step,
    )
    model.train()
    mean, told = float(facts.get("loss", 0.0)), time.monotonic()
    while not budget.over:
        rows = next(batches)
        ids, languages = table.take(rows)
        vectors = seen_vectors(conditions.draw(rows.to(device), generator=generator), plan, support, generator)
        with autocast(device):
            scores = model(vectors, languages, ids)
        loss = reconstruction_loss(scores, ids, pad=pad, smoothing=plan.smoothing)
        if optimiser.step(loss, factor=one_cycle(budget.progress, floor=0.02)) and (
            budget.step < 20 or budget.step % 10 == 0
        ):
            value = float(loss.detach())
            mean = value if not mean else 0.95 * mean + 0.05 * value
        budget.step += 1
        if time.monotonic() - told > 20:
            told = time.monotonic()
            log(f"step {budget.step}, {budget.elapsed:.0f} s: loss {mean:.3f}, skipped {optimiser.skipped}")
        if checkpoint is not None and checkpoint.due():
            checkpoint.save({"model": model}, {"warm": optimiser.inner}, _facts(budget, optimiser, mean))
    if checkpoint is not None:
        checkpoint.save({"model": model}, {"warm": optimiser.inner}, _facts(budget, optimiser, mean))
    model.eval()
    return _facts(budget, optimiser, mean)


def _facts(budget: Budget, optimiser: GuardedOptimiser, loss: float) -> dict[str, float]:
    return {"step": budget.step, "elapsed": round(budget.elapsed, 1), "skipped": optimiser.skipped, "loss": loss}


def _weights(table: TextTable, shares: tuple[float, ...]) -> Tensor:
    """(S,): what each sentence is drawn with, so that the languages' shares are as wished."""
    languages = table.languages.cpu()
    if not shares:
        return torch.ones(len(languages))
    counts = torch.bincount(languages, minlength=len(shares)).clamp_min(1)
    return (torch.tensor(shares)[: len(counts)] / counts)[languages]
