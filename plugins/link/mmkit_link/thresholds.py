"""A threshold without labels, from how the best pairs' scores lie beside those that chance reaches.

Two estimates of the share of best pairs that are chance. The first is an upper bound: so many, that the low end of the
best pairs' scores has room for them (Storey 2002). The second is a mixture of links and chance, fitted by expectation
maximisation, which takes low scores for links wherever it can, and is a lower bound. Where nearly all records have a
partner the mixture is right and the bound cuts links off; where more have none, the share is taken to be half-way
between both; where many have none, the mixture is no longer told apart, and the larger of both estimates is taken.

Legend: P pairs, B best pairs, C chance pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit_link.rivals import mutual_best

__all__ = ["FoundThreshold", "link_probabilities", "threshold_without_labels"]

_BINS: Final = 80
_ROUNDS: Final = 60
_FEWEST: Final = 8
#: The mixture counts where the bound says that few best pairs are chance.
_FEW: Final = 0.25
#: The bound from which it counts no more than the bound.
_SOME: Final = 0.05
#: Examples of chance without which it does not count.
_EXAMPLES: Final = 50


@dataclass(frozen=True, slots=True)
class FoundThreshold:
    """A threshold for pairs that are each other's best.

    Attributes:
        threshold: of the score.
        unmatched: the estimated share of best pairs that are chance.
        f1: the F1 that the estimate expects.
    """

    threshold: float
    unmatched: float
    f1: float


def threshold_without_labels(
    pairs: NDArray[np.int64],
    scores: NDArray[np.floating],
    *,
    within: bool = False,
    chance: tuple[NDArray[np.int64], NDArray[np.floating]] | None = None,
) -> FoundThreshold:
    """The threshold with the best expected F1 among pairs that are each other's best.

    Args:
        chance: pairs by chance and their scores; None takes the next best pairs, which must then have been scored
            without regard to their rivals.
    """
    scores = np.asarray(scores, np.float32)
    best = np.flatnonzero(mutual_best(pairs, scores, within=within))
    if chance is None:
        rest = np.setdiff1d(np.arange(len(pairs)), best, assume_unique=True)
        rest = rest[mutual_best(pairs[rest], scores[rest], within=within)]
        chance = pairs[rest], scores[rest]
    if not len(best):
        return FoundThreshold(1.0, 1.0, 0.0)
    best = best[np.argsort(scores[best], kind="stable")]
    taken, null = scores[best], np.sort(np.asarray(chance[1], np.float32))
    if not len(null):
        return FoundThreshold(float(taken[0]), 0.0, 1.0)
    bound = _largest_share(taken, null)
    if min(len(taken), len(null)) < _FEWEST:
        return _bounded(taken, null, bound)
    of_best = np.full(int(pairs[:, 0].max()) + 1, -1)
    of_best[pairs[best, 0]] = np.arange(len(best))
    beside = of_best[chance[0][:, 0]]
    link = link_probabilities(taken, np.asarray(chance[1])[beside >= 0], beside[beside >= 0])
    share = float(1 - link.mean())
    told_apart = share <= bound <= _FEW and len(null) >= _EXAMPLES
    weight = 0.5 * min(1.0, bound / _SOME) if told_apart else 1.0
    return _bounded(taken, null, share + weight * max(0.0, bound - share))


def _bounded(taken: NDArray[np.float32], null: NDArray[np.float32], unmatched: float) -> FoundThreshold:
    """Chance pairs are ``unmatched`` of the best ones, and lie as ``null`` does; both ascending."""
    above = len(taken) - np.arange(len(taken))
    false = unmatched * len(taken) * (len(null) - np.searchsorted(null, taken, "left")) / len(null)
    true = np.maximum.accumulate((above - np.minimum(above, false))[::-1])[::-1]
    expected = 2 * true / np.maximum(above + true[0], 1e-9)
    cut = int(expected.argmax())
    return FoundThreshold(float(taken[cut]), unmatched, float(expected[cut]))


def _largest_share(taken: NDArray[np.float32], null: NDArray[np.float32]) -> float:
    """The largest share of chance in ``taken`` that its low end allows."""
    cuts = np.quantile(null, np.linspace(0.5, 1, 51))
    below = (np.searchsorted(taken, cuts, "right") + 1) / len(taken)
    expected = np.searchsorted(null, cuts, "right") / len(null)
    return float(min(1.0, (below / expected).min()))


def link_probabilities(
    best: NDArray[np.floating], chance: NDArray[np.floating], beside: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(B,) how likely each best pair is a link: never less likely for a higher score.

    A best pair's score is a link's or chance; a chance pair counts as an example of chance as far as the best pair of
    its record is a link, for beside a best pair that is chance itself it is only the second of two.

    Args:
        beside: (C,) the best pair of each chance pair's record.
    """
    from sklearn.isotonic import IsotonicRegression

    one, other = _logit(best), _logit(chance)
    every = np.concatenate([one, other])
    low, high = float(every.min()) - 0.5, float(every.max()) + 0.5
    places = np.clip(((every - low) / (high - low) * _BINS).astype(int), 0, _BINS - 1)
    mine, chances = places[: len(one)], places[len(one) :]
    counts = np.bincount(mine, minlength=_BINS) + 1e-3
    width = max(0.53 * float(every.std()) * len(one) ** -0.2 * _BINS / (high - low), 0.8)
    link = np.where(one > np.quantile(other, 0.9), 0.95, 0.05) if len(other) else np.ones(len(one))
    for _ in range(_ROUNDS):
        share = float(np.clip(link.mean(), 0.005, 0.995))
        links = _density(mine, link, width)
        rest = _density(np.concatenate([chances, mine]), np.concatenate([link[beside], 1 - link]), width)
        odds = share * links / (share * links + (1 - share) * rest)
        link = IsotonicRegression().fit_transform(np.arange(_BINS), odds, sample_weight=counts)[mine]
    return np.asarray(link, np.float64)


def _density(places: NDArray[np.int64], weights: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """(80,) a smoothed histogram of sum 1, nowhere quite 0."""
    reach = np.arange(-int(4 * width) - 1, int(4 * width) + 2)
    kernel = np.exp(-0.5 * (reach / width) ** 2)
    found = np.convolve(np.bincount(places, weights, _BINS), kernel / kernel.sum(), "same")[:_BINS]
    floor = 1e-3 * max(float(weights.sum()), 1.0)
    return np.asarray((found + floor / _BINS) / (found.sum() + floor))


def _logit(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    clipped = np.clip(np.asarray(scores, np.float64), 1e-4, 1 - 1e-4)
    return np.asarray(np.log(clipped / (1 - clipped)))
