"""The state of a training run in one safetensors file, so that one that was stopped goes on; nothing is unpickled."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmkit.errors import ModelUnavailable
from mmkit.media.target import atomic_path

__all__ = ["Checkpoint", "all_finite"]


class Checkpoint:
    """Where a stage stands.

    Args:
        path: the file; written whole or not at all, and never with weights that are not finite.
        every: seconds between two writes.
    """

    def __init__(self, path: Path, *, every: float = 60.0) -> None:
        self.path = path
        self._every = every
        self._written = time.monotonic()

    def due(self) -> bool:
        """True where the last write is long ago."""
        return time.monotonic() - self._written >= self._every

    def save(
        self,
        networks: Mapping[str, nn.Module],
        optimisers: Mapping[str, torch.optim.Optimizer],
        facts: Mapping[str, Any],
    ) -> bool:
        """Keep weights, moments and facts. False, and the last good file stays, where a weight is not finite."""
        from safetensors.torch import save_file

        self._written = time.monotonic()
        if not all(all_finite(network) for network in networks.values()):
            return False
        tensors = {f"{name}|{key}": value for name, net in networks.items() for key, value in net.state_dict().items()}
        for name, optimiser in optimisers.items():
            for number, value in enumerate(_parameters(optimiser)):
                for moment, kept in optimiser.state.get(value, {}).items():
                    tensors[f"{name}|{number}|{moment}"] = torch.as_tensor(kept)
        cpu = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        with atomic_path(self.path) as partial:
            save_file(cpu, str(partial), metadata={"facts": json.dumps(dict(facts))})
        return True

    def facts(self) -> dict[str, Any] | None:
        """What was kept beside the weights; None where there is no file yet.

        Raises:
            ModelUnavailable: the file is damaged.
        """
        from safetensors import safe_open

        if not self.path.is_file():
            return None
        try:
            with safe_open(str(self.path), framework="pt") as stored:
                facts: dict[str, Any] = json.loads(stored.metadata()["facts"])
        except Exception as error:  # safetensors' own error, KeyError and ValueError: all mean the same here
            raise self._unfit(error) from error
        return facts

    def load(
        self, networks: Mapping[str, nn.Module], optimisers: Mapping[str, torch.optim.Optimizer]
    ) -> dict[str, Any] | None:
        """Put everything back in place and give the facts; None where there is no file yet.

        Raises:
            ModelUnavailable: the file is damaged or of a run of another shape.
        """
        from safetensors import safe_open

        facts = self.facts()
        if facts is None:
            return None
        try:
            with safe_open(str(self.path), framework="pt") as stored:
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            for name, network in networks.items():
                network.load_state_dict({key: tensors[f"{name}|{key}"] for key in network.state_dict()})
            for name, optimiser in optimisers.items():
                _restore(optimiser, name, tensors)
        except Exception as error:  # safetensors' own error, KeyError and RuntimeError: all mean the same here
            raise self._unfit(error) from error
        return facts

    def _unfit(self, error: Exception) -> ModelUnavailable:
        return ModelUnavailable(
            f"does not fit this run: {str(error).splitlines()[0]}",
            where=str(self.path),
            mend="begin anew without --resume",
        )


def all_finite(network: nn.Module) -> bool:
    """True where no weight is infinite or not a number."""
    return all(bool(torch.isfinite(value).all()) for value in network.state_dict().values())


def _parameters(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [value for group in optimiser.param_groups for value in group["params"]]


def _restore(optimiser: torch.optim.Optimizer, name: str, tensors: Mapping[str, Tensor]) -> None:
    fused = bool(optimiser.param_groups[0].get("fused"))
    for number, value in enumerate(_parameters(optimiser)):
        prefix = f"{name}|{number}|"
        state = {key.removeprefix(prefix): kept for key, kept in tensors.items() if key.startswith(prefix)}
        if state:
            optimiser.state[value] = {
                moment: kept.to(value.device if fused or moment != "step" else "cpu") for moment, kept in state.items()
            }
