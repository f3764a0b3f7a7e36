"""The encoder ``sound``: sounds as vectors of mini's space, so that words and pictures find them.

Texts and pictures are mini's own; sounds go through an audio tower that was trained against mini's text vectors.

Legend: N items, W windows of a sound, T samples of a window, D dims.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmkit.config import Settings
from mmkit.errors import UsageError
from mmkit.types import Embeddings, EncoderSpec, Item, Modality, Prepared

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

__all__ = ["RATE", "WINDOW_SECONDS", "SoundEncoder", "is_silent", "load", "windows_of"]

RATE: Final = 32000
WINDOW_SECONDS: Final = 4.0
#: Of a long sound so many windows are heard, evenly spread.
_MOST_WINDOWS: Final = 12
#: Below this no sample is heard: 100 dB under full scale.
_SILENCE: Final = 1e-5


def load(argument: str | None, *, settings: Settings) -> SoundEncoder:
    """The bundled audio tower beside mini, or the tower in a folder: ``sound:DIR``."""
    from mmkit_separate.weights import FOLDER

    return SoundEncoder(FOLDER / "sound" if argument is None else Path(argument), settings)


class SoundEncoder:
    """Sounds, pictures and English texts in one space.

    Args:
        folder: config.json and model.safetensors of a tower.
        chosen: device and number type.

    Raises:
        ModelUnavailable: the folder is missing or damaged.
    """

    def __init__(self, folder: Path, chosen: Settings) -> None:
        from mmkit.encoders import encoder
        from mmkit.models import fingerprint
        from mmkit_separate.weights import read_config

        self.folder, self._settings = folder, chosen
        self.config = read_config(folder)
        if self.config["architecture"] != "tower":
            raise UsageError("is a separator, and an audio tower is expected", where=str(folder))
        self.others = encoder(
            str(self.config.get("encoder", "mini")), device=chosen.device, dtype=chosen.dtype, offline=chosen.offline
        )
        shared: EncoderSpec = self.others.spec
        self.spec = replace(
            shared,
            name="sound",
            modalities=("audio", *shared.modalities),
            outputs=frozenset({"vector"}),
            fingerprint=fingerprint(
                shared.fingerprint.encode(),
                folder / "model.safetensors",
                folder / "config.json",
                cache_dir=chosen.cache_dir,
            ),
        )
        self._lock = threading.Lock()
        self._tower: Any = None

    @property
    def tower(self) -> Any:
        """The network, loaded on first use."""
        with self._lock:
            if self._tower is None:
                from mmkit.encoders.device import resolve_device
                from mmkit_separate.weights import load_folder

                self._tower = load_folder(self.folder, resolve_device(self._settings.device))[1]
            return self._tower

    def prepare(self, item: Item) -> Prepared:
        """A sound to its windows (W, T) float32; texts and pictures as mini prepares them."""
        return windows_of(item) if item.modality == "audio" else self.others.prepare(item)

    def encode(self, batch: Sequence[Prepared], modality: Modality) -> Embeddings:
        """(N, D) float32 unit rows."""
        if modality != "audio":
            return replace(self.others.encode(batch, modality), fingerprint=self.spec.fingerprint)
        import numpy as np

        rows = [self._heard(windows) for windows in batch]
        vectors = np.stack(rows) if rows else np.zeros((0, self.spec.dim), np.float32)
        return Embeddings(vectors, space=self.spec.space, fingerprint=self.spec.fingerprint)

    def _heard(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(W, T) windows to one (D,) unit row: the mean over windows, louder ones counting more."""
        import numpy as np
        import torch

        from mmkit_separate.networks.spectra import Resolution

        tower = self.tower
        device: torch.device = next(tower.parameters()).device
        resolution = Resolution(**self.config["resolution"])
        with torch.inference_mode():
            spectra = resolution.to_network(resolution.analyse(torch.from_numpy(windows).to(device), RATE))
            rows = tower(spectra.abs()).float().cpu().numpy()
        weights = np.sqrt(np.square(windows, dtype=np.float64).mean(axis=1)) + 1e-6
        row = (rows * (weights / weights.sum())[:, None]).sum(axis=0)
        return np.asarray(row / max(float(np.linalg.norm(row)), 1e-9), np.float32)


def windows_of(item: Item) -> NDArray[np.float32]:
    """Up to twelve windows (W, T) of a sound, mono at 32 kHz, evenly spread; a short sound is followed by silence.

    Raises:
        BadInput: the sound is missing, damaged or empty.
    """
    import numpy as np

    from mmkit.media.audio import read_audio

    size = round(WINDOW_SECONDS * RATE)
    if item.path is None:
        samples = read_audio(item, rate=RATE, mono=True)[0][0]
        starts = _starts(len(samples), size)
        pieces = [samples[start : start + size] for start in starts]
    else:
        pieces = _read_windows(item.path)
    windows = np.zeros((len(pieces), size), np.float32)
    for row, piece in zip(windows, pieces, strict=True):
        row[: min(size, len(piece))] = piece[:size]
    return windows


def is_silent(windows: NDArray[np.float32]) -> bool:
    """Whether nothing can be heard in the windows (W, T) of a sound."""
    return not windows.size or float(abs(windows).max()) < _SILENCE


def _starts(length: int, size: int) -> list[int]:
    import numpy as np

    if length <= size:
        return [0]
    count = min(_MOST_WINDOWS, -(-length // size))
    return [int(start) for start in np.linspace(0, length - size, count)]


def _read_windows(path: Path) -> list[NDArray[np.float32]]:
    """Only the windows are read: an hour of sound costs no more than a minute."""
    import soxr

    from mmkit_separate.sound_files import open_sound

    with open_sound(path) as source:
        size = round(WINDOW_SECONDS * source.rate)
        pieces = []
        for start in _starts(source.frames, size):
            piece = source.window(start, size).mean(axis=0)
            pieces.append(soxr.resample(piece, source.rate, RATE) if source.rate != RATE else piece)
        return pieces
