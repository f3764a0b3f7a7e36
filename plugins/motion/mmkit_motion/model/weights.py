"""The bundled networks as files: three safetensors in float16 and one config.json beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mmkit.media.target import atomic_path
from mmkit_motion.model.generator import MaskedGenerator
from mmkit_motion.model.query_transformer import QueryTransformer
from mmkit_motion.model.sizes import Sizes
from mmkit_motion.model.vqvae import MotionVqVae

__all__ = ["FILES", "Networks", "load_networks", "save_networks"]

#: File name of each network.
FILES: Final = {"vqvae": "vqvae.safetensors", "query": "language.safetensors", "generator": "generator.safetensors"}


@dataclass(slots=True)
class Networks:
    """The three networks and what they need beside weights.

    Attributes:
        mean, std: (F,) of the motion feature.
        vocabulary: token numbers of the text tower that the caption head can write; its entry 0 is the end mark.
    """

    sizes: Sizes
    vqvae: MotionVqVae
    query: QueryTransformer
    generator: MaskedGenerator
    mean: Tensor
    std: Tensor
    vocabulary: tuple[int, ...]

    def to(self, device: torch.device) -> Networks:
        for network in (self.vqvae, self.query, self.generator):
            network.to(device).eval().requires_grad_(False)
        self.mean, self.std = self.mean.to(device), self.std.to(device)
        return self


def save_networks(
    networks: Networks,
    folder: Path,
    *,
    notes: dict[str, Any],
    averaged: Mapping[int, Mapping[str, Tensor]] | None = None,
) -> None:
    """Write weights in float16 and config.json, each file whole or not at all; the folder is made.

    Args:
        notes: further entries of config.json.
        averaged: by the id of a network, weights to write in place of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in FILES.items():
        network: nn.Module = getattr(networks, name)
        own = (averaged or {}).get(id(network), network.state_dict())
        state = {key: value.detach().to("cpu", torch.float16).contiguous() for key, value in own.items()}
        with atomic_path(folder / file) as partial:
            save_file(state, partial)
    config = {
        "sizes": networks.sizes.to_dict(),
        "mean": [round(float(value), 6) for value in networks.mean],
        "std": [round(float(value), 6) for value in networks.std],
        "vocabulary": list(networks.vocabulary),
        **notes,
    }
    with atomic_path(folder / "config.json") as partial:
        partial.write_text(json.dumps(config) + "\n", "utf-8")


def load_networks(folder: Path) -> Networks:
    """Networks of a folder, in float32, ready for use.

    Raises:
        OSError: a file is missing.
        ValueError: the config does not say what is needed.
        RuntimeError: weights of other names or shapes.
    """
    config = json.loads((folder / "config.json").read_text("utf-8"))
    try:
        sizes = Sizes.from_dict(config["sizes"])
        mean, std = torch.tensor(config["mean"]), torch.tensor(config["std"])
        vocabulary = tuple(config["vocabulary"])
    except KeyError as error:
        raise ValueError(f"config.json has no {error}") from error
    networks = Networks(
        sizes, MotionVqVae(sizes), QueryTransformer(sizes), MaskedGenerator(sizes), mean, std, vocabulary
    )
    for name, file in FILES.items():
        state = {key: value.float() for key, value in load_file(folder / file).items()}
        network: nn.Module = getattr(networks, name)
        network.load_state_dict(state)
        network.eval().requires_grad_(False)
    return networks
