"""Deduplicate by pooled vectors, and measure it: weight and cut as given, or searched on labelled records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmkit.config import Settings
from mmkit.errors import UsageError
from mmkit.types import Failure
from mmkit_link.grouping import Linkage, PooledCut, cluster_pooled, search_pooling
from mmkit_link.linking import Evidence
from mmkit_link.metrics import adjusted_rand
from mmkit_link.records import Records, as_records, open_table, require_column
from mmkit_link.results import dedupe_pooled, vectors_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PooledRun", "dedupe_by_vectors", "evaluate_clusters", "read_labelled"]


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
    require_column(clusters, table.column_names, "labelled")
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


def dedupe_by_vectors(
    records: Records,
    *,
    tune: Path | None,
    clusters: str,
    image_column: str | None,
    weight: float,
    cosine: float | None,
    linkage: Linkage,
    evidence: Evidence,
    chosen: Settings,
) -> PooledRun:
    """Cluster records by pooled vectors; with ``tune`` at the weight and cosine with the highest ARI there."""
    failures: list[Failure] = []
    tuned = None
    if tune is not None:
        columns = {name: name for name in records.columns if name != clusters}
        records = Records(records.ids, {name: records.columns[name] for name in columns}, records.pictures)
        labelled, labels = read_labelled(tune, columns, clusters=clusters, image_column=image_column)
        vectors = vectors_of(labelled, evidence=evidence, chosen=chosen, failures=failures)
        tuned = search_pooling(*vectors, labels, weights=_weights(labelled))
        weight, cosine = tuned.weight, tuned.threshold if cosine is None else cosine
    if cosine is None:
        raise UsageError("Expected a cosine to cut at", where="--cosine", mend="give one, or --tune")
    vectors = vectors_of(records, evidence=evidence, chosen=chosen, failures=failures)
    table = dedupe_pooled(vectors, records, weight=weight, threshold=cosine, linkage=linkage)
    return PooledRun(table, tuned, failures)


def evaluate_clusters(
    records: Records,
    labels: list[str],
    *,
    tune: tuple[Records, list[str]],
    evidence: Evidence,
    chosen: Settings,
    failures: list[Failure],
) -> dict[str, Any]:
    """ARI of single-linkage clusters of pooled vectors, beside those of the text alone and the picture alone.

    Each weight's cut, and the weight itself, are searched on ``tune``.
    """
    there = vectors_of(records, evidence=evidence, chosen=chosen, failures=failures)
    tuning = vectors_of(tune[0], evidence=evidence, chosen=chosen, failures=failures)

    def measured(weights: tuple[float, ...]) -> dict[str, float]:
        cut = search_pooling(*tuning, tune[1], weights=weights)
        found = cluster_pooled(*there, weight=cut.weight, threshold=cut.threshold)
        ari = adjusted_rand(found.tolist(), labels)
        return {"ari": ari, "weight": cut.weight, "threshold": cut.threshold, "tune_ari": cut.ari}

    result: dict[str, Any] = measured(_weights(records))
    if records.pictures:
        result["text_only"] = measured((0.0,))
        result["picture_only"] = measured((1.0,))
    return {**result, "records": len(records), "clusters": len(set(labels))}


def _weights(records: Records) -> tuple[float, ...]:
    return tuple(round(0.05 * step, 2) for step in range(21)) if records.pictures else (0.0,)
