from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from mmkit_motion.training.procedural import draw_clip
from mmkit_motion.writing import write_clip
from numpy.typing import NDArray

torch.set_num_threads(1)


def drawn(action: str, seed: int = 0) -> NDArray[np.float32]:
    return draw_clip(action, random.Random(seed))[0]


@pytest.fixture(scope="session")
def walk() -> NDArray[np.float32]:
    return drawn("walk")


@pytest.fixture(scope="session")
def kick() -> NDArray[np.float32]:
    return drawn("kick", 1)


@pytest.fixture
def takes(tmp_path: Path, walk: NDArray[np.float32], kick: NDArray[np.float32]) -> Path:
    """A folder with two good recordings and one that is cut off."""
    folder = tmp_path / "takes"
    folder.mkdir()
    write_clip(folder / "walk.bvh", walk)
    write_clip(folder / "kick.npy", kick)
    text = (folder / "walk.bvh").read_text()
    (folder / "broken.bvh").write_text(text[: len(text) // 2])
    return folder
