"""Scores and a threshold without labels, from the structure that true links have: most records have one partner.

A model is taught by its own confident pairs: pairs that are each other's best, with a clear margin, are taken for
links, and pairs that are not for non-links (self-training). The threshold comes from the same structure: with all best
pairs set aside, the next best show what scores chance reaches (a null distribution), and the share of records without
a partner is what makes the low end of both distributions agree (Storey 2002).

Legend: P pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit_link.comparisons import Features
from mmkit_link.model import PairModel, fit_model
from mmkit_link.rivals import mutual_best, rivals_of

__all__ = ["FoundThreshold", "SelfTrained", "self_train", "threshold_without_labels"]

_ROUNDS: Final = 2
_TREES: Final = 200
_FEWEST_SEEDS: Final = 8
_MOST_NEGATIVES: Final = 60_000
_SURELY_APART: Final = 0.9
_HELD: Final = 0.3
_HELD_RECORDS: Final = 200


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
    null: NDArray[np.floating] | None = None,
) -> FoundThreshold:
    """The threshold with the best expected F1 among pairs that are each other's best.

    Args:
        null: scores of pairs by chance; None takes the next best pairs, which must then have been scored without
            regard to their rivals.
    """
    scores = np.asarray(scores, np.float32)
    best = mutual_best(pairs, scores, within=within)
    if null is None:
        rest = scores[~best]
        null = rest[mutual_best(pairs[~best], rest, within=within)]
    taken, null = np.sort(scores[best]), np.sort(np.asarray(null, np.float32))
    if not len(taken):
        return FoundThreshold(1.0, 1.0, 0.0)
    if not len(null):
        return FoundThreshold(float(taken[0]), 0.0, 1.0)
    unmatched = _unmatched_share(taken, null)
    above = len(taken) - np.arange(len(taken))
    false = unmatched * len(taken) * (len(null) - np.searchsorted(null, taken, "left")) / len(null)
    true = np.maximum.accumulate((above - np.minimum(above, false))[::-1])[::-1]
    expected = 2 * true / np.maximum(above + true[0], 1e-9)
    cut = int(expected.argmax())
    return FoundThreshold(float(taken[cut]), unmatched, float(expected[cut]))


def _unmatched_share(taken: NDArray[np.float32], null: NDArray[np.float32]) -> float:
    """The largest share of chance in ``taken`` that its low end allows."""
    cuts = np.quantile(null, np.linspace(0.5, 1, 51))
    below = (np.searchsorted(taken, cuts, "right") + 1) / len(taken)
    expected = np.searchsorted(null, cuts, "right") / len(null)
    return float(min(1.0, (below / expected).min()))


@dataclass(frozen=True, slots=True, eq=False)
class SelfTrained:
    """What the tables taught without labels.

    Attributes:
        scores: (P,) from 0 to 1.
        model: None where too few pairs were confident; the scores are then the first similarity.
        found: the threshold.
    """

    scores: NDArray[np.float32]
    model: PairModel | None
    found: FoundThreshold


def self_train(
    base: Features,
    pairs: NDArray[np.int64],
    similarity: NDArray[np.float32],
    *,
    rivals: Callable[[NDArray[np.int64], Features], Features] | None = None,
    within: bool = False,
    seed: int = 0,
) -> SelfTrained:
    """Scores of a model that was taught by its own confident pairs, and the threshold.

    Args:
        base: features of each pair alone.
        rivals: gives the features of pairs beside their rivals, of pairs and base features.
        within: the pairs are of one table, where a record may have several partners: of the pairs that are not each
            other's best, those with the highest scores are then taken for nothing.
    """
    rng = np.random.default_rng(seed)
    features = base.joined(rivals(pairs, base)) if rivals else base
    current, model = np.asarray(similarity, np.float32), None
    found = threshold_without_labels(pairs, current, within=within)
    # Pairs of these records teach no non-links, so that what the model makes of their next best pairs is unrehearsed.
    # Enough of them for an estimate, and few enough that the others stay rivals as they are.
    count = int(pairs[:, 0].max(initial=0)) + 1
    held = (rng.random(count) < min(max(_HELD_RECORDS / count, _HELD), 0.5))[pairs[:, 0]]
    for _ in range(_ROUNDS):
        best = mutual_best(pairs, current, within=within)
        rival = np.maximum(*rivals_of(pairs, current, within=within))
        confidence = np.where(best, 2 * current - rival, -np.inf)
        positives = np.argsort(-confidence, kind="stable")[: int(0.5 * (1 - found.unmatched) * best.sum())]
        negatives = np.flatnonzero(~best & ~held)
        if within:
            negatives = negatives[np.argsort(current[negatives], kind="stable")]
            negatives = np.sort(negatives[: int(_SURELY_APART * len(negatives))])
        if min(len(positives), len(negatives)) < _FEWEST_SEEDS:
            break
        if len(negatives) > _MOST_NEGATIVES:
            negatives = np.sort(rng.choice(negatives, _MOST_NEGATIVES, replace=False))
        seeds = np.concatenate([positives, negatives])
        labels = np.concatenate([np.ones(len(positives), np.int64), np.zeros(len(negatives), np.int64)])
        model, unseen = fit_model(
            Features(features.values[seeds], features.names), labels, trees=_TREES, balanced=True, seed=seed
        )
        # A pair that taught the model is scored by the parts that have not seen it.
        refined = model.raw(features.values)
        refined[seeds] = unseen
        current = refined.astype(np.float32)
        null = _chance(model, base, pairs, current, held, rivals, within=within)
        found = threshold_without_labels(pairs, current, within=within, null=null)
    return SelfTrained(current, model, found)


def _chance(
    model: PairModel,
    base: Features,
    pairs: NDArray[np.int64],
    scores: NDArray[np.float32],
    held: NDArray[np.bool_],
    rivals: Callable[[NDArray[np.int64], Features], Features] | None,
    *,
    within: bool,
) -> NDArray[np.float32]:
    """Scores that best pairs of held records reach once their own best pairs, the likely links, are gone.

    The other records keep theirs, as rivals that a record without a partner meets as well.
    """
    rest = np.flatnonzero(~(mutual_best(pairs, scores, within=within) & held))
    left = Features(base.values[rest], base.names)
    if rivals:
        left = left.joined(rivals(pairs[rest], left))
    found = model.raw(left.values).astype(np.float32)
    return found[mutual_best(pairs[rest], found, within=within) & held[rest]]
