"""A separator: samples and query vectors in, one stem a query out.

Legend: C channels, T samples, Q queries, D dims, F bins of the network, K bins of the signal, N frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from mmkit.encoders.device import resolve_device
from mmkit.errors import SpaceMismatch
from mmkit.types import Modality
from mmkit_separate.networks.spectra import Resolution
from mmkit_separate.weights import load_folder, locate

__all__ = ["Separator"]


#: Frames of a chunk, a multiple of 16 (``film``) and 64 (``clipsep``).
_FRAMES: Final = 640
#: Chosen on validation mixtures.
_MEMORY_TEMPERATURE: Final = 0.03


class Separator:
    """A network with its weights.

    Args:
        model: a bundled name (``film``, ``clipsep``, ``clipsep-nit``) or a folder that ``separate train`` wrote.
        device: ``auto``, ``cpu``, ``cuda:N`` or ``mps``.

    Attributes:
        space, fingerprint: of the encoder whose vectors it takes.

    Raises:
        ModelUnavailable: no such model, or its files are damaged.
    """

    def __init__(self, model: str | Path = "film", *, device: str = "auto") -> None:
        self.device = resolve_device(device)
        self.name = str(model)
        config, network, extra = load_folder(locate(model), self.device)
        self.config: dict[str, Any] = config
        # Convolutions run half as fast again with the channels of a place side by side.
        self.network: Any = network.to(memory_format=torch.channels_last)
        self.resolution = Resolution(**config["resolution"])
        self.space, self.fingerprint = str(config["space"]), str(config["fingerprint"])
        self._shifts = {
            name.removeprefix("shift."): value for name, value in extra.items() if name.startswith("shift.")
        }
        self._memory = _unit(extra["memory"].cpu().numpy()) if "memory" in extra else None

    def chunk(self, rate: int) -> int:
        """Samples that are heard together in a long sound: frames that fill the network's levels exactly.

        The largest tensors of ``film`` then stay just below 32 MB. Above that size memory is handed back and zeroed
        anew for each of them, which costs half as much again as the arithmetic.
        """
        return (_FRAMES - 1) * self.resolution.sizes(rate)[1]

    def check_space(self, space: str, fingerprint: str) -> None:
        """Raises SpaceMismatch where vectors of that space mean nothing to this separator."""
        if space != self.space or (self.fingerprint and fingerprint and fingerprint != self.fingerprint):
            raise SpaceMismatch(
                f"this separator was trained on vectors of {self.space} "
                f"({self.fingerprint[:12]}), and the queries are of {space} ({fingerprint[:12]})",
                where=self.name,
                mend="train one for this encoder: mmkit separate train --encoder",
            )

    def adapted(self, vectors: NDArray[np.float32], modality: Modality) -> NDArray[np.float32]:
        """(Q, D) unit rows of one modality, moved to where the vectors lie that it was trained on."""
        shift = self._shifts.get(modality)
        if shift is None or len(vectors) == 0:
            return vectors
        moved = _unit(vectors + shift.cpu().numpy())
        if self._memory is None:
            return moved
        # Half of the way to the nearest phrases of the training; DeCap (Li et al. 2023) goes all of it.
        nearness = moved @ self._memory.T / _MEMORY_TEMPERATURE
        weights = np.exp(nearness - nearness.max(axis=1, keepdims=True))
        remembered = _unit((weights / weights.sum(axis=1, keepdims=True)) @ self._memory)
        return _unit(remembered + moved)

    @torch.inference_mode()
    def separate(
        self,
        samples: NDArray[np.float32],
        rate: int,
        queries: NDArray[np.float32],
        *,
        negatives: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Stems (Q, C, T) of samples (C, T): all channels share one mask, so places in the room stay.

        Args:
            queries: (Q, D) unit rows.
            negatives: (M, D) unit rows of what no stem should hold.
        """
        given = torch.from_numpy(np.ascontiguousarray(samples, np.float32)).to(self.device)
        spectra = self.resolution.analyse(given, rate)
        asked = torch.from_numpy(np.ascontiguousarray(queries, np.float32)).to(self.device)
        kept = torch.ones(self.resolution.bins, spectra.shape[-1], device=self.device)
        # The power mean of the channels, since a sum would lose what is out of phase.
        magnitude = self.resolution.to_network(spectra.abs().square().mean(dim=0, keepdim=True).sqrt())
        features = self.network.features(magnitude)
        if negatives is not None and len(negatives):
            for vector in torch.from_numpy(np.ascontiguousarray(negatives, np.float32)).to(self.device):
                kept = kept * (1 - self.network.masks(features, vector[None, None], spectra.shape[-1])[0, 0, 0])
        stems = []
        # One query at a time: memory does not grow with their number, and steering folds into the kernels.
        for vector in asked:
            size, cosine, sine = self.network.masks(features, vector[None, None], spectra.shape[-1])[0, 0]
            mask = torch.complex(size * kept * cosine, size * kept * sine)[None]
            wide = self.resolution.from_network(mask, spectra.shape[-2])
            stems.append(self.resolution.synthesise(wide * spectra, rate, given.shape[-1]))
        if not stems:
            return np.zeros((0, *samples.shape), np.float32)
        return torch.stack(stems).cpu().numpy()


def _unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True).clip(1e-9), np.float32)
