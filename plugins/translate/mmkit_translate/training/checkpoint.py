"""The state of a training run in one safetensors file, so that a run that was stopped can go on."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from mmkit.errors import BadInput
from mmkit.media.source import atomic_path
from mmkit_translate.training.schedule import Average

__all__ = ["Checkpoint", "Position"]

_MOMENTS: Final = ("exp_avg", "exp_avg_sq")


@dataclass(slots=True)
class Position:
    """Where a run stands.

    Attributes:
        stage: its name.
        step: steps of this stage.
        epoch, batch: of the data.
        seconds: time spent on this stage.
        best: the best validation score so far.
        skipped: steps of this stage that were left out.
    """

    stage: str
    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    best: float = -1.0
    skipped: int = 0


class Checkpoint:
    """One file, written whole or not at all. ``path`` is where it lies."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, position: Position, network: nn.Module, average: Average, optimiser: torch.optim.Optimizer) -> None:
        """Keep weights, their average and the optimiser's moments."""
        from safetensors.torch import save_file

        tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
        tensors |= {f"average.{number}": value for number, value in enumerate(average.mean)}
        for number, value in enumerate(_parameters(optimiser)):
            for moment in _MOMENTS:
                if moment in optimiser.state.get(value, {}):
                    tensors[f"{moment}.{number}"] = optimiser.state[value][moment]
        described = {"position": json.dumps(asdict(position)), "averaged": json.dumps(average.steps)}
        # Clones: tied or viewed storages are refused.
        plain = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}
        with atomic_path(self.path) as partial:
            save_file(plain, os.fspath(partial), metadata=described)

    def position(self) -> Position | None:
        """Where the stored run stands; None where there is none. Raises BadInput where the file is damaged."""
        from safetensors import SafetensorError, safe_open

        if not self.path.is_file():
            return None
        try:
            with safe_open(os.fspath(self.path), framework="pt") as stored:
                return Position(**json.loads(stored.metadata()["position"]))
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise BadInput(f"is no checkpoint: {error}", where=str(self.path)) from error

    def load_network(self, network: nn.Module) -> None:
        """Put the weights back."""
        network.load_state_dict(self._part("network."))

    def load(self, network: nn.Module, average: Average, optimiser: torch.optim.Optimizer) -> None:
        """Put everything back in place."""
        from safetensors import safe_open

        self.load_network(network)
        with safe_open(os.fspath(self.path), framework="pt") as stored:
            averaged = json.loads(stored.metadata()["averaged"])
        mean = self._part("average.")
        average.restore([mean[str(number)] for number in range(len(mean))], averaged)
        moments = {moment: self._part(f"{moment}.") for moment in _MOMENTS}
        fused = bool(optimiser.param_groups[0].get("fused"))
        for number, value in enumerate(_parameters(optimiser)):
            if str(number) in moments["exp_avg"]:
                optimiser.state[value] = {
                    "step": torch.tensor(float(averaged), device=value.device if fused else "cpu"),
                    **{m: torch.empty_like(value).copy_(moments[m][str(number)]) for m in _MOMENTS},
                }

    def _part(self, prefix: str) -> dict[str, Tensor]:
        from safetensors import safe_open

        with safe_open(os.fspath(self.path), framework="pt") as stored:
            names = [name for name in stored.keys() if name.startswith(prefix)]  # noqa: SIM118
            return {name.removeprefix(prefix): stored.get_tensor(name) for name in names}


def _parameters(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [value for group in optimiser.param_groups for value in group["params"]]
