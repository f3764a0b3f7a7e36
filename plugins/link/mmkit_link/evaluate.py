"""Measure links against what is known: labelled pairs, or two tables and their true links."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmkit.config import Settings
from mmkit.errors import BadInput
from mmkit.types import Failure
from mmkit_link.calibration import best_f1_threshold
from mmkit_link.choosing import choose
from mmkit_link.linking import Evidence, compare_tables
from mmkit_link.metrics import adjusted_rand, average_precision, f1_of, link_scores
from mmkit_link.model import PairModel
from mmkit_link.pairs import read_pairs
from mmkit_link.records import Records, open_table, require_column
from mmkit_link.scoring import Scored, score_pairs
from mmkit_link.training import compare_sets, evidence_of, places_of

__all__ = ["evaluate_pairs", "evaluate_tables", "read_truth"]

_RECALL_AT: Final = (1, 5, 20)


def evaluate_pairs(
    pairs: Path,
    *,
    tune: Path | None = None,
    model: PairModel | None = None,
    records: Sequence[Path] = (),
    on: Sequence[str] = (),
    image_column: str | None = None,
    evidence: Evidence | None = None,
    k: int = 10,
    chosen: Settings | None = None,
    failures: list[Failure] | None = None,
) -> dict[str, Any]:
    """Precision, recall, F1 and average precision on labelled pairs, whose labels are used for nothing else.

    Without a model the scores are learnt without labels. The threshold is that of the model, or the best for F1 on
    ``tune``, or found without labels; without a model a pair counts as linked only where the one-to-one assignment
    among all records that the files name holds it (with ``tune``: where that is better on ``tune``).

    Args:
        records: further files of pairs; only their records are read, as rivals and for word frequencies.
    """
    evidence = evidence_of(model) if model else evidence or Evidence()
    if model:
        on = model.recipe["columns"]
        image_column = image_column or model.recipe["image_column"]
        k = model.recipe["candidates"]
    sets = read_pairs([pairs, *([tune] if tune else []), *records], on=on, image_column=image_column)
    compared = compare_sets(sets, evidence=evidence, k=k, model=model, chosen=chosen)
    if failures is not None:
        failures += compared.failures
    scored = score_pairs(compared, model)
    threshold, alone = scored.threshold, model is not None
    if tune:
        threshold, alone = _tuned(compared.pairs, scored, places_of(compared, sets.pairs[1]), sets.labels[1])
    places, labels = places_of(compared, sets.pairs[0]), sets.labels[0]
    decided = _decided(compared.pairs, scored.scores, threshold, alone=alone)[places]
    shuffled = np.random.default_rng(0).permutation(labels)
    return {
        **f1_of(decided, labels),
        "average_precision": average_precision(_ranking(compared.pairs, scored.scores, alone=alone)[places], labels),
        "threshold": threshold,
        "pairs": len(labels),
        "positives": int(labels.sum()),
        "scores": "model" if model else "without labels",
        "threshold_from": "tune" if tune else "model" if model else "without labels",
        "one_to_one": not alone,
        "brier": float(np.mean((scored.scores[places] - labels) ** 2)) if model else None,
        "controls": {
            "all_linked_f1": f1_of(np.ones(len(labels), bool), labels)["f1"],
            "shuffled_labels_f1": f1_of(decided, shuffled)["f1"],
        },
    }


def _decided(
    pairs: NDArray[np.int64], scores: NDArray[np.float32], threshold: float, *, alone: bool
) -> NDArray[np.bool_]:
    relation = "many-to-many" if alone else "one-to-one"
    decided = np.zeros(len(pairs), bool)
    decided[choose(pairs, scores, threshold, relation=relation)] = True
    return decided


def _ranking(pairs: NDArray[np.int64], scores: NDArray[np.float32], *, alone: bool) -> NDArray[np.float32]:
    """Scores to rank by: with one-to-one links, those that the assignment would drop come after the others."""
    if alone:
        return scores
    return scores + _decided(pairs, scores, 0.0, alone=False)


def _tuned(
    pairs: NDArray[np.int64], scored: Scored, places: NDArray[np.int64], labels: NDArray[np.int64]
) -> tuple[float, bool]:
    """The threshold, and whether pairs stand alone, with the best F1 on labelled pairs."""
    alone, f1 = best_f1_threshold(scored.scores[places], labels)
    if scored.labelled:
        return alone, True
    held = _decided(pairs, scored.scores, 0.0, alone=False)
    assigned, better = best_f1_threshold((scored.scores * held)[places], labels)
    return (assigned, False) if better >= f1 else (alone, True)


def read_truth(path: Path, left: Records, right: Records) -> list[tuple[int, int]]:
    """True links as rows, of a table with the columns ``left`` and ``right`` that hold ids.

    Raises:
        BadInput: an id that its table lacks, or no links at all.
        UsageError: a column is missing.
    """
    table = open_table(path)
    columns = []
    for side, records in (("left", left), ("right", right)):
        require_column(side, table.column_names, "truth", where=str(path))
        rows = {name: row for row, name in enumerate(records.ids)}
        found = []
        for place, value in enumerate(table.column(side).to_pylist()):
            name = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
            if name not in rows:
                raise BadInput(f"the {side} table has no id {name!r}", where=f"{path}: row {place + 1}")
            found.append(rows[name])
        columns.append(found)
    if not columns[0]:
        raise BadInput("holds no links", where=str(path))
    return list(zip(columns[0], columns[1], strict=True))


def evaluate_tables(
    left: Records,
    right: Records,
    truth: list[tuple[int, int]],
    *,
    model: PairModel | None = None,
    evidence: Evidence | None = None,
    k: int = 20,
    relation: str = "one-to-one",
    chosen: Settings | None = None,
    failures: list[Failure] | None = None,
) -> dict[str, Any]:
    """Candidate recall, F1 of the links and ARI of the groups they form, on whole tables with known links."""
    evidence = evidence_of(model) if model else evidence or Evidence()
    compared = compare_tables(left, right, k=k, evidence=evidence, model=model, chosen=chosen)
    if failures is not None:
        failures += compared.failures
    scored = score_pairs(compared, model)
    chosen_pairs = choose(compared.pairs, scored.scores, scored.threshold, relation=relation)
    links = list(map(tuple, compared.pairs[chosen_pairs].tolist()))
    ranks = compared.candidates.ranks(0)
    rank = dict(zip(map(tuple, compared.pairs.tolist()), ranks.tolist(), strict=True))
    recall = {at: float(np.mean([rank.get(pair, at) < at for pair in truth])) for at in _RECALL_AT if at <= k}
    size = len(left) + len(right)
    return {
        "candidate_recall": {f"@{at}": value for at, value in recall.items()},
        "candidates": len(compared.pairs),
        **link_scores(links, truth),
        "ari": adjusted_rand(_groups(links, len(left), size), _groups(truth, len(left), size)),
        "threshold": scored.threshold,
        "links": len(links),
        "truth": len(set(truth)),
        "scores": "model" if model else "without labels",
        **scored.about,
    }


def _groups(links: Sequence[tuple[int, ...]], lefts: int, size: int) -> list[int]:
    """(N + M) labels of the connected groups of both tables' records."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    pairs = np.array(links, np.int64).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], lefts + pairs[:, 1])), shape=(size, size))
    return list(map(int, connected_components(graph, directed=False)[1]))
