"""A translator as two files: half-precision safetensors with the sizes in the header, and the vocabulary beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import torch

from mmkit.errors import ModelUnavailable
from mmkit.generation.vocabulary import Vocabulary
from mmkit.media.target import atomic_path
from mmkit_translate import WEIGHTS
from mmkit_translate.model.network import Network
from mmkit_translate.model.sizes import Sizes

__all__ = ["BUNDLED", "load_network", "new_network", "save_network", "vocabulary_beside"]

#: The plugin's own translator.
BUNDLED: Final = WEIGHTS / "translate.safetensors"

_FORMAT: Final = "mmkit-translate 1"


def vocabulary_beside(weights: Path) -> Path:
    """Where the vocabulary of a file of weights lies."""
    return weights.with_suffix(".vocabulary.json")


def new_network(sizes: Sizes, vocabulary: Vocabulary) -> Network:
    """A network with random weights for a vocabulary that has the marks of its languages."""
    marks = [vocabulary.id(f"<{language}>") for language in sizes.languages]
    return Network(sizes.for_vocabulary(len(vocabulary)), eos=vocabulary.eos, languages=marks)


def load_network(path: Path = BUNDLED, *, device: torch.device | str = "cpu") -> tuple[Network, Vocabulary]:
    """The network of a file in float32, ready to read, and its vocabulary.

    Raises:
        ModelUnavailable: a file is missing or is not one that ``mmkit translate train`` wrote.
    """
    from safetensors import SafetensorError, safe_open

    mend = "give a file that mmkit translate train wrote, or --model hf:ORG/NAME"
    try:
        vocabulary = Vocabulary.load(vocabulary_beside(path))
        with safe_open(os.fspath(path), framework="pt") as stored:
            described = stored.metadata() or {}
            if described.get("format") != _FORMAT:
                raise ModelUnavailable("holds no translator", where=str(path), mend=mend)
            state = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
        network = new_network(Sizes.from_json(described["sizes"]), vocabulary)
        network.load_state_dict(state)
    except (OSError, SafetensorError, RuntimeError, TypeError, KeyError, ValueError) as error:
        raise ModelUnavailable(f"the weights cannot be read: {error}", where=str(path), mend=mend) from error
    return network.to(device).eval().requires_grad_(False), vocabulary


def save_network(network: Network, vocabulary: Vocabulary, path: Path) -> None:
    """Write a network in half precision and its vocabulary, each whole or not at all."""
    from safetensors.torch import save

    state = {name: value.detach().half().contiguous().cpu() for name, value in network.state_dict().items()}
    data = save(state, metadata={"format": _FORMAT, "sizes": network.sizes.to_json()})
    path.parent.mkdir(parents=True, exist_ok=True)
    vocabulary.save(vocabulary_beside(path))
    with atomic_path(path) as partial:
        partial.write_bytes(data)
