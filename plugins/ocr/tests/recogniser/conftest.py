"""A small network with random weights, and crops drawn with Pillow."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def network():  # type: ignore[no-untyped-def]
    import torch
    from mmkit_ocr.recogniser.network import Network, Shape

    torch.manual_seed(0)
    return Network(Shape(dim=64, layers=1, width=96, space=256)).eval().requires_grad_(False)


@pytest.fixture
def weights(network, tmp_path: Path) -> Path:  # type: ignore[no-untyped-def]
    """The small network as a file."""
    from mmkit_ocr.recogniser.weights import save_network

    save_network(network, tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


@pytest.fixture
def draw() -> Callable[[str], np.ndarray]:
    """``draw(word)``: dark letters on a light ground."""

    def make(word: str) -> np.ndarray:
        from PIL import Image, ImageDraw, ImageFont

        font = ImageFont.load_default(28)
        left, top, right, bottom = font.getbbox(word)
        picture = Image.new("RGB", (int(right - left) + 12, int(bottom - top) + 12), (235, 230, 220))
        ImageDraw.Draw(picture).text((6 - left, 6 - top), word, fill=(20, 30, 60), font=font)
        return np.asarray(picture)

    return make
