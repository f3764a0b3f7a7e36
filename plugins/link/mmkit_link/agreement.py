"""Probabilities of pairs being links from the columns that agree, without labels (Fellegi and Sunter 1969).

Each column of a pair agrees exactly, nearly, somewhat or not. Pairs of records taken at random show how often columns
agree by chance. Among links agreement is common: how common, expectation maximisation finds from the candidates
(Winkler 1988). Chance is not read off the candidates, for these were chosen because they agree somewhere; nor is the
share of links, for which one link a record among all pairs is assumed. The columns are taken for independent, which
suits records of several short columns, such as persons, and not those of one long text.

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
_FIRST_LINKS: Final = (0.05, 0.05, 0.1, 0.8)
#: No level is rarer among links: people move, and marry.
_RAREST: Final = 0.01


def agreement_probabilities(features: Features, chance: Features, records: int) -> NDArray[np.float64] | None:
    """(P,) probabilities; None where fewer than four columns were compared.

    Args:
        chance: the features of pairs taken at random.
        records: of the table.
    """
    names = [name for name in features.names if name.endswith(":ratio")]
    if len(names) < _FEWEST_COLUMNS or not len(features.values) or not len(chance.values):
        return None
    patterns, place, counts = np.unique(_levels(features, names), axis=0, return_inverse=True, return_counts=True)
    known = [patterns[:, column] >= 0 for column in range(len(names))]
    by_chance = [_habit(column, np.ones(len(column)), 0.5) for column in _levels(chance, names).T]
    links = [np.array(_FIRST_LINKS)] * len(names)
    probability = np.zeros(len(patterns))
    for _ in range(_ROUNDS):
        weight = np.full(len(patterns), -np.log(max(records, 2)))
        for column, there in enumerate(known):
            weight[there] += np.log(links[column] / by_chance[column])[patterns[there, column]]
        probability = 1 / (1 + np.exp(-np.clip(weight, -500, 500)))
        links = [np.maximum(_habit(column, probability * counts, 0.1), _RAREST) for column in patterns.T]
        links = [habit / habit.sum() for habit in links]
    return np.asarray(probability[place.ravel()])


def _levels(features: Features, names: list[str]) -> NDArray[np.int8]:
    """(P, C) the level at which each column agrees; unknown values have level -1 and say nothing."""
    values = np.stack([features.column(name) for name in names], axis=1)
    found = np.searchsorted(np.array(_LEVELS, np.float32), values, "right")
    return np.where(values < 0, -1, found).astype(np.int8)


def _habit(levels: NDArray[np.int8], counts: NDArray[np.floating], more: float) -> NDArray[np.float64]:
    """(L,) how often each level occurs among those known, none never."""
    there = levels >= 0
    found = np.bincount(levels[there], counts[there], len(_LEVELS) + 1) + more
    return np.asarray(found / found.sum())
