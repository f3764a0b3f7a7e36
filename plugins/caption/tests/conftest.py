"""Small pictures, an untrained captioner of mini's space, and a stand-in encoder that any test may use."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmkit.types import Embeddings, EncoderSpec, Item, Modality

os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)

SENTENCES = (
    "A dog runs on the beach.",
    "A dog sleeps on a sofa.",
    "A cat sits on a chair.",
    "Two men play football on a field.",
    "A woman rides a red bicycle.",
    "A child eats an apple in the park.",
)


class HashedEncoder:
    """Texts and pictures of one space of 16 dims: words are random directions, and a picture is its name's words."""

    def __init__(self, space: str = "hashed") -> None:
        self.spec = EncoderSpec("hashed", space, ("image", "text"), 16, fingerprint=f"fingerprint of {space}")

    def prepare(self, item: Item) -> str:
        return item.text if item.text is not None else Path(item.id).stem.replace("-", " ")

    def encode(self, batch: Sequence[str], modality: Modality) -> Embeddings:
        rows = np.zeros((len(batch), 16), np.float32)
        for row, text in enumerate(batch):
            for word in text.lower().split():
                seed = int.from_bytes(hashlib.sha256(word.strip(".").encode()).digest()[:4], "big")
                rows[row] += np.random.default_rng(seed).standard_normal(16)
            rows[row] /= max(1e-6, float(np.linalg.norm(rows[row])))
        return Embeddings(rows, space=self.spec.space, fingerprint=self.spec.fingerprint)


@pytest.fixture
def hashed() -> HashedEncoder:
    return HashedEncoder()


@pytest.fixture
def space() -> Callable[[str], HashedEncoder]:
    """``space(name)``: the stand-in of another space."""
    return HashedEncoder


@pytest.fixture
def photo(tmp_path: Path) -> Callable[..., Path]:
    """``photo(name, colour)``: a picture file of one colour."""

    def make(name: str = "a-dog.jpg", colour: tuple[int, int, int] = (200, 80, 20)) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (48, 40), colour).save(path)
        return path

    return make


def make_captioner(
    folder: Path, spec: EncoderSpec, *, languages: tuple[str, ...] = ("en", "de"), sentences: Sequence[str] = SENTENCES
) -> Path:
    """An untrained captioner's folder for the space of ``spec``."""
    from mmkit_caption.model import CaptionModel, Shape
    from mmkit_caption.weights import save_folder

    from mmkit.generation.vocabulary import Vocabulary

    torch.manual_seed(0)
    vocabulary = Vocabulary.train(sentences, 320)
    sizes = {"vocabulary": len(vocabulary), "width": 16, "heads": 2, "feedforward": 32, "decoder_layers": 1}
    shape = Shape(spec.dim, languages, prefix=3, hidden=8, sizes=sizes, max_length=8)
    config = {
        "encoder": spec.name,
        "space": spec.space,
        "fingerprint": spec.fingerprint,
        "decoder": "own",
        "shape": shape.written(),
        "gap": {"kind": "mean"},
        "projection": {"temperature": 30.0, "share": 1.0},
        "beam": 2,
    }
    chance = np.random.default_rng(0)
    support = torch.from_numpy(chance.standard_normal((5, spec.dim)).astype(np.float32))
    extra = {"mean.text": torch.zeros(spec.dim), "mean.image": torch.full((spec.dim,), 0.01), "support": support}
    save_folder(folder, config, CaptionModel(shape), vocabulary, extra)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained captioner that reads mini's vectors."""
    from mmkit import encoder

    return make_captioner(tmp_path_factory.mktemp("tiny"), encoder("mini").spec)


@pytest.fixture
def captioner(tmp_path: Path, hashed: HashedEncoder) -> Path:
    """The folder of an untrained captioner that reads the stand-in's vectors."""
    return make_captioner(tmp_path / "captioner", hashed.spec)


@pytest.fixture
def sentences() -> tuple[str, ...]:
    """Six short sentences."""
    return SENTENCES
