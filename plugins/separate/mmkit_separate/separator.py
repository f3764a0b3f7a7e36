"""A separator: samples and query vectors in, one stem a query out.

Legend: C channels, T samples, Q queries, D dims, F bins of the network, K bins of the signal, N frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from mmkit.encoders.device import resolve_device
from mmkit.errors import ModelUnavailable, SpaceMismatch, UsageError
from mmkit.generation.gap import GapCorrection
from mmkit.types import Modality
from mmkit_separate.networks.spectra import Resolution
from mmkit_separate.weights import load_folder, locate

__all__ = ["GAPS", "Separator"]

#: The corrections of a gap between modalities that can be asked for.
GAPS: Final = ("none", "mean", "scaled")
#: Of the cosines to the training's phrases, which a query of another modality is drawn to (t of ``aggregate``).
_TEMPERATURE: Final = 1 / 0.03
#: Frames of a chunk, a multiple of 16 (``film``) and 64 (``clipsep``).
_FRAMES: Final = 640


class Separator:
    """A network with its weights.

    Args:
        model: a bundled name (``film``, ``clipsep``, ``clipsep-nit``) or a folder that ``separate train`` wrote.
        device: ``auto``, ``cpu``, ``cuda:N`` or ``mps``.
        gap: how queries of another modality than that of the training are corrected: ``none``, ``mean`` or ``scaled``;
            default: what the model's config declares.

    Attributes:
        gap: the correction, a ``GapCorrection``.
        space, fingerprint: of the encoder whose vectors it takes.

    Raises:
        ModelUnavailable: no such model, or its files are damaged.
        UsageError: no correction of that name, or the model lacks what it needs.
    """

    def __init__(self, model: str | Path = "film", *, device: str = "auto", gap: str | None = None) -> None:
        if gap is not None and gap not in GAPS:
            raise UsageError(f"Expected one of {', '.join(GAPS)}, but received {gap!r}", where="--gap")
        self.device = resolve_device(device)
        self.name = str(model)
        config, network, extra = load_folder(locate(model), self.device)
        self.config: dict[str, Any] = config
        # Convolutions are 1.5 times as fast with the channels of a place side by side.
        self.network: Any = network.to(memory_format=torch.channels_last)
        self.resolution = Resolution(**config["resolution"])
        self.space, self.fingerprint = str(config["space"]), str(config["fingerprint"])
        # Two chunks side by side keep two cores busier than one chunk whose every operation is split between them.
        threads = torch.get_num_threads()
        self.workers = 2 if self.device.type == "cpu" and threads > 1 else 1
        self._threads = max(1, threads // self.workers)
        self.gap = _declared(config.get("gap", {}), extra, gap, self.name)

    def chunk(self, rate: int) -> int:
        """Samples that are heard together in a long sound: frames that fill the network's levels exactly.

        The largest tensors of ``film`` then stay just below 32 MB. Above that size memory is handed back and zeroed
        anew for each of them, which costs a third as much again as all the rest.
        """
        return (_FRAMES - 1) * self.resolution.sizes(rate)[1]

    def share_threads(self) -> None:
        """To be called first in each of ``workers`` threads: the processor is divided between them."""
        if self.workers > 1:
            torch.set_num_threads(self._threads)

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
        """(Q, D) unit rows of one modality, moved to where the vectors lie that it was trained on.

        Rows of a modality of which the model knows nothing stay: sounds have a tower that was trained into the texts.
        """
        if modality == self.gap.trained or modality not in (self.gap.means or {}):
            return vectors
        return self.gap.query(torch.from_numpy(np.asarray(vectors, np.float32)), modality).numpy()

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


def _declared(config: dict[str, Any], tensors: dict[str, torch.Tensor], kind: str | None, where: str) -> GapCorrection:
    """What a model's config says of its gap, with the statistics that lie beside its weights."""

    def named(prefix: str) -> dict[str, torch.Tensor]:
        return {name.removeprefix(prefix): held for name, held in tensors.items() if name.startswith(prefix)}

    tensors = {name: held.float().cpu() for name, held in tensors.items()}
    chosen: Any = kind or config.get("kind", "mean")
    trained = config.get("trained", "text")
    means, spreads = named("mean."), named("spread.")
    if chosen not in GAPS:
        raise ModelUnavailable(f"declares a gap correction that is not known: {chosen!r}", where=where)
    if chosen == "scaled" and not spreads:
        raise UsageError("scaled: the model has no statistics of its queries' modalities", where="--gap")
    if chosen == "mean":
        # Older models know but the difference of the means.
        for modality, shift in named("shift.").items():
            means.setdefault(trained, torch.zeros_like(shift))
            means.setdefault(modality, means[trained] - shift)
    if chosen == "none" or not means:
        return GapCorrection(trained=trained)
    memory = tensors.get("memory")
    return GapCorrection(
        chosen,
        trained=trained,
        means=means,
        spreads=spreads if chosen == "scaled" else None,
        support=None if memory is None else F.normalize(memory, dim=-1),
        share=float(config.get("memory", 0.5)),
        temperature=_TEMPERATURE,
    )
