"""Training data as one file: the pieces of every text, which texts mean the same, and a vector for each meaning.

A unit is what several texts say: the picture that they describe, or the sentence that they translate.
T texts, U units, D dims of the space.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from mmkit.errors import BadInput
from mmkit.media.target import atomic_path

__all__ = ["CAPTION", "HELD_OUT", "PARALLEL", "Packed"]

#: Roles of a text: a translation of its unit's other parallel texts; another caption of the same picture; validation.
PARALLEL: Final = 0
CAPTION: Final = 1
HELD_OUT: Final = 2

_FORMAT: Final = "mmkit-translate-data 1"


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Everything a training run reads.

    Attributes:
        pieces: ids of all texts one after another, int16.
        starts: (T + 1,) where each text begins.
        language: (T,) number of the language.
        unit: (T,) what it says.
        role: (T,) ``PARALLEL``, ``CAPTION`` or ``HELD_OUT``.
        vectors: (U, D) unit rows of the space: the picture's vector where there is one, else that of the English text.
        text_vectors: (U, D) that of the English text.
    """

    pieces: Tensor
    starts: Tensor
    language: Tensor
    unit: Tensor
    role: Tensor
    vectors: Tensor
    text_vectors: Tensor

    @property
    def lengths(self) -> Tensor:
        """(T,) pieces of each text."""
        return self.starts[1:] - self.starts[:-1]

    def save(self, path: Path) -> None:
        """Written whole or not at all; the texts' vectors are rounded to 8 bits."""
        from safetensors.torch import save

        pictured = (self.vectors != self.text_vectors).any(dim=1).nonzero().flatten()
        scale = self.text_vectors.float().abs().amax(dim=1, keepdim=True).clamp(min=1e-6) / 127
        state = {name: getattr(self, name) for name in ("pieces", "starts", "language", "unit", "role")}
        state |= {
            "text_vectors": (self.text_vectors.float() / scale).round().to(torch.int8),
            "text_scale": scale.half(),
            "pictured": pictured,
            "picture_vectors": self.vectors[pictured],
        }
        plain = {name: value.contiguous() for name, value in state.items()}
        with atomic_path(path) as partial:
            partial.write_bytes(save(plain, metadata={"format": _FORMAT}))

    @classmethod
    def load(cls, path: Path) -> Packed:
        """Raises BadInput where the file is missing, damaged or something else."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(os.fspath(path), framework="pt") as stored:
                if (stored.metadata() or {}).get("format") != _FORMAT:
                    raise BadInput("holds no packed training data", where=str(path), mend="see: mmkit translate pack")
                state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            text_vectors = (state.pop("text_vectors").float() * state.pop("text_scale").float()).half()
            vectors = text_vectors.clone()
            vectors[state.pop("pictured")] = state.pop("picture_vectors")
            return cls(**state, vectors=vectors, text_vectors=text_vectors)
        except (OSError, SafetensorError, TypeError, KeyError) as error:
            raise BadInput(f"cannot be read: {error}", where=str(path), mend="see: mmkit translate pack") from error
