"""``mmkit eval``: how good an encoder is on your own data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mmkit.cli.options import (
    BatchOption,
    DeviceOption,
    DtypeOption,
    EncoderOption,
    FailuresOption,
    JsonOption,
    OfflineOption,
    StrictOption,
    chosen_settings,
    new_app,
)
from mmkit.cli.output import emit, emit_json, finish, table

app = new_app("Measure retrieval and zero-shot classification on your data.")

RootOption = Annotated[Path, typer.Option("--root", metavar="DIR", help="The folder of the pictures.")]


@app.command()
def retrieval(
    root: RootOption,
    captions: Annotated[
        Path, typer.Option("--captions", metavar="JSONL", help='Lines {"file": …, "captions": […]}, below --root.')
    ],
    encoder: EncoderOption = None,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    batch: BatchOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """Text-to-picture and picture-to-text retrieval: R@1/5/10 and median rank, beside shuffled pairs.

    \b
    Example:
      mmkit eval retrieval --root photos --captions photos/captions.jsonl --json
    """
    from mmkit.encoders import encoder as load_encoder
    from mmkit.pipeline.evaluate import evaluate_retrieval, read_captions
    from mmkit.types import Failure

    chosen = chosen_settings(encoder=encoder, device=device, dtype=dtype, batch=batch, offline=offline)
    entries = read_captions(captions)
    loaded = load_encoder(chosen.encoder, device=chosen.device, dtype=chosen.dtype, offline=chosen.offline)
    failed: list[Failure] = []
    result = evaluate_retrieval(loaded, root, entries, chosen=chosen, failures=None if strict else failed)
    if json:
        emit_json(result)
    else:
        emit(f"{result['encoder']}: {result['images']} pictures, {result['captions']} captions")
        heads = ["R@1", "R@5", "R@10", "median_rank"]
        rows = [["", *heads]]
        rows += [[name, *_cells(result[name], heads)] for name in ("text_to_image", "image_to_text", "shuffled")]
        table(rows)
    return finish(failed, failures or Path("failures.jsonl"))


def _cells(summary: dict[str, Any], heads: list[str]) -> list[str]:
    return [f"{summary[head]:.1%}" if head.startswith("R@") else f"{summary[head]:g}" for head in heads]


@app.command("zero-shot")
def zero_shot(
    root: RootOption,
    classes: Annotated[
        Path | None,
        typer.Option("--classes", metavar="FILE", help="Names of the folders: JSON, 'folder<TAB>name' or a line each."),
    ] = None,
    template: Annotated[
        list[str] | None, typer.Option("--template", metavar="TEXT", help="A text with {}; may be repeated.")
    ] = None,
    encoder: EncoderOption = None,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    batch: BatchOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """Zero-shot accuracy on a folder that has one subfolder a class: top-1, top-5, per class, and chance.

    \b
    Examples:
      mmkit eval zero-shot --root cifar10/test
      mmkit eval zero-shot --root photos --classes names.tsv --template "a photo of a {}." --json
    """
    from mmkit.encoders import encoder as load_encoder
    from mmkit.pipeline.evaluate import evaluate_zero_shot
    from mmkit.types import Failure

    chosen = chosen_settings(encoder=encoder, device=device, dtype=dtype, batch=batch, offline=offline)
    loaded = load_encoder(chosen.encoder, device=chosen.device, dtype=chosen.dtype, offline=chosen.offline)
    failed: list[Failure] = []
    result = evaluate_zero_shot(
        loaded, root, listing=classes, templates=template or (), chosen=chosen, failures=None if strict else failed
    )
    if json:
        emit_json(result)
    else:
        emit(f"{result['encoder']}: {result['images']} pictures, {result['classes']} classes")
        emit(f"top-1 {result['top1']:.1%}  top-5 {result['top5']:.1%}  chance {result['chance']:.1%}")
        table([["class", "top-1"], *([name, f"{share:.1%}"] for name, share in result["per_class"].items())])
    return finish(failed, failures or Path("failures.jsonl"))
