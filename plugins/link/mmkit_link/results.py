"""Links and groups as tables, from records: what the commands and the steps both do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmkit.config import Settings, settings
from mmkit.types import Failure
from mmkit_link.choosing import choose
from mmkit_link.duplicates import Distinct, distinct, expand
from mmkit_link.grouping import Linkage, cluster_pooled, group_pairs, side_by_side
from mmkit_link.linking import Compared, Evidence, compare_tables
from mmkit_link.model import PairModel
from mmkit_link.records import Records
from mmkit_link.scoring import Scored, score_pairs
from mmkit_link.sketches import edit_sketch
from mmkit_link.words import fold

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from mmkit_link.adapter import Adapter

__all__ = ["Run", "dedupe_pooled", "dedupe_records", "link_records", "vectors_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A finished run.

    Attributes:
        table: of ``link_records``: left, right, score, similarity; of ``dedupe_records``: id, cluster, size, score.
        compared, scored: what it rests on; None where nothing had to be compared.
        links: places of the linked pairs in ``compared.pairs``.
    """

    table: pa.Table
    compared: Compared | None
    scored: Scored | None
    links: NDArray[np.int64]
    failures: list[Failure]


def link_records(
    left: Records,
    right: Records,
    *,
    model: PairModel | None = None,
    threshold: float | None = None,
    relation: str = "one-to-one",
    k: int = 20,
    evidence: Evidence | None = None,
    chosen: Settings | None = None,
) -> Run:
    """Links between two tables: a row for each, with the records' ids, the score and the candidates' similarity."""
    import pyarrow as pa

    schema = pa.schema({"left": pa.string(), "right": pa.string(), "score": pa.float32(), "similarity": pa.float32()})
    nothing = np.zeros(0, np.int64)
    choose(np.zeros((0, 2), np.int64), np.zeros(0, np.float32), 0.5, relation=relation)  # refuses an unknown relation
    if not len(left) or not len(right):
        return Run(schema.empty_table(), None, None, nothing, [])
    one, other = distinct(left), distinct(right)
    compared = compare_tables(one.records, other.records, k=k, evidence=evidence, model=model, chosen=chosen)
    scored = score_pairs(compared, model, threshold=threshold)
    links = choose(compared.pairs, scored.scores, scored.threshold, relation=relation)
    rows = expand(compared.pairs[links], one, other, relation=relation)
    places = links[[place for _, _, place in rows]] if rows else nothing
    columns: list[Any] = [
        [left.ids[row] for row, _, _ in rows],
        [right.ids[row] for _, row, _ in rows],
        scored.scores[places],
        compared.similarity[places],
    ]
    table = pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema)
    return Run(table, compared, scored, links, compared.failures)


def dedupe_records(
    records: Records,
    *,
    model: PairModel | None = None,
    threshold: float | None = None,
    linkage: Linkage = "average",
    k: int = 20,
    evidence: Evidence | None = None,
    chosen: Settings | None = None,
) -> Run:
    """Groups within one table by scored pairs: a row a record, with its group, the group's size and its best score."""
    one = distinct(records)
    best = np.zeros(len(one.records), np.float32)
    compared = scored = None
    labels, links = np.arange(len(one.records)), np.zeros(0, np.int64)
    failures: list[Failure] = []
    if len(one.records) > 1:
        compared = compare_tables(one.records, None, k=k, evidence=evidence, model=model, chosen=chosen)
        scored = score_pairs(compared, model, threshold=threshold)
        failures = compared.failures
        labels = group_pairs(len(one.records), compared.pairs, scored.scores, scored.threshold, linkage=linkage)
        joined = labels[compared.pairs[:, 0]] == labels[compared.pairs[:, 1]]
        links = np.flatnonzero(joined & (scored.scores >= scored.threshold))
        for side in (0, 1):
            np.maximum.at(best, compared.pairs[links, side], scored.scores[links])
    return Run(_cluster_table(records, one, labels, best), compared, scored, links, failures)


def _cluster_table(records: Records, one: Distinct, labels: NDArray[np.int64], best: NDArray[np.float32]) -> pa.Table:
    import pyarrow as pa

    label = labels[one.number] if len(records) else np.zeros(0, np.int64)
    copies = np.array([len(rows) for rows in one.members], np.int64)
    score = np.where(copies > 1, np.float32(1), best)[one.number] if len(records) else best
    size = np.bincount(label)[label] if len(records) else label
    return pa.table(
        {
            "id": pa.array(records.ids, pa.string()),
            "cluster": pa.array(label, pa.int64()),
            "size": pa.array(size, pa.int64()),
            "score": pa.array(score, pa.float32()),
        }
    )


def dedupe_pooled(
    vectors: tuple[NDArray[np.float32], NDArray[np.float32]],
    records: Records,
    *,
    weight: float,
    threshold: float,
    linkage: Linkage = "single",
) -> pa.Table:
    """Groups within one table by the pooled vectors of its records at a cosine: id, cluster, size."""
    import pyarrow as pa

    pictures, texts = vectors
    label = cluster_pooled(pictures, texts, weight=weight, threshold=threshold, linkage=linkage)
    size = np.bincount(label)[label] if len(label) else label
    return pa.table({"id": pa.array(records.ids, pa.string()), "cluster": label, "size": pa.array(size, pa.int64())})


def vectors_of(
    records: Records,
    *,
    evidence: Evidence,
    adapter: Adapter | None = None,
    chosen: Settings | None = None,
    failures: list[Failure],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N, D) picture and text vectors that may be pooled.

    One encoder for both gives a shared space; else the two spaces stand side by side. Texts without an
    encoder become sketches of their edit similarities.
    """
    from mmkit_link.encoding import adapted_pictures, encode_pictures, encode_texts, load

    chosen = chosen or settings()
    whole = [records.whole(row) for row in range(len(records))]
    if adapter is not None and records.pictures:
        # Sketches by the records' own texts keep more of these than those by the landmarks of the adapter.
        pictures = adapted_pictures(adapter, records, chosen, failures)
        return side_by_side(pictures, edit_sketch([fold(text) for text in whole]))
    if evidence.text_encoder is None:
        texts = edit_sketch([fold(text) for text in whole])
    else:
        texts = encode_texts(load(evidence.text_encoder, chosen), whole, chosen)
    if not records.pictures:
        return np.zeros_like(texts), texts
    pictures = encode_pictures(evidence.image_encoder, records, chosen, failures)
    shared = evidence.text_encoder is not None and (evidence.image_encoder or chosen.encoder) == evidence.text_encoder
    return (pictures, texts) if shared else side_by_side(pictures, texts)
