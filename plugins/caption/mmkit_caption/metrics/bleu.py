"""BLEU of a corpus (Papineni et al. 2002), with the closest reference length and COCO's tiny constants.

N captions, each with its own references; all are lists of words.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

__all__ = ["bleu"]

# What the COCO evaluation code adds so that no count is zero.
_TINY: Final = 1e-15
_SMALL: Final = 1e-9


def bleu(
    candidates: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]], *, order: int = 4
) -> list[float]:
    """BLEU-1 to BLEU-``order`` over all N captions, from 0 to 1.

    Raises:
        ValueError: as many candidates as lists of references are expected, and at least one reference each.
    """
    if len(candidates) != len(references) or any(not group for group in references):
        raise ValueError(f"Expected references for each of {len(candidates)} captions")
    matched, offered = [0] * order, [0] * order
    length = closest = 0
    for words, group in zip(candidates, references, strict=True):
        length += len(words)
        closest += min((abs(len(other) - len(words)), len(other)) for other in group)[1]
        for n in range(1, order + 1):
            counts = _ngrams(words, n)
            most: Counter[tuple[str, ...]] = Counter()
            for other in group:
                most |= _ngrams(other, n)
            offered[n - 1] += max(0, len(words) - n + 1)
            matched[n - 1] += sum((counts & most).values())
    scores = []
    product = 1.0
    for n in range(order):
        product *= (matched[n] + _TINY) / (offered[n] + _SMALL)
        scores.append(product ** (1 / (n + 1)))
    ratio = (length + _TINY) / (closest + _SMALL)
    brevity = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    return [score * brevity for score in scores]


def _ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[start : start + n]) for start in range(len(words) - n + 1))
