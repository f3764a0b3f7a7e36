"""``mmkit classify``: pictures into classes named in words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmkit.cli.options import (
    BatchOption,
    ColumnOption,
    DeviceOption,
    DtypeOption,
    EncoderOption,
    FailuresOption,
    InputsArgument,
    JsonOption,
    OfflineOption,
    StrictOption,
    chosen_settings,
    new_app,
)
from mmkit.cli.output import emit, emit_json, finish, shown_path
from mmkit.errors import UsageError

app = new_app("Sort pictures into classes that you name.")


@app.command()
def classify(
    inputs: InputsArgument,
    labels: Annotated[
        str, typer.Option("--labels", "-l", metavar="A,B,…", help="Class names, separated by commas.")
    ] = "",
    labels_file: Annotated[
        Path | None, typer.Option("--labels-file", metavar="FILE", help="Class names, one a line.")
    ] = None,
    template: Annotated[
        list[str] | None,
        typer.Option("--template", metavar="TEXT", help="A text with {} for the name; may be repeated (averaged)."),
    ] = None,
    k: Annotated[int, typer.Option("-k", "--top", min=1, help="Classes shown for each input.")] = 3,
    column: ColumnOption = None,
    encoder: EncoderOption = None,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    batch: BatchOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """Sort pictures into classes that you name, with a probability for each.

    \b
    Examples:
      mmkit classify *.jpg --labels cat,dog,bird
      mmkit classify ~/Pictures --labels-file classes.txt -k 1 --json
      mmkit classify scan.png -l "invoice,letter,form" --template "a scan of a {}."
    """
    from mmkit.cli.progress import Progress
    from mmkit.encoders import encoder as load_encoder
    from mmkit.pipeline.classify import build_classifier
    from mmkit.pipeline.embedding import only_supported
    from mmkit.pipeline.sources import items_from
    from mmkit.pipeline.stream import encode_stream
    from mmkit.types import Failure

    chosen = chosen_settings(encoder=encoder, device=device, dtype=dtype, batch=batch, offline=offline)
    loaded = load_encoder(chosen.encoder, device=chosen.device, dtype=chosen.dtype, offline=chosen.offline)
    classifier = build_classifier(loaded, _names(labels, labels_file), templates=template or (), chosen=chosen)
    failed: list[Failure] = []
    items = only_supported(loaded, items_from(inputs, modality="image", column=column))
    with Progress("classifying", inputs=inputs) as progress:
        for done in encode_stream(loaded, items, chosen=chosen, strict=strict):
            failed += done.failures
            if done.embeddings is not None:
                for item, row in zip(done.items, classifier.probabilities(done.embeddings), strict=True):
                    best = [(classifier.classes[c], float(row[c])) for c in (-row).argsort(kind="stable")[:k]]
                    _print(item.id, best, json)
            progress.advance(done.seen)
    return finish(failed, failures or Path("failures.jsonl"))


def _print(name: str, best: list[tuple[str, float]], json: bool) -> None:
    if json:
        classes = [{"label": label, "probability": probability} for label, probability in best]
        emit_json({"id": name, "label": best[0][0], "probability": best[0][1], "classes": classes})
    else:
        shares = "  ".join(f"{label} {probability:.1%}" for label, probability in best)
        emit(f"{shown_path(name)}\t{shares}")


def _names(labels: str, file: Path | None) -> list[str]:
    names = [name for name in (part.strip() for part in labels.split(",")) if name]
    if file is not None:
        from mmkit.media.text import read_lines

        names += [line.strip() for line in read_lines(file) if line.strip()]
    if not names:
        raise UsageError("classify needs class names", mend="give --labels cat,dog or --labels-file FILE")
    return names
