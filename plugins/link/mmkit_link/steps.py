"""Steps for recipes: link.match and link.dedupe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

    from mmkit.recipes.context import StepContext
    from mmkit_link.linking import Evidence
    from mmkit_link.model import PairModel
    from mmkit_link.results import Run

__all__ = ["dedupe", "fingerprint", "match"]


def fingerprint(*, image_column: str, text_encoder: str, image_encoder: str, **_: object) -> str:
    """Of the encoders that a step uses; empty where strings alone are compared."""
    from mmkit.encoders import encoder

    names = [text_encoder] if text_encoder else []
    names += [image_encoder] if image_column else []
    return " ".join(encoder(name or None).spec.fingerprint for name in names)


def match(
    context: StepContext,
    *,
    left: pa.Table,
    right: pa.Table,
    on: Sequence[str],
    threshold: float | None,
    relation: str,
    id: str,
    image_column: str,
    k: int,
    model: Path | None,
    text_encoder: str,
    image_encoder: str,
    report: str,
    left_group: str,
) -> pa.Table:
    """A row a link: left, right, score, similarity."""
    from mmkit_link.records import as_records, grouped, parse_columns
    from mmkit_link.results import link_records

    if left_group:
        left = grouped(left, left_group)

    dropped = {id or "id", image_column}
    columns = parse_columns(
        on, *([name for name in table.column_names if on or name not in dropped] for table in (left, right))
    )
    sides = [
        as_records(
            table,
            {column.name: getattr(column, side) for column in columns},
            id_column=id or None,
            image_column=image_column or None,
            root=context.root,
            source=side,
            side=side,
        )
        for side, table in (("left", left), ("right", right))
    ]
    run = link_records(
        sides[0],
        sides[1],
        model=_model(model),
        threshold=threshold,
        relation=relation,
        k=k,
        evidence=_evidence(text_encoder, image_encoder),
        chosen=context.settings,
    )
    return _finished(context, run, report)


def dedupe(
    context: StepContext,
    *,
    table: pa.Table,
    on: Sequence[str],
    threshold: float | None,
    linkage: Literal["single", "average", "complete"],
    id: str,
    image_column: str,
    k: int,
    model: Path | None,
    text_encoder: str,
    image_encoder: str,
    report: str,
) -> pa.Table:
    """A row a record: id, cluster, size, score."""
    from mmkit_link.records import as_records, parse_columns
    from mmkit_link.results import dedupe_records

    names = [name for name in table.column_names if on or name not in (id or "id", image_column)]
    columns = {column.name: column.left for column in parse_columns(on, names, names)}
    records = as_records(
        table,
        columns,
        id_column=id or None,
        image_column=image_column or None,
        root=context.root,
        side="given",
    )
    run = dedupe_records(
        records,
        model=_model(model),
        threshold=threshold,
        linkage=linkage,
        k=k,
        evidence=_evidence(text_encoder, image_encoder),
        chosen=context.settings,
    )
    return _finished(context, run, report)


def _model(path: Path | None) -> PairModel | None:
    from mmkit_link.model import load_model

    return None if path is None else load_model(path)


def _evidence(text_encoder: str, image_encoder: str) -> Evidence:
    from mmkit_link.linking import Evidence

    return Evidence(text_encoder or None, image_encoder or None)


def _finished(context: StepContext, run: Run, report: str) -> pa.Table:
    context.failures.extend(run.failures)
    if report:
        from mmkit_link.pages import write_page
        from mmkit_link.report import report_page

        write_page(report_page(run, context.step), context.artefact(report))
    return run.table
