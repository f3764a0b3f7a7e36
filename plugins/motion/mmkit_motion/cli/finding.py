"""``mmkit motion index`` and ``mmkit motion search``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from mmkit.cli.options import DeviceOption, FailuresOption, JsonOption, OverwriteOption, StrictOption
from mmkit.cli.output import check_free, emit, emit_json, finish, note, shown_path, table
from mmkit.errors import UsageError
from mmkit_motion.cli.options import MotionsArgument, RateOption, encoder

_DEFAULT_STORE = Path("motions.mm")


def index(
    inputs: MotionsArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="STORE", help="The folder of the store.")
    ] = _DEFAULT_STORE,
    sets: Annotated[
        bool, typer.Option("--sets", help="Keep a set of vectors a clip, for max-sim; 49 times larger.")
    ] = False,
    no_moments: Annotated[bool, typer.Option("--no-moments", help="Whole files only.")] = False,
    rate: RateOption = None,
    overwrite: OverwriteOption = False,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> int:
    """Read motion files and keep their vectors in a store; what is there already is skipped.

    \b
    Examples:
      mmkit motion index mocap/
      mmkit motion index 'takes/**/*.bvh' -o takes.mm
      mmkit motion index joints/ --rate 30
    """
    from mmkit.cli.progress import Progress
    from mmkit.pipeline.sources import items_from
    from mmkit_motion.searching import index_motions

    loaded = encoder(device, sets=sets)
    with Progress("indexing", inputs=inputs, modality="motion") as progress:
        report = index_motions(
            out,
            loaded,
            items_from(inputs, modality="motion"),
            rate=rate,
            moments=not no_moments,
            overwrite=overwrite,
            strict=strict,
            on_progress=progress.advance,
        )
        seconds = progress.seconds
    result = {
        "store": str(out),
        "added": report.clips,
        "moments": report.moments,
        "unchanged": report.unchanged,
        "failed": len(report.failures),
        "seconds": round(seconds, 3),
    }
    if json:
        emit_json(result)
    else:
        emit(
            f"{out}: {report.clips} motions added, {report.unchanged} already there, "
            f"{report.moments} moments added, in {seconds:.1f} s"
        )
    if not report.clips and not report.unchanged and not report.failures:
        note("no motion was found in the inputs")
    return finish(report.failures, failures or out / "failures.jsonl")


def search(
    texts: Annotated[
        list[str], typer.Argument(metavar="TEXT...", help="What the motion does, in English.", show_default=False)
    ],
    store: Annotated[
        Path, typer.Option("--in", metavar="STORE", help="A store of mmkit motion index.")
    ] = _DEFAULT_STORE,
    k: Annotated[int, typer.Option("-k", min=1, help="Hits a text.")] = 5,
    moments: Annotated[bool, typer.Option("--moments", help="The seconds within long recordings.")] = False,
    threshold: Annotated[float | None, typer.Option("--threshold", help="Leave out hits that score less.")] = None,
    strip: Annotated[
        Path | None,
        typer.Option("--strip", metavar="FILE.png", help="Draw the hits as film strips, one under another."),
    ] = None,
    overwrite: OverwriteOption = False,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> None:
    """Find motions by words: whole clips, or with --moments the seconds within long recordings.

    \b
    Examples:
      mmkit motion search "a person jumps forward three times" --in takes.mm
      mmkit motion search "someone waves the left hand" --in takes.mm --moments -k 3
      mmkit motion search "a person bows" --in takes.mm --strip bows.png
    """
    from mmkit.store import Store
    from mmkit_motion.searching import CLIPS, Library

    if any(not text.strip() for text in texts):
        raise UsageError("Expected a description of a motion, but received an empty text")
    if strip is not None:
        if strip.suffix.lower() != ".png":
            raise UsageError(f"Expected a name that ends in .png, but received {strip.name}", where="--strip")
        check_free(strip, overwrite=overwrite)
    manifest = store / CLIPS / "manifest.json"
    sets = manifest.is_file() and Store.open(store / CLIPS).spec_fields.kind == "multivector"
    library = Library(store, encoder(device, sets=sets))
    library.load(moments=moments)
    drawn = []
    for text in texts:
        began = time.perf_counter()
        hits = library.search(text, k=k, moments=moments, threshold=threshold)
        took = time.perf_counter() - began
        rows = [["score", "seconds", "motion"]]
        for hit in hits:
            drawn.append((text, hit))
            span = f"{hit.start:.1f}-{hit.end:.1f}"
            rows.append([f"{hit.score:.3f}", span, shown_path(hit.source)])
            if json:
                record = {"query": text, "rank": hit.rank, "score": hit.score, "source": hit.source}
                emit_json({**record, "start": hit.start, "end": hit.end, "milliseconds": round(took * 1e3, 1)})
        if not json:
            if len(texts) > 1:
                emit(f"{text}:")
            table(rows)
        if not hits:
            note(f"nothing in {store} fits {text!r}" + (" that well" if threshold is not None else ""))
    if strip is not None and drawn:
        from mmkit_motion.rendering import write_strips

        labels = [f"{text}   {hit.score:.3f}   {shown_path(hit.source)}" for text, hit in drawn]
        spans = [(hit.source, hit.start, hit.end) for _, hit in drawn]
        write_strips(strip, [(*span, label) for span, label in zip(spans, labels, strict=True)])
