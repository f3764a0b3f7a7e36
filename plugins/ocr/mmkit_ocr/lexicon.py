"""Crops against a lexicon: vector search, then the decoder's own likelihood of each candidate.

Legend: N crops, W words of the lexicon, K candidates of a crop, E dims of the space, L slots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor

from mmkit_ocr.evaluate import folded
from mmkit_ocr.recogniser.charset import MAX_LENGTH, known, to_numbers
from mmkit_ocr.recogniser.decoding import word_likelihoods
from mmkit_ocr.recogniser.reader import DEFAULT_DECODING, decode, readings_of

if TYPE_CHECKING:
    from mmkit_ocr.encoder import OcrWordEncoder
    from mmkit_ocr.reading import Reading

__all__ = ["Hit", "Lexicon", "LexiconMatch"]

#: Candidates that each of the two ways contributes at least.
_FROM_VECTORS: Final = 12
_FROM_SPELLING: Final = 8
_BATCH: Final = 16


@dataclass(frozen=True, slots=True)
class Hit:
    """One word for one crop.

    Attributes:
        likelihood: the word's share of what the decoder gives all candidates of this crop, 0 to 1.
        cosine: of the crop's vector and the word's.
    """

    word: str
    likelihood: float
    cosine: float


@dataclass(frozen=True, slots=True)
class LexiconMatch:
    """The hits of one crop, best first, and what was read without the lexicon."""

    hits: tuple[Hit, ...]
    reading: Reading


class Lexicon:
    """Words that crops are matched against.

    Args:
        words: W words; each is spelt by its printable ASCII characters, at most 25 of them.
        encoder: the encoder ``ocr-word``.

    Raises:
        ValueError: there is no word.
    """

    def __init__(self, words: Sequence[str], encoder: OcrWordEncoder) -> None:
        kept = [word for word in dict.fromkeys(words) if known(word)]
        if not kept:
            raise ValueError("Expected at least one word of printable ASCII characters, but received none")
        self.words = kept
        self._encoder = encoder
        self._spelt = [known(word)[:MAX_LENGTH] for word in kept]
        self._folded = [folded(word) for word in kept]
        parts = [
            encoder.encode([word.lower() for word in self._spelt[first : first + 512]], "text").vectors
            for first in range(0, len(kept), 512)
        ]
        self.vectors = np.concatenate(parts)

    def match(self, crops: Sequence[np.ndarray], *, k: int = 5, rescore: bool = True) -> Iterator[LexiconMatch]:
        """One ``LexiconMatch`` a crop of (48, 192, 3) uint8, in order; without ``rescore`` by vectors alone."""
        network = self._encoder.network
        for first in range(0, len(crops), _BATCH):
            with torch.inference_mode():
                pictures = torch.from_numpy(np.stack(crops[first : first + _BATCH])).to(self._encoder.device)
                seen = network(pictures.permute(0, 3, 1, 2).float() / 255)
                readings = readings_of(*decode(network, seen, DEFAULT_DECODING))
                vectors = network.space.crops(seen.memory).float().cpu().numpy()
                cosines = vectors @ self.vectors.T
                rows = self._candidates(cosines, readings, k)
                scores = self._likelihoods(seen.memory, rows, readings) if rescore else cosines[:, :0]
            for place, reading in enumerate(readings):
                own = rows[place]
                shares = _shares(scores[place, : len(own)]) if rescore else cosines[place, own]
                best = np.argsort(-shares, kind="stable")[:k]
                hits = [Hit(self.words[own[row]], float(shares[row]), float(cosines[place, own[row]])) for row in best]
                yield LexiconMatch(tuple(hits), reading)

    def _candidates(self, cosines: np.ndarray, readings: Sequence[Reading], k: int) -> list[list[int]]:
        """Words near by vector, united with those whose spelling is near the free reading."""
        from rapidfuzz import process
        from rapidfuzz.distance import Levenshtein

        wanted = min(max(_FROM_VECTORS, k), len(self.words))
        near = np.argpartition(-cosines, wanted - 1, axis=1)[:, :wanted]
        rows = []
        for place, reading in enumerate(readings):
            spelt = process.extract(
                folded(reading.text), self._folded, scorer=Levenshtein.distance, limit=max(_FROM_SPELLING, k)
            )
            by_vector = sorted(near[place].tolist(), key=lambda row: -cosines[place, row])
            rows.append(list(dict.fromkeys([*by_vector, *(int(hit[2]) for hit in spelt)])))
        return rows

    def _likelihoods(self, memory: Tensor, rows: list[list[int]], readings: Sequence[Reading]) -> np.ndarray:
        """(N, K) log-likelihoods, -inf where a crop has fewer candidates."""
        most = max(len(own) for own in rows)
        words = [
            _as_read(self._spelt[row], reading.text)
            for own, reading in zip(rows, readings, strict=True)
            for row in own + own[:1] * (most - len(own))
        ]
        slots = max(len(word) for word in words) + 1
        numbers = torch.from_numpy(to_numbers(words)[:, :slots]).view(len(rows), most, slots).to(memory.device)
        scores = word_likelihoods(self._encoder.network.decoder, memory, numbers).cpu().numpy()
        for place, own in enumerate(rows):
            scores[place, len(own) :] = -np.inf
        return scores


def _as_read(word: str, reading: str) -> str:
    """The word in the case of the reading: the decoder sees the spelling that it expects to continue."""
    letters = [character for character in reading if character.isalpha()]
    if letters and all(character.isupper() for character in letters[-2:]) and letters[0].isupper():
        return word.upper()
    if letters and letters[0].isupper():
        return word[:1].upper() + word[1:].lower()
    return word.lower()


def _shares(logs: np.ndarray) -> np.ndarray:
    odds = np.exp(logs - logs.max())
    return odds / odds.sum()
