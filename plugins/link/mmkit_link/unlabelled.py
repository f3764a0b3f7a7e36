"""Scores without labels, from the structure that true links have: most records have one partner.

A model is taught by its own confident pairs: pairs that are each other's best, with a clear margin, are taken for
links, and pairs that are not for non-links (self-training). The threshold comes from the same structure: with all best
pairs set aside, the next best show what scores chance reaches.

Legend: P pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit_link.agreement import agreement_probabilities
from mmkit_link.comparisons import Features
from mmkit_link.model import PairModel, fit_model
from mmkit_link.rivals import mutual_best, rivals_of
from mmkit_link.thresholds import FoundThreshold, threshold_without_labels

__all__ = ["SelfTrained", "self_train"]

_ROUNDS: Final = 2
_TREES: Final = 100
_FEWEST_SEEDS: Final = 8
_MOST_SEEDS: Final = 20_000
_SURELY_APART: Final = 0.9
_LIKELY: Final = 0.9
_UNLIKELY: Final = 0.5
#: Cuts of scores within one table. Below one half: only the clearest links teach the model, and the others score lower.
_AGREEING_CUT: Final = 0.2
_WITHIN_CUT: Final = 0.3
_HELD: Final = 0.3
_HELD_RECORDS: Final = 200


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
    chance: Features | None = None,
    records: int = 0,
    seed: int = 0,
) -> SelfTrained:
    """Scores of a model that was taught by its own confident pairs, and the threshold.

    Args:
        base: features of each pair alone.
        similarity: (P,) from 0 to 1, which the first confident pairs are told by.
        rivals: gives the features of pairs beside their rivals, of pairs and base features.
        within: the pairs are of one table, where a record may have several partners. Records of several columns are
            then taught by which columns agree; of others, the pairs that are not each other's best and score highest
            are taken for nothing.
        chance, records: of one table: the features of pairs of its records taken at random, and how many it has.
    """
    rng = np.random.default_rng(seed)
    if within and chance is not None:
        probability = agreement_probabilities(base, chance, records)
        if probability is not None:
            return _taught_by_agreement(base, probability, rng, seed)
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
        negatives = _some(negatives, rng)
        seeds = np.concatenate([positives, negatives])
        labels = np.concatenate([np.ones(len(positives), np.int64), np.zeros(len(negatives), np.int64)])
        model, unseen = fit_model(features.taken(seeds), labels, trees=_TREES, balanced=True, seed=seed)
        # A pair that taught the model is scored by the parts that have not seen it.
        refined = model.raw(features.values)
        refined[seeds] = unseen
        current = refined.astype(np.float32)
        chance = _chance(model, base, pairs, current, held, rivals, within=within)
        found = threshold_without_labels(pairs, current, within=within, chance=chance)
    return SelfTrained(current, model, FoundThreshold(_WITHIN_CUT, found.unmatched, found.f1) if within else found)


def _taught_by_agreement(
    features: Features, probability: NDArray[np.float64], rng: np.random.Generator, seed: int
) -> SelfTrained:
    """Pairs that agree in most columns are links, and those that agree in few are none; the model has more to go by."""
    found = FoundThreshold(_AGREEING_CUT, float(1 - probability.mean()), 0.0)
    positives, negatives = np.flatnonzero(probability >= _LIKELY), np.flatnonzero(probability < _UNLIKELY)
    if min(len(positives), len(negatives)) < _FEWEST_SEEDS:
        return SelfTrained(probability.astype(np.float32), None, FoundThreshold(_LIKELY, found.unmatched, 0.0))
    seeds = np.concatenate([_some(positives, rng), _some(negatives, rng)])
    labels = (probability[seeds] >= _LIKELY).astype(np.int64)
    model, unseen = fit_model(features.taken(seeds), labels, trees=_TREES, balanced=True, seed=seed)
    scores = model.raw(features.values)
    scores[seeds] = unseen
    return SelfTrained(scores.astype(np.float32), model, found)


def _some(places: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    return places if len(places) <= _MOST_SEEDS else np.sort(rng.choice(places, _MOST_SEEDS, replace=False))


def _chance(
    model: PairModel,
    base: Features,
    pairs: NDArray[np.int64],
    scores: NDArray[np.float32],
    held: NDArray[np.bool_],
    rivals: Callable[[NDArray[np.int64], Features], Features] | None,
    *,
    within: bool,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The best pairs, and their scores, of held records once their own best pairs, the likely links, are gone.

    The other records keep theirs, as rivals that a record without a partner meets as well.
    """
    rest = np.flatnonzero(~(mutual_best(pairs, scores, within=within) & held))
    left = base.taken(rest)
    if rivals:
        left = left.joined(rivals(pairs[rest], left))
    found = model.raw(left.values).astype(np.float32)
    kept = mutual_best(pairs[rest], found, within=within) & held[rest]
    return pairs[rest][kept], found[kept]
