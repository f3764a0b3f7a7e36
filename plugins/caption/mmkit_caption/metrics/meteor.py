"""METEOR's exact and stem stages (Banerjee and Lavie 2005): a documented substitute for the whole of it.

The whole of METEOR also matches synonyms of WordNet and paraphrases, which only its Java program brings; this leaves
them out, so its values are lower and are printed as ``meteor_exact_stem``. Stems are Porter's second (Snowball).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

__all__ = ["meteor_exact_stem", "stem"]

_ALPHA: Final = 0.9
_BETA: Final = 3.0
_GAMMA: Final = 0.5


def meteor_exact_stem(
    candidate: Sequence[str], references: Sequence[Sequence[str]], *, stemmer: Callable[[str], str] | None = None
) -> float:
    """The best score over the references, from 0 to 1.

    Raises:
        ValueError: there is no reference.
    """
    if not references:
        raise ValueError("Expected at least one reference")
    return max(_score(candidate, other, stemmer or stem) for other in references)


@lru_cache(maxsize=1)
def _snowball() -> Callable[[str], str]:
    import snowballstemmer

    chosen: Callable[[str], str] = snowballstemmer.stemmer("english").stemWord
    return chosen


def stem(word: str) -> str:
    """An English word's stem."""
    return _snowball()(word)


def _score(candidate: Sequence[str], reference: Sequence[str], stemmer: Callable[[str], str]) -> float:
    mine, theirs = list(enumerate(candidate)), list(enumerate(reference))
    pairs = _match(mine, theirs)
    left = [(place, stemmer(word)) for place, word in mine]
    pairs += _match(left, [(place, stemmer(word)) for place, word in theirs])
    if not pairs:
        return 0.0
    precision, recall = len(pairs) / len(candidate), len(pairs) / len(reference)
    mean = precision * recall / (_ALPHA * precision + (1 - _ALPHA) * recall)
    return (1 - _GAMMA * (_chunks(sorted(pairs)) / len(pairs)) ** _BETA) * mean


def _match(mine: list[tuple[int, str]], theirs: list[tuple[int, str]]) -> list[tuple[int, int]]:
    """Equal words paired from the end backwards, and taken off both lists."""
    pairs = []
    for i in reversed(range(len(mine))):
        for j in reversed(range(len(theirs))):
            if mine[i][1] == theirs[j][1]:
                pairs.append((mine.pop(i)[0], theirs.pop(j)[0]))
                break
    return pairs


def _chunks(pairs: list[tuple[int, int]]) -> int:
    """Runs that stand in the same order in both texts."""
    return 1 + sum(after[0] != before[0] + 1 or after[1] != before[1] + 1 for before, after in pairwise(pairs))
