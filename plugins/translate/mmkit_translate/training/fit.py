"""One stage of training: steps within a budget of steps or seconds, kept safe on disk, watched for what is no number.

N pairs of a batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from mmkit.training.average import Average
from mmkit.training.budget import Budget, one_cycle
from mmkit.training.checkpoint import Checkpoint
from mmkit.training.steps import GuardedOptimiser, autocast
from mmkit_translate.training.batches import Batches

__all__ = ["Fit", "Position", "Stage"]


@dataclass(slots=True)
class Position:
    """Where a run stands.

    Attributes:
        stage: its name.
        step: steps of this stage.
        epoch, batch: of the data.
        elapsed: seconds spent on this stage.
        best: the best validation score so far.
        skipped: steps of this stage that were left out.
        averaged: how often the mean of the weights was updated.
    """

    stage: str
    step: int = 0
    epoch: int = 0
    batch: int = 0
    elapsed: float = 0.0
    best: float = -1.0
    skipped: int = 0
    averaged: int = 0


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
        score_every: seconds.
        advance: is told how many batches were done.
    """

    network: nn.Module
    checkpoint: Checkpoint
    keep_best: Callable[[], None]
    log: Callable[[str], None]
    device: torch.device
    score_every: float = 600.0
    advance: Callable[[int], None] = lambda count: None

    def run(self, stage: Stage, budget: Budget, *, resume: bool) -> Position:
        """Train until the budget is used up; the network then holds the averaged weights.

        Raises:
            MmkitError: fifty steps in a row had a loss or a gradient that is not finite.
            ModelUnavailable: what was kept is damaged or of another run.
        """
        trained = nn.ParameterList(stage.parameters)
        optimiser = GuardedOptimiser(trained, rate=stage.peak, decay=0.01)
        average = Average(trained)
        position = Position(stage.name)
        found = self.checkpoint.facts() if resume else None
        if found is not None and found["stage"] == stage.name:
            position = Position(**found)
            self.checkpoint.load(self._networks(average), {"steps": optimiser.inner})
        budget.take_up(spent=position.elapsed, step=position.step)
        optimiser.skipped, average.count = position.skipped, position.averaged
        self._steps(stage, budget, position, optimiser, average, trained)
        average.swap(trained)
        return position

    def _networks(self, average: Average) -> dict[str, nn.Module]:
        return {"network": self.network, "average": average.network}

    def _steps(
        self,
        stage: Stage,
        budget: Budget,
        position: Position,
        optimiser: GuardedOptimiser,
        average: Average,
        trained: nn.Module,
    ) -> None:
        scored, noted = (time.monotonic(),) * 2
        losses: list[float] = []
        self.network.train()
        while not budget.over:
            for sources, targets in stage.batches.epoch(position.epoch)[position.batch :]:
                with autocast(self.device):
                    loss = stage.loss(sources.to(self.device), targets.to(self.device))
                if optimiser.step(loss, factor=one_cycle(budget.progress, rise=0.06)):
                    average.update(trained)
                    losses.append(float(loss.detach()))
                budget.step += 1
                position.step, position.batch = budget.step, position.batch + 1
                position.skipped, position.averaged = optimiser.skipped, average.count
                self.advance(1)
                position.elapsed = round(budget.elapsed, 1)
                now = time.monotonic()
                if now - noted >= 30.0:
                    self._note(position, losses)
                    noted = now
                if stage.score is not None and now - scored >= self.score_every:
                    self._score(stage, position, average, trained)
                    scored = time.monotonic()
                if self.checkpoint.due():
                    self._save(position, optimiser, average)
                if budget.over:
                    break
            else:
                position.epoch += 1
                position.batch = 0
        self._note(position, losses)
        self._score(stage, position, average, trained)
        self._save(position, optimiser, average)

    def _save(self, position: Position, optimiser: GuardedOptimiser, average: Average) -> None:
        self.checkpoint.save(self._networks(average), {"steps": optimiser.inner}, asdict(position))

    def _note(self, position: Position, losses: list[float]) -> None:
        mean = sum(losses[-200:]) / max(len(losses[-200:]), 1)
        self.log(
            f"{position.stage} step {position.step} epoch {position.epoch} {position.elapsed:.0f} s "
            f"loss {mean:.4f} skipped {position.skipped}"
        )

    def _score(self, stage: Stage, position: Position, average: Average, trained: nn.Module) -> None:
        """Score the averaged weights, and keep them where they are the best so far."""
        if stage.score is None:
            return
        average.swap(trained)
        self.network.eval()
        score = stage.score()
        self.log(f"{stage.name} step {position.step} validation {score:.2f} (best before {position.best:.2f})")
        if score > position.best:
            position.best = score
            self.keep_best()
        self.network.train()
        average.swap(trained)
