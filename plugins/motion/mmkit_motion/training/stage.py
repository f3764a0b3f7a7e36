"""What the stages of training share: steps for a given time, the mean of the weights, and the state on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from mmkit.training.average import Average
from mmkit.training.budget import Budget, one_cycle
from mmkit.training.checkpoint import Checkpoint
from mmkit.training.steps import GuardedOptimiser

__all__ = ["Keeper", "Stage"]

#: Seconds between two reports.
_EVERY = 12.0


@dataclass(slots=True)
class Keeper:
    """Where a run is kept and what of it was found.

    Attributes:
        checkpoint: the file.
        networks: all that the run trains, by name.
        facts: kept with every write, beside those of the stage.
        found: the facts of a run to be taken up, until its stage has put itself back in place.
        wrote: called with the stage's network and the mean of its weights after a write.
    """

    checkpoint: Checkpoint
    networks: Mapping[str, nn.Module]
    facts: dict[str, Any] = field(default_factory=dict)
    found: dict[str, Any] | None = None
    wrote: Callable[[nn.Module, nn.Module], None] = lambda network, mean: None

    def save(self, stage: Stage) -> None:
        """Write where the stage stands."""
        facts = self.facts | stage.facts()
        if self.checkpoint.save(self._networks(stage), {"steps": stage.optimiser.inner}, facts):
            self.wrote(stage.network, stage.average.network if stage.average.count else stage.network)

    def restore(self, stage: Stage) -> None:
        """Put the stage back to where it was kept, if that was this one."""
        found, self.found = self.found, None
        if found is not None and found["stage"] == stage.name:
            self.checkpoint.load(self._networks(stage), {"steps": stage.optimiser.inner})
            stage.go_on(found)

    def _networks(self, stage: Stage) -> dict[str, nn.Module]:
        return {**self.networks, "average": stage.average.network}


class Stage:
    """One network in training.

    Args:
        name: in reports and in the file.
        network: trained in place.
        rate: the highest learning rate, after a rise over the first 3 % of the time; then half a cosine to a hundredth.
        decay: weight decay of matrices.
        keep: what the mean keeps of itself at a step.
        seconds: how long.
        keeper: where it is kept every minute; None for nowhere.
        report: takes a line now and then.
        note: more to say in that line; called with the mean of the weights.

    Attributes:
        shown: values for the reports.
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        *,
        rate: float,
        decay: float,
        seconds: float,
        keep: float = 0.999,
        keeper: Keeper | None = None,
        report: Callable[[str], None] = print,
        note: Callable[[nn.Module], str] | None = None,
    ) -> None:
        self.name, self.network = name, network
        self.optimiser = GuardedOptimiser(network, rate=rate, decay=decay)
        self.average = Average(network, decay=keep)
        self.budget = Budget(seconds=seconds)
        self.shown: dict[str, Tensor | int] = {}
        self._keeper, self._report, self._note = keeper, report, note

    def facts(self) -> dict[str, Any]:
        """Where it stands."""
        done = {"step": self.budget.step, "elapsed": round(self.budget.elapsed, 1)}
        return {"stage": self.name, **done, "averaged": self.average.count, "skipped": self.optimiser.skipped}

    def go_on(self, facts: Mapping[str, Any]) -> None:
        """Count on from ``facts``."""
        self.budget.take_up(spent=facts["elapsed"], step=facts["step"])
        self.average.count, self.optimiser.skipped = facts["averaged"], facts["skipped"]
        # Not the draws of the first steps once more.
        torch.manual_seed(torch.initial_seed() + self.budget.step)

    def steps(self) -> Iterator[float]:
        """The share of the time that is over, step by step; reports and writes in between, and takes up what was kept.

        At the end the network has the mean of its weights, is in evaluation mode and no longer trained.
        """
        if self._keeper is not None:
            self._keeper.restore(self)
            self._keeper.save(self)
        self.network.train()
        told = time.monotonic()
        while not self.budget.over:
            yield self.budget.progress
            self.budget.step += 1
            if time.monotonic() - told > _EVERY:
                self._tell()
                told = time.monotonic()
            if self._keeper is not None and self._keeper.checkpoint.due():
                self._keeper.save(self)
        self._tell()
        if self.average.count:
            self.network.load_state_dict(self.average.network.state_dict())
        self.network.eval().requires_grad_(False)

    def step(self, loss: Tensor, *, average: bool = True) -> None:
        """Go one step down the loss; with ``average`` the mean takes it in."""
        if self.optimiser.step(loss, factor=one_cycle(self.budget.progress)) and average:
            self.average.update(self.network)

    def _tell(self) -> None:
        values = " ".join(f"{name} {float(value):.4f}" for name, value in self.shown.items())
        more = self._note(self.average.network) if self._note and self.average.count else ""
        self._report(f"{self.name} step {self.budget.step} {self.budget.elapsed:.0f} s {values}{more}")
