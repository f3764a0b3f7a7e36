"""Teach a pair re-scorer from labelled pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmkit.config import Settings
from mmkit.types import Failure
from mmkit_link.calibration import best_f1_threshold
from mmkit_link.linking import Compared, Evidence, compare_tables
from mmkit_link.metrics import f1_of
from mmkit_link.model import PairModel, fit_model, with_threshold
from mmkit_link.pairs import PairSets, read_pairs

__all__ = ["evidence_of", "places_of", "train"]


def train(
    pairs: Path,
    *,
    valid: Path | None = None,
    records: Sequence[Path] = (),
    on: Sequence[str] = (),
    image_column: str | None = None,
    evidence: Evidence | None = None,
    k: int = 10,
    seed: int = 0,
    chosen: Settings | None = None,
    failures: list[Failure] | None = None,
) -> tuple[PairModel, dict[str, Any]]:
    """Fit on the labelled pairs of a file; the threshold is the best for F1 on ``valid``, or on pairs held out.

    Args:
        records: further files of pairs; only their records are read, as rivals and for word frequencies.
        k: candidates a record among all the files' records, which serve as rivals of the labelled pairs.

    Returns:
        The model, and what was seen: counts, F1 at the threshold and the Brier score on the same pairs.
    """
    evidence = evidence or Evidence()
    files = [pairs, *([valid] if valid else []), *records]
    sets = read_pairs(files, on=on, image_column=image_column)
    compared = compare_sets(sets, evidence=evidence, k=k, chosen=chosen)
    if failures is not None:
        failures += compared.failures
    places = places_of(compared, sets.pairs[0])
    seen = compared.features(places)
    model, unseen = fit_model(seen, sets.labels[0], groups=sets.pairs[0][:, 0], seed=seed)
    if valid:
        held = compared.features(places_of(compared, sets.pairs[1]))
        scores, labels = model.probabilities(held), sets.labels[1]
    else:
        scores, labels = model.sigmoid(unseen).astype(np.float32), sets.labels[0]
    threshold, _ = best_f1_threshold(scores, labels)
    recipe = {
        "columns": list(sets.columns),
        "kinds": compared.prepared.kinds,
        "image_column": image_column,
        "text_encoder": evidence.text_encoder,
        "image_encoder": evidence.image_encoder,
        "candidates": k,
    }
    found = f1_of(scores >= threshold, labels)
    brier = float(np.mean((scores - labels) ** 2))
    report = {
        "pairs": len(sets.labels[0]),
        "positives": int(sets.labels[0].sum()),
        "features": len(model.names),
        "measured_on": "valid" if valid else "held-out parts of the training pairs",
        **found,
        "brier": brier,
        "threshold": threshold,
    }
    return with_threshold(model, threshold, **recipe), report


def compare_sets(
    sets: PairSets, *, evidence: Evidence, k: int, model: PairModel | None = None, chosen: Settings | None = None
) -> Compared:
    """Compare all listed pairs, and beside them the candidates among the files' records, their rivals."""
    also = np.concatenate(sets.pairs)
    return compare_tables(sets.left, sets.right, k=k, also=also, evidence=evidence, model=model, chosen=chosen)


def places_of(compared: Compared, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where listed pairs stand among those compared."""
    width = len(compared.prepared.right) + 1
    known = compared.pairs[:, 0] * width + compared.pairs[:, 1]
    return np.searchsorted(known, pairs[:, 0] * width + pairs[:, 1])


def evidence_of(model: PairModel) -> Evidence:
    """The encoders that a model was trained with."""
    return Evidence(model.recipe.get("text_encoder"), model.recipe.get("image_encoder"))
