"""CIDEr-D (Vedantam, Zitnick and Parikh 2015, section 4), on its scale of 0 to 10.

N captions with references of their own; document frequencies are those of these references.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

__all__ = ["cider_d"]

_ORDER: Final = 4
_SIGMA: Final = 6.0
_NGram: TypeAlias = tuple[str, ...]
_Vector: TypeAlias = list[dict[_NGram, float]]


def cider_d(candidates: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> list[float]:
    """One score a caption; the corpus's CIDEr-D is their mean, and papers print 100 times it.

    Raises:
        ValueError: as many candidates as lists of references are expected, and at least one reference each.
    """
    if len(candidates) != len(references) or any(not group for group in references):
        raise ValueError(f"Expected references for each of {len(candidates)} captions")
    counted = [[_counts(other) for other in group] for group in references]
    frequency: Counter[_NGram] = Counter()
    for group in counted:
        frequency.update({ngram for counts in group for ngram in counts})
    documents = math.log(float(len(references))) if references else 0.0
    scores = []
    for words, group in zip(candidates, counted, strict=True):
        mine, norms, length = _weighted(_counts(words), frequency, documents)
        total = 0.0
        for counts in group:
            theirs, their_norms, their_length = _weighted(counts, frequency, documents)
            penalty = math.exp(-((length - their_length) ** 2) / (2 * _SIGMA**2))
            for n in range(_ORDER):
                product = sum(min(value, theirs[n].get(g, 0.0)) * theirs[n].get(g, 0.0) for g, value in mine[n].items())
                if norms[n] and their_norms[n]:
                    product /= norms[n] * their_norms[n]
                total += product * penalty
        scores.append(10.0 * total / _ORDER / len(group))
    return scores


def _counts(words: Sequence[str]) -> Counter[_NGram]:
    return Counter(tuple(words[start : start + n]) for n in range(1, _ORDER + 1) for start in range(len(words) - n + 1))


def _weighted(
    counts: Mapping[_NGram, int], frequency: Mapping[_NGram, int], documents: float
) -> tuple[_Vector, list[float], int]:
    """tf-idf by order, the norm of each order, and the number of bigrams, which stands for the length."""
    vector: _Vector = [defaultdict(float) for _ in range(_ORDER)]
    squares = [0.0] * _ORDER
    bigrams = 0
    for ngram, count in counts.items():
        n = len(ngram) - 1
        value = count * (documents - math.log(max(1.0, frequency.get(ngram, 0))))
        vector[n][ngram] = value
        squares[n] += value**2
        bigrams += count if n == 1 else 0
    return vector, [math.sqrt(square) for square in squares], bigrams
