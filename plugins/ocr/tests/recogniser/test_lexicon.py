from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmkit_ocr.lexicon import Lexicon
from mmkit_ocr.recogniser.charset import to_numbers
from mmkit_ocr.recogniser.crops import fitted
from mmkit_ocr.recogniser.decoding import word_likelihoods


class _Encoder:
    """The encoder's face over a network, without a text tower."""

    device = torch.device("cpu")

    def __init__(self, network) -> None:  # type: ignore[no-untyped-def]
        self.network = network

    def encode(self, words: Sequence[str], modality: str) -> SimpleNamespace:
        assert modality == "text"
        numbers = torch.from_numpy(to_numbers(words))
        return SimpleNamespace(vectors=self.network.space.words(numbers, torch.zeros(len(words), 384)).numpy())


@pytest.fixture
def crops(draw: Callable[[str], np.ndarray]) -> list[np.ndarray]:
    return [fitted(draw(word), width=96) for word in ("exit", "hotel", "taxi")]


def test_hits_are_ranked_by_the_decoder_over_all_candidates(network, crops: list[np.ndarray]) -> None:  # type: ignore[no-untyped-def]
    words = ["exit", "Hotel", "taxi", "bank", "U.S."]
    found = list(Lexicon(words, _Encoder(network)).match(crops, k=5))
    assert len(found) == 3
    for one in found:
        assert sorted(hit.word for hit in one.hits) == sorted(words)
        shares = [hit.likelihood for hit in one.hits]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1.0, abs=1e-4)
    pictures = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
    memory = network(pictures).memory
    lower = all(not any(character.isupper() for character in one.reading.text) for one in found)
    if lower:
        spelt = torch.from_numpy(to_numbers([word.lower() for word in words])[:, :6])
        own = word_likelihoods(network.decoder, memory, spelt[None].expand(3, -1, -1)).softmax(1)
        for row, one in enumerate(found):
            assert one.hits[0].likelihood == pytest.approx(float(own[row].max()), abs=1e-3)


def test_vectors_alone_rank_by_cosine(network, crops: list[np.ndarray]) -> None:  # type: ignore[no-untyped-def]
    found = list(Lexicon(["exit", "hotel", "taxi", "bank"], _Encoder(network)).match(crops, k=2, rescore=False))
    for one in found:
        assert len(one.hits) == 2
        assert one.hits[0].cosine >= one.hits[1].cosine
        assert one.hits[0].likelihood == pytest.approx(one.hits[0].cosine)


def test_words_without_known_characters_are_left_out(network) -> None:  # type: ignore[no-untyped-def]
    assert Lexicon(["\u65e5\u672c", "tokyo", "tokyo"], _Encoder(network)).words == ["tokyo"]
    with pytest.raises(ValueError, match="at least one word"):
        Lexicon(["\u65e5\u672c"], _Encoder(network))
