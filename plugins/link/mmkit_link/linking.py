"""Two tables, or one, from records to compared pairs.

Legend: N left records, M right records, P pairs, F features, D dims.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit.config import Settings, settings
from mmkit.errors import BadInput
from mmkit.types import Failure
from mmkit_link.candidates import Candidates, find_candidates, fused_scores
from mmkit_link.comparisons import Features, compare, rival_columns, rival_names
from mmkit_link.encoding import encode_pictures, encode_texts, load
from mmkit_link.model import PairModel
from mmkit_link.prepared import LARGE, WHOLE, Prepared, prepare
from mmkit_link.records import Records
from mmkit_link.rivals import RIVAL_PARTS, rival_features
from mmkit_link.shared_words import shared_words_view

__all__ = ["Compared", "Evidence", "compare_tables", "rivals_beside"]

#: Pairs whose features are held at once; of more, they are made when they are asked for.
_HELD: Final = 1_000_000
#: Pairs a run may compare: where tables are so large that this is less than ``k`` a record, each record gets fewer.
_MOST_PAIRS: Final = 6_000_000
_FEWEST: Final = 4


@dataclass(frozen=True, slots=True)
class Evidence:
    """What beside strings is compared.

    Attributes:
        text_encoder: compares whole records by this encoder; None leaves it out.
        image_encoder: of the pictures; None is the default of the settings.
    """

    text_encoder: str | None = None
    image_encoder: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """P pairs and how they compare.

    Attributes:
        similarity: (P,) the mean cosine of all views, which found the candidates.
        held: the features of each pair alone; None where they are too many to hold.
        beside: (P, …) what adds how pairs stand beside their rivals; None within one table, where a record may have
            several partners.
    """

    prepared: Prepared
    pairs: NDArray[np.int64]
    similarity: NDArray[np.float32]
    held: Features | None
    beside: Features | None
    failures: list[Failure] = field(default_factory=list)

    @property
    def within(self) -> bool:
        """Whether both sides are one table."""
        return self.prepared.within

    @property
    def candidates(self) -> Candidates:
        """The pairs with their similarity."""
        return Candidates(self.pairs, self.similarity)

    def base(self, places: NDArray[np.int64]) -> Features:
        """The features of some pairs, each alone."""
        if self.held is not None:
            return self.held.taken(places)
        return _base(self.prepared, self.pairs[places], self.similarity[places])

    def at_random(self, count: int) -> Features:
        """The features, each alone, of pairs of records taken at random."""
        rng = np.random.default_rng(0)
        sides = [rng.integers(0, max(1, len(side)), count) for side in (self.prepared.left, self.prepared.right)]
        pairs = np.stack(sides, axis=1).astype(np.int64)
        pairs = pairs[pairs[:, 0] != pairs[:, 1]] if self.within else pairs
        return _base(self.prepared, pairs, np.zeros(len(pairs), np.float32))

    def features(self, places: NDArray[np.int64]) -> Features:
        """All features of some pairs."""
        base = self.base(places)
        return base if self.beside is None else base.joined(self.beside.taken(places))


def compare_tables(
    left: Records,
    right: Records | None = None,
    *,
    k: int = 20,
    also: NDArray[np.int64] | None = None,
    evidence: Evidence | None = None,
    model: PairModel | None = None,
    chosen: Settings | None = None,
) -> Compared:
    """Find candidates by vector search and compare them.

    Args:
        right: None compares the records of ``left`` with each other.
        k: candidates a record.
        also: (A, 2) further pairs to compare.
        model: the columns' kinds are then those of its training.

    Raises:
        BadInput: no compared column holds a value on both sides, and there are no pictures.
    """
    chosen, evidence = chosen or settings(), evidence or Evidence()
    prepared = prepare(left, right, kinds=model.recipe.get("kinds") if model else None)
    failures: list[Failure] = []
    prepared = _with_vectors(prepared, evidence, chosen, failures)
    other = prepared.right
    if len(left) and len(other) and not prepared.kinds and not prepared.dense:
        raise BadInput(
            "no compared column holds a value in both tables",
            where=", ".join(filter(None, (left.source, other.source))) or None,
            mend="choose other columns with --on",
        )
    pairs, similarity = _candidates(prepared, k, also)
    held = _base(prepared, pairs, similarity) if len(pairs) <= _HELD else None
    beside = None
    if not prepared.within:
        columns = held if held is not None else rival_columns(prepared, pairs, similarity)
        beside = rivals_beside(prepared)(pairs, columns)
    return Compared(prepared, pairs, similarity, held, beside, failures)


def _candidates(
    prepared: Prepared, k: int, also: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    names = dict.fromkeys(name for name in (WHOLE, prepared.leading) if name)
    sparse = [prepared.grams[name].sides() for name in names]
    dense = list(prepared.dense.values())
    count = len(prepared.left) + (0 if prepared.within else len(prepared.right))
    search = [shared_words_view(prepared)] if count > LARGE else []
    k = max(min(k, _FEWEST), min(k, _MOST_PAIRS // max(1, count)))
    found = find_candidates(sparse, dense, k=k, within=prepared.within, search=search)
    if also is None or not len(also):
        return found.pairs, found.scores
    pairs = np.unique(np.concatenate([found.pairs, also.astype(np.int64)]), axis=0)
    return pairs, fused_scores(pairs, sparse, dense)


def _base(prepared: Prepared, pairs: NDArray[np.int64], similarity: NDArray[np.float32]) -> Features:
    return compare(prepared, pairs).joined(Features(similarity[:, None], ("candidate:similarity",)))


def _with_vectors(prepared: Prepared, evidence: Evidence, chosen: Settings, failures: list[Failure]) -> Prepared:
    left, right = prepared.left, prepared.right
    within = prepared.within
    dense = dict(prepared.dense)
    if evidence.text_encoder is not None:
        encoder = load(evidence.text_encoder, chosen)
        one = encode_texts(encoder, [left.whole(row) for row in range(len(left))], chosen)
        dense["text"] = (
            one,
            one if within else encode_texts(encoder, [right.whole(row) for row in range(len(right))], chosen),
        )
    if left.pictures and right.pictures:
        one = encode_pictures(evidence.image_encoder, left, chosen, failures)
        dense["picture"] = one, one if within else encode_pictures(evidence.image_encoder, right, chosen, failures)
    return replace(prepared, dense=dense)


def rivals_beside(prepared: Prepared) -> Callable[[NDArray[np.int64], Features], Features]:
    """What makes the features of pairs beside their rivals, of pairs and (some of) the features of each alone."""
    named = rival_names(prepared)
    names = tuple(f"{name}_{part}" for name in named for part in RIVAL_PARTS)

    def beside(pairs: NDArray[np.int64], features: Features) -> Features:
        columns = [rival_features(pairs, features.column(name)) for name in named]
        return Features(np.concatenate(columns, axis=1), names)

    return beside
