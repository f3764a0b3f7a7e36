"""One stage of training: steps within a budget of steps or seconds, kept safe on disk, watched for what is no number.

N pairs of a batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmkit_translate.training.batches import Batches
from mmkit_translate.training.checkpoint import Checkpoint, Position
from mmkit_translate.training.guard import FiniteGuard
from mmkit_translate.training.schedule import Average, learning_rate

__all__ = ["Budget", "Fit", "Stage"]


@dataclass(frozen=True, slots=True)
class Budget:
    """When a stage is over: after ``steps``, or after ``seconds``, whatever comes first; None is no limit."""

    steps: int | None = None
    seconds: float | None = None

    def done(self, position: Position) -> float:
        """The part that is over, 0 to 1. With no limit it is 0 for ever."""
        parts = [0.0]
        if self.steps is not None:
            parts.append(position.step / self.steps if self.steps else 1.0)
        if self.seconds is not None:
            parts.append(position.seconds / self.seconds if self.seconds else 1.0)
        return min(max(parts), 1.0)


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage trains and how.

    Attributes:
        name: see ``Position.stage``.
        parameters: what is trained.
        batches: its data.
        loss: of sources (N,) and targets (N,).
        peak: the highest learning rate.
        score: of the averaged weights on validation, higher is better; None where there is none.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    batches: Batches
    loss: Callable[[Tensor, Tensor], Tensor]
    peak: float
    score: Callable[[], float] | None = None


@dataclass(slots=True)
class Fit:
    """What all stages share.

    Attributes:
        network: everything that a checkpoint keeps.
        checkpoint: where.
        keep_best: writes the network as it stands, with averaged weights, for good.
        log: takes one line about the run.
        device: where it runs; bfloat16 on a GPU.
        checkpoint_every, score_every: seconds.
        advance: is told how many batches were done.
    """

    network: nn.Module
    checkpoint: Checkpoint
    keep_best: Callable[[], None]
    log: Callable[[str], None]
    device: torch.device
    checkpoint_every: float = 120.0
    score_every: float = 600.0
    advance: Callable[[int], None] = lambda count: None

    def run(self, stage: Stage, budget: Budget, *, resume: bool) -> Position:
        """Train until the budget is used up; the network then holds the averaged weights.

        Raises:
            MmkitError: 20 steps in a row had a loss or a gradient that is not finite.
        """
        parameters = list(stage.parameters)
        optimiser = torch.optim.AdamW(parameters, lr=0.0, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.01, fused=True)
        average = Average(parameters)
        position = Position(stage.name)
        if resume:
            stored = self.checkpoint.position()
            if stored is not None and stored.stage == stage.name:
                self.checkpoint.load(self.network, average, optimiser)
                position = stored
        self._steps(stage, budget, position, optimiser, average)
        average.exchange()
        return position

    def _steps(
        self, stage: Stage, budget: Budget, position: Position, optimiser: torch.optim.Optimizer, average: Average
    ) -> None:
        guard = FiniteGuard()
        guard.skipped = position.skipped
        before, saved, scored, noted = (time.monotonic(),) * 4
        losses: list[float] = []
        self.network.train()
        while budget.done(position) < 1.0:
            for sources, targets in stage.batches.epoch(position.epoch)[position.batch :]:
                rate = learning_rate(stage.peak, budget.done(position))
                loss = self._step(stage, sources, targets, optimiser, guard, rate)
                if loss is not None:
                    average.update()
                    losses.append(loss)
                position.step += 1
                position.batch += 1
                position.skipped = guard.skipped
                self.advance(1)
                now = time.monotonic()
                position.seconds += now - before
                before = now
                if now - noted >= 30.0:
                    self._note(stage, position, losses, rate)
                    noted = now
                if stage.score is not None and now - scored >= self.score_every:
                    self._score(stage, position, average)
                    scored = time.monotonic()
                if now - saved >= self.checkpoint_every:
                    self.checkpoint.save(position, self.network, average, optimiser)
                    saved = time.monotonic()
                if budget.done(position) >= 1.0:
                    break
            else:
                position.epoch += 1
                position.batch = 0
        self._note(stage, position, losses, 0.0)
        self._score(stage, position, average)
        self.checkpoint.save(position, self.network, average, optimiser)

    def _step(
        self,
        stage: Stage,
        sources: Tensor,
        targets: Tensor,
        optimiser: torch.optim.Optimizer,
        guard: FiniteGuard,
        rate: float,
    ) -> float | None:
        """One step, and its loss; None where it was left out."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
            loss = stage.loss(sources.to(self.device), targets.to(self.device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(stage.parameters, 1.0)
        # One transfer for both: a sum with what is no number is no number.
        if not guard.passes(float(loss.detach() + norm)):
            return None
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        return float(loss.detach())

    def _note(self, stage: Stage, position: Position, losses: list[float], rate: float) -> None:
        mean = sum(losses[-200:]) / max(len(losses[-200:]), 1)
        self.log(
            f"{stage.name} step {position.step} epoch {position.epoch} {position.seconds:.0f} s "
            f"loss {mean:.4f} rate {rate:.2e} skipped {position.skipped}"
        )

    def _score(self, stage: Stage, position: Position, average: Average) -> None:
        """Score the averaged weights, and keep them where they are the best so far."""
        if stage.score is None:
            return
        average.exchange()
        self.network.eval()
        score = stage.score()
        self.log(f"{stage.name} step {position.step} validation {score:.2f} (best before {position.best:.2f})")
        if score > position.best:
            position.best = score
            self.keep_best()
        self.network.train()
        average.exchange()
