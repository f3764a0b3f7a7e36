"""The state of a training run in one safetensors file, so that a run that was stopped can go on."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from mmkit_ocr.training.schedule import Average

__all__ = ["Checkpoint"]

_MOMENTS: Final = ("exp_avg", "exp_avg_sq")


class Checkpoint:
    """Where stage 2 stands.

    Args:
        path: the file; written whole or not at all.
        every: seconds between two writes.
    """

    def __init__(self, path: Path, *, every: float = 60.0) -> None:
        self.path = path
        self._every = every
        self._written = time.monotonic()

    def due(self) -> bool:
        """True where the last write is long ago."""
        return time.monotonic() - self._written >= self._every

    def save(self, step: int, network: nn.Module, average: Average, optimiser: torch.optim.Optimizer) -> None:
        """Keep weights, their average and the optimiser's moments after ``step`` steps of stage 2."""
        from safetensors.torch import save_file

        tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
        tensors |= {f"average.{number}": value for number, value in enumerate(average.mean)}
        for number, value in enumerate(_parameters(optimiser)):
            for moment in _MOMENTS:
                if moment in optimiser.state.get(value, {}):
                    tensors[f"{moment}.{number}"] = optimiser.state[value][moment]
        temporary = self.path.with_name(f".{self.path.name}.new")
        cpu = {name: value.detach().contiguous().cpu().clone() for name, value in tensors.items()}
        save_file(cpu, temporary, metadata={"step": json.dumps(step), "averaged": json.dumps(average.steps)})
        temporary.replace(self.path)
        self._written = time.monotonic()

    def load(self, network: nn.Module, average: Average, optimiser: torch.optim.Optimizer) -> int:
        """Put everything back in place and give the step; 0 where there is no file yet."""
        from safetensors import safe_open

        if not self.path.is_file():
            return 0
        with safe_open(os.fspath(self.path), framework="pt") as stored:
            kept = stored.metadata()
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        step = int(json.loads(kept["step"]))
        state = {name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")}
        network.load_state_dict(state)
        average.restore(
            [tensors[f"average.{number}"] for number in range(len(average.mean))], json.loads(kept["averaged"])
        )
        for number, value in enumerate(_parameters(optimiser)):
            if f"exp_avg.{number}" in tensors:
                optimiser.state[value] = {
                    "step": torch.tensor(float(step), device=value.device if _fused(optimiser) else "cpu"),
                    **{moment: _like(tensors[f"{moment}.{number}"], value) for moment in _MOMENTS},
                }
        return step


def _parameters(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [value for group in optimiser.param_groups for value in group["params"]]


def _fused(optimiser: torch.optim.Optimizer) -> bool:
    return bool(optimiser.param_groups[0].get("fused"))


def _like(kept: Tensor, value: Tensor) -> Tensor:
    return torch.empty_like(value).copy_(kept)
