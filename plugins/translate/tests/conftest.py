"""A small network with random weights, its vocabulary, and a translator that only shouts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

TEXTS = {
    "en": ["A dog runs through the snow.", "Two men cook.", "A girl reads a book.", "The red car is old."],
    "de": [
        "Ein Hund läuft durch den Schnee.",
        "Zwei Männer kochen.",
        "Ein Mädchen liest ein Buch.",
        "Das rote Auto ist alt.",
    ],
    "fr": [
        "Un chien court dans la neige.",
        "Deux hommes cuisinent.",
        "Une fille lit un livre.",
        "La voiture rouge est vieille.",
    ],
    "cs": ["Pes běží sněhem.", "Dva muži vaří.", "Dívka čte knihu.", "Červené auto je staré."],
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def vocabulary():  # type: ignore[no-untyped-def]
    from mmkit.generation.vocabulary import Vocabulary

    texts = [text for rows in TEXTS.values() for text in rows]
    return Vocabulary.train(texts, 400, special=[f"<{language}>" for language in TEXTS])


@pytest.fixture
def network(vocabulary):  # type: ignore[no-untyped-def]
    import torch
    from mmkit_translate.model.sizes import NAMED
    from mmkit_translate.model.weights import new_network

    torch.manual_seed(0)
    return new_network(NAMED["tiny"], vocabulary).eval()


@pytest.fixture
def weights(network, vocabulary, tmp_path: Path) -> Path:  # type: ignore[no-untyped-def]
    """The small network as files."""
    from mmkit_translate.model.weights import save_network

    save_network(network, vocabulary, tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


@pytest.fixture
def bundled(weights: Path):  # type: ignore[no-untyped-def]
    from mmkit_translate.model.bundled import open_bundled

    return open_bundled(weights)


class Shouting:
    """A translator that writes in capitals, and remembers what it was asked."""

    name = "shouting"
    sources = targets = ("en", "de", "fr", "cs")
    takes_pictures = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.given: np.ndarray | None = None

    def translate(self, texts: Sequence[str], *, target, sources, search, vectors=None):  # type: ignore[no-untyped-def]
        from mmkit_translate.translating import Scored

        assert len(texts) == len(sources)
        self.asked += texts
        self.given = vectors
        return [[Scored(text.upper() + "!" * rank, -1.0 - rank) for rank in range(search.n_best)] for text in texts]

    def picture_vectors(self, pictures: Sequence[object]) -> np.ndarray:
        from mmkit.errors import BadInput

        for picture in pictures:
            if not picture.path.is_file():  # type: ignore[attr-defined]
                raise BadInput("there is no such file", where=str(picture.path))  # type: ignore[attr-defined]
        return np.ones((len(pictures), 3), np.float32)


@pytest.fixture
def shouting() -> Shouting:
    return Shouting()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder for ``mmkit translate pack``."""
    folder = tmp_path / "corpus"
    for kind in ("parallel", "val"):
        (folder / kind).mkdir(parents=True)
        for language, texts in TEXTS.items():
            (folder / kind / f"some.{language}").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    (folder / "captions").mkdir()
    (folder / "captions/some.1.de").write_text("Hund im Schnee.\n\nEin Kind.\n\n", encoding="utf-8")
    return folder
