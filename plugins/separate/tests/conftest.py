"""Small sounds and an untrained separator that every test may use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)


@pytest.fixture
def tone() -> Callable[..., NDArray[np.float32]]:
    """``tone(hertz, seconds, rate, channels)``: (C, T) samples of a swelling sine."""

    def make(hertz: float = 440, seconds: float = 1.0, rate: int = 16000, channels: int = 1) -> NDArray[np.float32]:
        time = np.arange(round(seconds * rate)) / rate
        wave = 0.3 * np.sin(2 * np.pi * hertz * time) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time))
        return np.repeat(wave[None].astype(np.float32), channels, axis=0)

    return make


@pytest.fixture
def wav(tmp_path: Path, tone: Callable[..., NDArray[np.float32]]) -> Callable[..., Path]:
    """``wav(name, …)``: a sound file of a tone and a little noise."""

    def make(
        name: str = "mix.wav", *, rate: int = 16000, channels: int = 1, seconds: float = 1.0, subtype: str = "PCM_16"
    ) -> Path:
        noise = np.random.default_rng(0).standard_normal((channels, round(seconds * rate))) * 0.02
        samples = tone(440, seconds, rate, channels) + noise
        path = tmp_path / name
        soundfile.write(path, samples.T, rate, subtype=subtype)
        return path

    return make


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained separator that takes mini's queries."""
    from mmkit_separate.weights import build, save_folder

    from mmkit import encoder

    torch.manual_seed(0)
    arguments = {"bins": 128, "widths": [4, 6, 8], "depths": [1, 1, 1], "condition": 8}
    config = {
        "architecture": "film",
        "arguments": arguments,
        "resolution": {"window": 0.016, "hop": 0.008, "bins": 128},
        "encoder": "mini",
        "space": "mini",
        "fingerprint": encoder("mini").spec.fingerprint,
        "labels": ["a", "b"],
    }
    folder = tmp_path_factory.mktemp("tiny")
    save_folder(folder, config, build("film", arguments), {"shift.image": torch.full((384,), 0.1)})
    return folder
