"""A network as one file: safetensors in half precision, with the network's sizes in the header."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Final

import torch

from mmkit.errors import ModelUnavailable
from mmkit.media.target import atomic_path
from mmkit_ocr.recogniser.network import Network, Shape

__all__ = ["BUNDLED", "load_network", "save_network"]

#: The recogniser that ships with the plugin.
BUNDLED: Final = Path(__file__).parent.parent / "weights" / "word.safetensors"

_FORMAT: Final = "mmkit-ocr-word 1"


def load_network(path: str | Path = BUNDLED, *, device: torch.device | str = "cpu") -> Network:
    """The network of a file, in float32, ready to read.

    Raises:
        ModelUnavailable: the file is missing or is not one that ``mmkit ocr train`` wrote.
    """
    from safetensors import SafetensorError, safe_open

    mend = "install mmkit-ocr again" if Path(path) == BUNDLED else "give a file that mmkit ocr train wrote"
    try:
        with safe_open(os.fspath(path), framework="pt") as stored:
            described = stored.metadata() or {}
            if described.get("format") != _FORMAT:
                raise ModelUnavailable("holds no recogniser of words", where=str(path), mend=mend)
            state = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
        network = Network(Shape(**json.loads(described["shape"])))
        network.load_state_dict(state)
    except (OSError, SafetensorError, RuntimeError, TypeError, KeyError, ValueError) as error:
        raise ModelUnavailable(f"the weights cannot be read: {error}", where=str(path), mend=mend) from error
    return network.to(device).eval().requires_grad_(False)


def save_network(network: Network, path: Path) -> None:
    """Write a network in half precision, whole or not at all."""
    from safetensors.torch import save

    state = {name: value.detach().half().contiguous().cpu() for name, value in network.state_dict().items()}
    data = save(state, metadata={"format": _FORMAT, "shape": json.dumps(asdict(network.shape))})
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        partial.write_bytes(data)
