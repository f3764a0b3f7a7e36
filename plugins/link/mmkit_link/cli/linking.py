"""``mmkit link match`` and ``mmkit link dedupe``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from mmkit.cli.output import finish, note
from mmkit.errors import UsageError
from mmkit_link.cli.options import (
    check_output,
    chosen_evidence,
    finish_run,
    quiet_settings,
    read_adapter,
    read_model,
    read_one,
    read_two,
)
from mmkit_link.cli.shared import RunOptions, spread

if TYPE_CHECKING:
    from mmkit.config import Settings
    from mmkit_link.results import Run

_LINKAGES = ("single", "average", "complete")


@spread
def match(
    left: Annotated[Path, typer.Argument(metavar="LEFT", help="A table: .csv, .tsv, .jsonl, .parquet, .arrow.")],
    right: Annotated[Path, typer.Argument(metavar="RIGHT", help="Another one.")],
    relation: Annotated[
        str,
        typer.Option("--relation", metavar="KIND", help="one-to-one, one-to-many, many-to-one or many-to-many."),
    ] = "one-to-one",
    *,
    options: RunOptions,
) -> int:
    """Link the records of two tables: left, right, score, similarity.

    Needs no labels; with --model, the scores are those of a trained model.

    \b
    Examples:
      mmkit link match shop.csv catalogue.csv --on title=name,price -o links.parquet
      mmkit link match left.csv right.csv --image-col crop --html report.html
      mmkit link match left.csv right.csv --model pairs.model --json
    """
    from mmkit_link.results import link_records

    chosen = _checked(options)
    model = read_model(options.model)
    one, other = read_two(
        left, right, on=options.on, id_column=options.id_col, image_column=options.image_col, model=model
    )
    run = link_records(
        one,
        other,
        model=model,
        threshold=options.threshold,
        relation=relation,
        k=options.candidates,
        evidence=chosen_evidence(model, options.text_encoder, options.encoder),
        chosen=chosen,
    )
    return _end(run, f"{left.name} and {right.name}", options)


@spread
def dedupe(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A table: .csv, .tsv, .jsonl, .parquet, .arrow.")],
    linkage: Annotated[
        str | None,
        typer.Option("--linkage", metavar="KIND", help="single, or average or complete against chaining."),
    ] = None,
    cosine: Annotated[
        float | None,
        typer.Option("--cosine", min=-1.0, max=1.0, help="Cluster pooled vectors at this cosine instead of pairs."),
    ] = None,
    weight: Annotated[
        float | None,
        typer.Option("--weight", min=0.0, max=1.0, help="Of the picture in the pooled vector; default: found, or 0.5."),
    ] = None,
    tune: Annotated[
        Path | None,
        typer.Option("--tune", metavar="TABLE", help="Search cosine and weight on this table, by --clusters."),
    ] = None,
    clusters: Annotated[
        str, typer.Option("--clusters", metavar="COL", help="The column of --tune with the true cluster.")
    ] = "cluster",
    *,
    options: RunOptions,
) -> int:
    """Group the records of one table that mean the same thing: id, cluster, size.

    By scored pairs, where average linkage guards against chains; or, with --cosine, --tune or an adapter as --model,
    by single linkage of the pooled vectors N(w N(picture) + (1 - w) N(text)).

    \b
    Examples:
      mmkit link dedupe people.csv --on name,birth,city -o clusters.parquet
      mmkit link dedupe crops.csv --on ocr --image-col crop --cosine 0.8 --weight 0.4
      mmkit link dedupe crops.csv --on ocr --image-col crop --tune labelled.csv --clusters firm
      mmkit link dedupe crops.csv --on ocr --image-col crop --model firms.adapter
    """
    from mmkit_link.results import dedupe_records

    if linkage is not None and linkage not in _LINKAGES:
        raise UsageError(f"Expected one of {', '.join(_LINKAGES)}, but received {linkage!r}", where="--linkage")
    chosen = _checked(options)
    adapter = read_adapter(options.model)
    model = None if adapter else read_model(options.model)
    columns = options.on or (",".join(model.recipe.get("columns", ())) if model else "")
    records = read_one(table, on=columns, id_column=options.id_col, image_column=options.image_col)
    evidence = chosen_evidence(model, options.text_encoder, options.encoder)
    if cosine is None and tune is None and adapter is None:
        run = dedupe_records(
            records,
            model=model,
            threshold=options.threshold,
            linkage=cast("Any", linkage or "average"),
            k=options.candidates,
            evidence=evidence,
            chosen=chosen,
        )
        return _end(run, table.name, options)
    if options.html is not None or model is not None or options.threshold is not None:
        raise UsageError("pooled vectors compare no pairs", mend="leave --html, --threshold and models of pairs out")
    from mmkit_link.pooling import dedupe_by_vectors

    found = dedupe_by_vectors(
        records,
        tune=tune,
        clusters=clusters,
        image_column=options.image_col,
        weight=weight,
        cosine=cosine,
        linkage=cast("Any", linkage or "single"),
        evidence=evidence,
        adapter=adapter,
        chosen=chosen,
    )
    if found.tuned is not None:
        note(f"weight {found.tuned.weight:g}, cosine {found.tuned.threshold:.2f}: ARI {found.tuned.ari:.3f} on {tune}")
    finish_run(found.table, options.output, json=options.json)
    return finish(found.failures, options.failures_file)


def _checked(options: RunOptions) -> Settings:
    """The settings of a run, once its outputs are known to be free."""
    check_output(options.output, overwrite=options.overwrite)
    check_output(options.html, overwrite=options.overwrite, table=False)
    return quiet_settings(options.offline, options.device)


def _end(run: Run, title: str, options: RunOptions) -> int:
    if run.compared is None:
        note("there was nothing to compare")
    elif run.scored is not None:
        note(f"{len(run.links)} of {len(run.compared.pairs)} pairs linked at a score of {run.scored.threshold:.4g}")
    finish_run(run.table, options.output, json=options.json)
    if options.html is not None:
        from mmkit_link.pages import write_page
        from mmkit_link.report import report_page

        write_page(report_page(run, title), options.html)
    return finish(run.failures, options.failures_file)
