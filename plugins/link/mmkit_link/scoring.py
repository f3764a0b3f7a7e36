"""From compared pairs to scored ones: by a model, or by what the tables teach without labels.

Legend: P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit_link.comparisons import Features
from mmkit_link.linking import Compared, rivals_beside
from mmkit_link.model import PairModel
from mmkit_link.unlabelled import self_train

__all__ = ["Scored", "score_pairs"]

_PAIRS_AT_ONCE: Final = 250_000
#: Records whose pairs teach, where there are too many pairs to hold the features of all.
_SAMPLED: Final = 12_000
#: Pairs taken at random, to see what agrees by chance.
_CHANCE: Final = 20_000
#: The share of a sample's likely links that a floor of similarity may cost.
_LOST: Final = 0.0005


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """(P,) scores, the threshold, whether labels taught them, and the model that gave them where there is one."""

    scores: NDArray[np.float32]
    threshold: float
    labelled: bool
    model: PairModel | None = None
    about: dict[str, float] = field(default_factory=dict)


def score_pairs(compared: Compared, model: PairModel | None = None, *, threshold: float | None = None) -> Scored:
    """Score all pairs by a model, or without labels; the threshold is the model's, or found, or the one given."""
    every = np.arange(len(compared.pairs))
    if model is not None:
        scores = _in_parts(compared, every, model, calibrated=True)
        return Scored(scores, model.threshold if threshold is None else threshold, True, model)
    places = every if compared.held is not None else _sample(compared)
    base = compared.base(places)
    taught = self_train(
        base,
        compared.pairs[places],
        _first_scores(compared, base, places),
        rivals=None if compared.within else rivals_beside(compared.prepared),
        within=compared.within,
        chance=compared.at_random(_CHANCE) if compared.within else None,
        records=len(compared.prepared.left),
    )
    found = taught.found
    # Records of one table may have several partners, so that what these say is not known there.
    about = {} if compared.within else {"unmatched_share": found.unmatched, "expected_f1": found.f1}
    chosen = found.threshold if threshold is None else threshold
    scores = taught.scores
    if compared.held is None:
        scores = _scored_by_sample(compared, places, scores, taught.model, chosen)
    return Scored(scores, chosen, False, taught.model, about)


def _first_scores(compared: Compared, base: Features, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """(P,) what the first confident pairs are told by: the candidates' similarity, or how alike the names look.

    Of Chinese characters a name has few, and one that was misread leaves few n-grams in common.
    """
    similarity, name = compared.similarity[places], f"{compared.prepared.leading}:glyphs"
    if name not in base.names:
        return similarity
    looks = base.column(name)
    return np.where(looks < 0, similarity, looks)


def _scored_by_sample(
    compared: Compared, places: NDArray[np.int64], taught: NDArray[np.float32], model: PairModel | None, cut: float
) -> NDArray[np.float32]:
    """(P,) scores of all pairs from those of a sample; pairs less similar than the sample's likely links score 0."""
    similarity = compared.similarity
    if model is None:
        return similarity
    likely = similarity[places][taught >= cut / 2]
    floor = float(np.quantile(likely, _LOST)) if len(likely) else 0.0
    scores = np.zeros(len(similarity), np.float32)
    rest = np.flatnonzero(similarity >= floor)
    scores[rest] = _in_parts(compared, rest, model, calibrated=False)
    scores[places] = taught
    return scores


def _in_parts(
    compared: Compared, places: NDArray[np.int64], model: PairModel, *, calibrated: bool
) -> NDArray[np.float32]:
    scores = np.empty(len(places), np.float32)
    for start in range(0, len(places), _PAIRS_AT_ONCE):
        part = places[start : start + _PAIRS_AT_ONCE]
        features = compared.features(part)
        scores[start : start + len(part)] = model.probabilities(features) if calibrated else model.raw(features.values)
    return scores


def _sample(compared: Compared) -> NDArray[np.int64]:
    """Pairs of some records, chosen so that these have all their rivals beside them."""
    rng = np.random.default_rng(0)
    pairs, count = compared.pairs, len(compared.prepared.left)
    taken = np.zeros(count, bool)
    taken[rng.choice(count, min(_SAMPLED, count), replace=False)] = True
    if not compared.within:
        return np.flatnonzero(taken[pairs[:, 0]])
    # The candidates of the sampled records come along, and so do the pairs among these.
    touched = taken[pairs[:, 0]] | taken[pairs[:, 1]]
    taken[pairs[touched].ravel()] = True
    return np.flatnonzero(taken[pairs[:, 0]] & taken[pairs[:, 1]])
