"""Two tables, or one, from records to scored pairs to links.

Legend: N left records, M right records, P pairs, D dims.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mmkit.config import Settings, settings
from mmkit.errors import BadInput, UsageError
from mmkit.types import Failure
from mmkit_link.candidates import Candidates, find_candidates, fused_scores
from mmkit_link.comparisons import WHOLE, Features, Prepared, compare, prepare
from mmkit_link.records import Records
from mmkit_link.rivals import RIVAL_PARTS, mutual_best, rival_features
from mmkit_link.unlabelled import self_train

if TYPE_CHECKING:
    from mmkit_link.model import PairModel

__all__ = ["Compared", "Evidence", "Scored", "choose", "compare_tables", "score_pairs"]

#: Largest dense block of scores that the exact one-to-one assignment takes.
_BLOCK: Final = 4_000_000


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
    """P pairs with their features.

    Attributes:
        base, rivals: the features of each pair alone, and what adds those of pairs beside their rivals; within one
            table, where a record may have several partners, there are none of those.
        similarity: (P,) the mean cosine of all views, which found the candidates.
        within: both sides are one table.
    """

    prepared: Prepared
    pairs: NDArray[np.int64]
    features: Features
    base: Features
    rivals: Callable[[NDArray[np.int64], Features], Features] | None
    similarity: NDArray[np.float32]
    within: bool
    failures: list[Failure] = field(default_factory=list)

    @property
    def candidates(self) -> Candidates:
        """The pairs with their similarity."""
        return Candidates(self.pairs, self.similarity)


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """(P,) scores, the threshold, whether labels taught them, and the model that gave them where there is one."""

    scores: NDArray[np.float32]
    threshold: float
    labelled: bool
    model: PairModel | None = None
    about: dict[str, float] = field(default_factory=dict)


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
    within = right is None
    other = left if right is None else right
    prepared = prepare(left, other, kinds=model.recipe.get("kinds") if model else None)
    failures: list[Failure] = []
    prepared = _with_vectors(prepared, evidence, within, chosen, failures)
    if len(left) and len(other) and not prepared.kinds and not prepared.dense:
        raise BadInput(
            "no compared column holds a value in both tables",
            where=", ".join(filter(None, (left.source, other.source))) or None,
            mend="choose other columns with --on",
        )
    sparse = [prepared.grams[name].unit() for name in dict.fromkeys((WHOLE, prepared.leading)) if name]
    dense = list(prepared.dense.values())
    found = find_candidates(sparse, dense, k=k, within=within)
    pairs = found.pairs
    if also is not None and len(also):
        pairs = np.unique(np.concatenate([pairs, also.astype(np.int64)]), axis=0)
    similarity = fused_scores(pairs, sparse, dense)
    features = compare(prepared, pairs)
    base = features.joined(Features(similarity[:, None], ("candidate:similarity",)))
    beside = None if within else partial(_rivals, prepared.leading)
    features = base.joined(beside(pairs, base)) if beside else base
    return Compared(prepared, pairs, features, base, beside, similarity, within, failures)


def _with_vectors(
    prepared: Prepared, evidence: Evidence, within: bool, chosen: Settings, failures: list[Failure]
) -> Prepared:
    from mmkit_link.encoding import encode_pictures, encode_texts, load

    left, right = prepared.left, prepared.right
    dense = dict(prepared.dense)
    if evidence.text_encoder is not None:
        encoder = load(evidence.text_encoder, chosen)
        one = encode_texts(encoder, [left.whole(row) for row in range(len(left))], chosen)
        dense["text"] = (
            one,
            one if within else encode_texts(encoder, [right.whole(row) for row in range(len(right))], chosen),
        )
    if left.pictures and right.pictures:
        encoder = load(evidence.image_encoder, chosen)
        one = encode_pictures(encoder, left, chosen, failures)
        dense["picture"] = one, one if within else encode_pictures(encoder, right, chosen, failures)
    return replace(prepared, dense=dense)


def _rivals(leading: str, pairs: NDArray[np.int64], features: Features) -> Features:
    named = ["candidate:similarity", f"{WHOLE}:words_cosine"]
    named += [f"{leading}:{part}" for part in ("words_cosine", "token_set")] if leading else []
    columns = [rival_features(pairs, features.column(name)) for name in named]
    names = tuple(f"{name}_{part}" for name in named for part in RIVAL_PARTS)
    return Features(np.concatenate(columns, axis=1), names)


def score_pairs(compared: Compared, model: PairModel | None = None, *, threshold: float | None = None) -> Scored:
    """Score all pairs by a model, or without labels; the threshold is the model's, or found, or the one given."""
    pairs, within = compared.pairs, compared.within
    if model is not None:
        scores = model.probabilities(compared.features)
        return Scored(scores, model.threshold if threshold is None else threshold, True, model)
    taught = self_train(compared.base, pairs, compared.similarity, rivals=compared.rivals, within=within)
    found = taught.found
    about = {"unmatched_share": found.unmatched, "expected_f1": found.f1}
    return Scored(taught.scores, found.threshold if threshold is None else threshold, False, taught.model, about)


def choose(
    pairs: NDArray[np.int64], scores: NDArray[np.float32], threshold: float, *, relation: str = "one-to-one"
) -> NDArray[np.int64]:
    """The places of the pairs that are links, ascending.

    Args:
        relation: ``one-to-one`` assigns within each group of connected pairs so that the total score is highest;
            ``one-to-many`` gives every right record its best left one; ``many-to-one`` the reverse;
            ``many-to-many`` takes every pair at the threshold.

    Raises:
        UsageError: another relation.
    """
    kept = np.flatnonzero(scores >= threshold)
    if relation == "many-to-many":
        return kept
    if relation in ("one-to-many", "many-to-one"):
        side = 1 if relation == "one-to-many" else 0
        order = kept[np.lexsort((pairs[kept, 1 - side], -scores[kept], pairs[kept, side]))]
        _, first = np.unique(pairs[order, side], return_index=True)
        return np.sort(order[first])
    if relation != "one-to-one":
        raise UsageError(
            f"Expected one-to-one, one-to-many, many-to-one or many-to-many, but received {relation!r}",
            where="--relation",
        )
    sure = kept[mutual_best(pairs[kept], scores[kept])]
    used = [np.isin(pairs[kept, side], pairs[sure, side]) for side in (0, 1)]
    rest = kept[~(used[0] | used[1])]
    return np.sort(np.concatenate([sure, _assigned(pairs, scores, rest)]))


def _assigned(pairs: NDArray[np.int64], scores: NDArray[np.float32], kept: NDArray[np.int64]) -> NDArray[np.int64]:
    """One-to-one within each connected group: the best total where it fits into memory, else the best first."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    from mmkit.match import assign

    if not len(kept):
        return kept
    lefts, left = np.unique(pairs[kept, 0], return_inverse=True)
    rights, right = np.unique(pairs[kept, 1], return_inverse=True)
    size = len(lefts) + len(rights)
    graph = coo_matrix((np.ones(len(kept)), (left, len(lefts) + right)), shape=(size, size))
    group = connected_components(graph, directed=False)[1][left]
    order = np.argsort(group, kind="stable")
    found: list[int] = []
    for members in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        rows, row = np.unique(left[members], return_inverse=True)
        columns, column = np.unique(right[members], return_inverse=True)
        if len(rows) * len(columns) > _BLOCK:
            found += _best_first(left, right, scores[kept], members)
            continue
        block = np.full((len(rows), len(columns)), -np.inf)
        block[row, column] = scores[kept[members]]
        where = dict(zip(zip(row.tolist(), column.tolist(), strict=True), members.tolist(), strict=True))
        found += [where[int(one), int(other)] for one, other in assign(block)[0]]
    return kept[np.array(found, np.int64)]


def _best_first(
    left: NDArray[np.int64], right: NDArray[np.int64], scores: NDArray[np.float32], members: NDArray[np.int64]
) -> list[int]:
    used_left: set[int] = set()
    used_right: set[int] = set()
    found = []
    for place in members[np.argsort(-scores[members], kind="stable")].tolist():
        if left[place] not in used_left and right[place] not in used_right:
            used_left.add(int(left[place]))
            used_right.add(int(right[place]))
            found.append(place)
    return found
