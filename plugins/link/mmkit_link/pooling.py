"""Deduplicate by pooled vectors, and measure it: weight and cut as given, or searched on labelled records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mmkit.config import Settings
from mmkit.errors import UsageError
from mmkit.types import Failure
from mmkit_link.grouping import Linkage, cluster_pooled, side_by_side, single_linkage
from mmkit_link.linking import Evidence
from mmkit_link.metrics import adjusted_rand
from mmkit_link.records import Records, as_records, open_table, parse_columns, require_column
from mmkit_link.results import dedupe_pooled, vectors_of
from mmkit_link.sketches import edit_similarities, edit_sketch
from mmkit_link.tuning import PooledCut, search_cut, search_pooling
from mmkit_link.words import fold

if TYPE_CHECKING:
    import pyarrow as pa

    from mmkit_link.adapter import Adapter

__all__ = ["PooledRun", "dedupe_by_vectors", "evaluate_clusters", "read_labelled", "read_pictured", "train_adapter"]

_WEIGHT: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class PooledRun:
    """The groups (id, cluster, size), and what was found on labelled records where they were given."""

    table: pa.Table
    tuned: PooledCut | None
    failures: list[Failure]


def read_labelled(
    path: Path, columns: dict[str, str], *, clusters: str, image_column: str | None, id_column: str | None = None
) -> tuple[Records, list[str]]:
    """Records with their true clusters. Raises UsageError where a column is missing."""
    table = open_table(path)
    require_column(clusters, table.column_names, "labelled", where="--clusters")
    records = as_records(
        table,
        columns,
        id_column=id_column,
        image_column=image_column,
        root=path.parent,
        source=str(path),
        side="labelled",
    )
    return records, [str(value) for value in table.column(clusters).to_pylist()]


def read_pictured(path: Path, on: str, *, clusters: str, image_column: str) -> tuple[Records, list[str] | None]:
    """Records with pictures and texts, and their clusters where a column of them is named.

    Raises:
        UsageError: a column is missing.
    """
    table = open_table(path)
    apart = ("id", image_column, clusters)
    names = [name for name in table.column_names if on or name not in apart]
    columns = {column.name: column.left for column in parse_columns(on, names, names)}
    if clusters:
        return read_labelled(path, columns, clusters=clusters, image_column=image_column)
    return as_records(table, columns, image_column=image_column, root=path.parent, source=str(path), side="given"), None


def dedupe_by_vectors(
    records: Records,
    *,
    tune: Path | None,
    clusters: str,
    image_column: str | None,
    weight: float | None,
    cosine: float | None,
    linkage: Linkage,
    evidence: Evidence,
    adapter: Adapter | None = None,
    chosen: Settings,
) -> PooledRun:
    """Cluster records by pooled vectors.

    Weight and cosine are those given, or with ``tune`` those of the highest ARI there, or the adapter's.

    Raises:
        UsageError: no cosine is given, tuned or brought by an adapter.
    """
    failures: list[Failure] = []
    tuned = None
    common: dict[str, Any] = {"evidence": evidence, "adapter": adapter, "chosen": chosen, "failures": failures}
    if tune is not None:
        columns = {name: name for name in records.columns if name != clusters}
        records = Records(records.ids, {name: records.columns[name] for name in columns}, records.pictures)
        labelled, labels = read_labelled(tune, columns, clusters=clusters, image_column=image_column)
        tuned = search_pooling(
            *vectors_of(labelled, **common), labels, weights=_weights(labelled) if weight is None else (weight,)
        )
        weight, cosine = tuned.weight, tuned.threshold if cosine is None else cosine
    elif adapter is not None:
        weight = adapter.weight if weight is None else weight
        cosine = adapter.cosine if cosine is None else cosine
    if cosine is None:
        raise UsageError("Expected a cosine to cut at", where="--cosine", mend="give one, or --tune")
    weight = _WEIGHT if weight is None else weight
    table = dedupe_pooled(vectors_of(records, **common), records, weight=weight, threshold=cosine, linkage=linkage)
    return PooledRun(table, tuned, failures)


def train_adapter(
    train: tuple[Records, list[str] | None],
    valid: tuple[Records, list[str] | None] | None,
    *,
    encoder: str | None,
    seed: int = 0,
    chosen: Settings,
    failures: list[Failure],
) -> tuple[Adapter, dict[str, Any]]:
    """Stage A on records and, where their clusters are known, stage B; then the weight and the cut on ``valid``.

    Returns:
        The adapter, and what was seen on the way.
    """
    from mmkit_link.adapter import picture_inputs
    from mmkit_link.encoding import load
    from mmkit_link.stages import Pictured, fit_adapter

    below = load(encoder, chosen)

    def pictured(given: tuple[Records, list[str] | None]) -> tuple[NDArray[np.float32], list[str]]:
        return picture_inputs(below, given[0], failures), [given[0].whole(row) for row in range(len(given[0]))]

    inputs, texts = pictured(train)
    held = None if valid is None else pictured(valid)
    adapter = fit_adapter(
        Pictured.of(inputs, texts, train[1]),
        None if held is None else Pictured.of(*held),
        encoder=below.spec.name,
        fingerprint=below.spec.fingerprint,
        seed=seed,
    )
    # Without validation records the cut rests on what was trained on, and is too strict for what was not.
    (rows, words), labels = (inputs, texts) if held is None else held, (train if valid is None else valid)[1]
    if labels is not None:
        vectors = side_by_side(adapter.pictures(rows), edit_sketch([fold(word) for word in words]))
        cut = search_pooling(*vectors, labels)
        about = {**adapter.about, "ari": cut.ari, "measured_on": "training records" if valid is None else "valid"}
        adapter = replace(adapter, weight=cut.weight, cosine=cut.threshold, about=about)
    return adapter, {**adapter.about, "weight": adapter.weight, "cosine": adapter.cosine}


def evaluate_clusters(
    records: Records,
    labels: list[str],
    *,
    tune: tuple[Records, list[str]],
    evidence: Evidence,
    adapter: Adapter | None = None,
    chosen: Settings,
    failures: list[Failure],
) -> dict[str, Any]:
    """ARI of single-linkage clusters of pooled vectors, beside the text alone, the picture alone and Levenshtein.

    The cut of each, and the weight, are searched on ``tune``.
    """
    common: dict[str, Any] = {"evidence": evidence, "adapter": adapter, "chosen": chosen, "failures": failures}
    there, tuning = vectors_of(records, **common), vectors_of(tune[0], **common)

    def measured(weights: tuple[float, ...]) -> dict[str, float]:
        cut = search_pooling(*tuning, tune[1], weights=weights)
        found = cluster_pooled(*there, weight=cut.weight, threshold=cut.threshold)
        ari = adjusted_rand(found.tolist(), labels)
        return {"ari": ari, "weight": cut.weight, "threshold": cut.threshold, "tune_ari": cut.ari}

    result: dict[str, Any] = measured(_weights(records))
    if records.pictures:
        result["text_only"] = measured((0.0,))
        result["picture_only"] = measured((1.0,))
    result["levenshtein"] = {"ari": _levenshtein(records, labels, tune)}
    return {**result, "records": len(records), "clusters": len(set(labels))}


def _levenshtein(records: Records, labels: list[str], tune: tuple[Records, list[str]]) -> float:
    """ARI of single linkage on the texts' normalised edit distance."""

    def distances(given: Records) -> NDArray[np.float64]:
        texts = [fold(given.whole(row)) for row in range(len(given))]
        return 1 - edit_similarities(texts, texts).astype(np.float64)

    cut = search_cut(distances(tune[0]), tune[1])
    return adjusted_rand(single_linkage(distances(records), cut[0]), labels)


def _weights(records: Records) -> tuple[float, ...]:
    return tuple(round(0.05 * step, 2) for step in range(21)) if records.pictures else (0.0,)
