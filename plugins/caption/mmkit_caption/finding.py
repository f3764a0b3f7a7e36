"""Captions found by words, in whatever language they are: tf-idf over words and the parts of words.

N texts, Q queries.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from mmkit_caption.metrics.tokens import caption_words

__all__ = ["find_texts"]

_PARTS: Final = (3, 4, 5)
#: Below it two texts share no more than an ending.
_LEAST: Final = 0.1


def find_texts(texts: Sequence[str], queries: Sequence[str], *, k: int = 5) -> list[list[tuple[int, float]]]:
    """For each query the places of the ``k`` best texts and their cosines, best first; what is
    hardly alike (a cosine below 0.1) is left out.

    Words count as wholes and by their parts of three to five letters, so that "Hunde" finds "Hund", and rare ones
    count for more.
    """
    counted = [_features(text) for text in texts]
    known: Counter[str] = Counter()
    for features in counted:
        known.update(features.keys())
    rows = [_weighted(features, known, len(texts)) for features in counted]
    found = []
    for query in queries:
        asked = _weighted(_features(query), known, len(texts))
        scores = [
            (place, sum(value * row.get(name, 0.0) for name, value in asked.items())) for place, row in enumerate(rows)
        ]
        found.append(sorted((hit for hit in scores if hit[1] >= _LEAST), key=lambda hit: (-hit[1], hit[0]))[:k])
    return found


def _features(text: str) -> Counter[str]:
    features: Counter[str] = Counter()
    for word in caption_words(text):
        features[f"<{word}>"] += 1
        edged = f"<{word}>"
        features.update(edged[at : at + n] for n in _PARTS for at in range(len(edged) - n + 1) if n < len(edged))
    return features


def _weighted(features: Counter[str], known: Counter[str], count: int) -> dict[str, float]:
    """A unit vector; names that no text has count nothing, but lengthen it."""
    weights = {
        name: (1 + math.log(times)) * math.log(1 + count / max(1, known[name])) for name, times in features.items()
    }
    norm = math.sqrt(sum(value * value for value in weights.values()))
    return {name: value / norm for name, value in weights.items()} if norm else {}
