"""``mmkit link match`` and ``mmkit link dedupe``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from mmkit.cli.options import DeviceOption, FailuresOption, JsonOption, OfflineOption, OverwriteOption
from mmkit.cli.output import finish, note
from mmkit.errors import UsageError
from mmkit_link.cli.options import (
    CandidatesOption,
    HtmlOption,
    IdOption,
    ImageColumnOption,
    ImageEncoderOption,
    ModelOption,
    OnOption,
    OutputOption,
    TextEncoderOption,
    ThresholdOption,
    check_output,
    chosen_evidence,
    finish_run,
    quiet_settings,
    read_adapter,
    read_model,
    read_one,
    read_two,
)

if TYPE_CHECKING:
    from mmkit_link.results import Run

_LINKAGES = ("single", "average", "complete")


def match(
    left: Annotated[Path, typer.Argument(metavar="LEFT", help="A table: .csv, .tsv, .jsonl, .parquet, .arrow.")],
    right: Annotated[Path, typer.Argument(metavar="RIGHT", help="Another one.")],
    on: OnOption = "",
    image_col: ImageColumnOption = None,
    id_col: IdOption = None,
    output: OutputOption = None,
    relation: Annotated[
        str,
        typer.Option("--relation", metavar="KIND", help="one-to-one, one-to-many, many-to-one or many-to-many."),
    ] = "one-to-one",
    model: ModelOption = None,
    threshold: ThresholdOption = None,
    candidates: CandidatesOption = 20,
    text_encoder: TextEncoderOption = None,
    encoder: ImageEncoderOption = None,
    html: HtmlOption = None,
    overwrite: OverwriteOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
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

    check_output(output, overwrite=overwrite)
    check_output(html, overwrite=overwrite, table=False)
    chosen = quiet_settings(offline, device)
    loaded = read_model(model)
    one, other = read_two(left, right, on=on, id_column=id_col, image_column=image_col, model=loaded)
    run = link_records(
        one,
        other,
        model=loaded,
        threshold=threshold,
        relation=relation,
        k=candidates,
        evidence=chosen_evidence(loaded, text_encoder, encoder),
        chosen=chosen,
    )
    return _end(run, f"{left.name} and {right.name}", output, html, failures, json)


def dedupe(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A table: .csv, .tsv, .jsonl, .parquet, .arrow.")],
    on: OnOption = "",
    image_col: ImageColumnOption = None,
    id_col: IdOption = None,
    output: OutputOption = None,
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
    model: ModelOption = None,
    threshold: ThresholdOption = None,
    candidates: CandidatesOption = 20,
    text_encoder: TextEncoderOption = None,
    encoder: ImageEncoderOption = None,
    html: HtmlOption = None,
    overwrite: OverwriteOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
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
    check_output(output, overwrite=overwrite)
    check_output(html, overwrite=overwrite, table=False)
    chosen = quiet_settings(offline, device)
    adapter = read_adapter(model)
    loaded = None if adapter else read_model(model)
    columns = on or (",".join(loaded.recipe.get("columns", ())) if loaded else "")
    records = read_one(table, on=columns, id_column=id_col, image_column=image_col)
    evidence = chosen_evidence(loaded, text_encoder, encoder)
    if cosine is None and tune is None and adapter is None:
        run = dedupe_records(
            records,
            model=loaded,
            threshold=threshold,
            linkage=cast("Any", linkage or "average"),
            k=candidates,
            evidence=evidence,
            chosen=chosen,
        )
        return _end(run, table.name, output, html, failures, json)
    if html is not None or loaded is not None or threshold is not None:
        raise UsageError("pooled vectors compare no pairs", mend="leave --html, --threshold and models of pairs out")
    from mmkit_link.pooling import dedupe_by_vectors

    found = dedupe_by_vectors(
        records,
        tune=tune,
        clusters=clusters,
        image_column=image_col,
        weight=weight,
        cosine=cosine,
        linkage=cast("Any", linkage or "single"),
        evidence=evidence,
        adapter=adapter,
        chosen=chosen,
    )
    if found.tuned is not None:
        note(f"weight {found.tuned.weight:g}, cosine {found.tuned.threshold:.2f}: ARI {found.tuned.ari:.3f} on {tune}")
    finish_run(found.table, output, json=json)
    return finish(found.failures, failures or Path("failures.jsonl"))


def _end(run: Run, title: str, output: Path | None, html: Path | None, failures: Path | None, json: bool) -> int:
    if run.compared is None:
        note("there was nothing to compare")
    elif run.scored is not None:
        note(f"{len(run.links)} of {len(run.compared.pairs)} pairs linked at a score of {run.scored.threshold:.4g}")
    finish_run(run.table, output, json=json)
    if html is not None:
        from mmkit_link.pages import write_page
        from mmkit_link.report import report_page

        write_page(report_page(run, title), html)
    return finish(run.failures, failures or Path("failures.jsonl"))
