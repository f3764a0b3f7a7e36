"""Probabilities of pairs being links from the columns that agree, without labels (Fellegi and Sunter 1969).

Each column of a pair agrees exactly, nearly, somewhat or not; among links agreement is common, among other pairs rare.
Expectation maximisation finds both habits, and the share of links, from the pairs alone (Winkler 1988). It takes the
columns for independent, which suits records of several short columns, such as persons, and not those of one long text.

Legend: P pairs, C columns, L levels, A different patterns of agreement.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit_link.comparisons import Features

__all__ = ["agreement_probabilities"]

#: Similarities from which a column agrees somewhat, nearly and exactly.
_LEVELS: Final = (0.6, 0.85, 0.9999)
_FEWEST_COLUMNS: Final = 4
_ROUNDS: Final = 60
_FIRST_SHARE: Final = 0.05
_FIRST_LINKS: Final = (0.05, 0.05, 0.1, 0.8)


def agreement_probabilities(features: Features) -> NDArray[np.float64] | None:
    """(P,) probabilities; None where fewer than four columns were compared."""
    names = [name for name in features.names if name.endswith(":ratio")]
    if len(names) < _FEWEST_COLUMNS or not len(features.values):
        return None
    values = np.stack([features.column(name) for name in names], axis=1)
    # Unknown values have level -1 and say nothing.
    levels = np.where(values < 0, -1, np.searchsorted(np.array(_LEVELS, np.float32), values, "right"))
    patterns, place, counts = np.unique(levels.astype(np.int8), axis=0, return_inverse=True, return_counts=True)
    known = [patterns[:, column] >= 0 for column in range(len(names))]
    links = [np.array(_FIRST_LINKS)] * len(names)
    others = [_habit(patterns[:, column], there, counts, 1.0) for column, there in enumerate(known)]
    share, probability = _FIRST_SHARE, np.zeros(len(patterns))
    for _ in range(_ROUNDS):
        weight = np.full(len(patterns), np.log(share / (1 - share)))
        for column, there in enumerate(known):
            weight[there] += np.log(links[column] / others[column])[patterns[there, column]]
        probability = 1 / (1 + np.exp(-np.clip(weight, -500, 500)))
        share = float(np.clip((probability * counts).sum() / counts.sum(), 1e-5, 0.9))
        links = [_habit(patterns[:, column], there, probability * counts, 0.1) for column, there in enumerate(known)]
        rest = (1 - probability) * counts
        others = [_habit(patterns[:, column], there, rest, 0.1) for column, there in enumerate(known)]
    return np.asarray(probability[place.ravel()])


def _habit(
    levels: NDArray[np.int8], there: NDArray[np.bool_], counts: NDArray[np.floating], more: float
) -> NDArray[np.float64]:
    """(L,) how often each level occurs, none never."""
    found = np.bincount(levels[there], counts[there], len(_LEVELS) + 1) + more
    return np.asarray(found / found.sum())
