"""``mmkit separate eval``: how well mixtures of your own files are separated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mmkit.cli.options import DeviceOption, FailuresOption, JsonOption, OfflineOption, StrictOption
from mmkit.cli.output import emit, emit_json, finish, table
from mmkit_separate.cli.options import GapOption, ModelOption, QueryEncoderOption


def evaluate(
    pairs: Annotated[
        Path,
        typer.Option(
            "--pairs", metavar="TSV", help="Lines of query, target file, interference file, and perhaps class."
        ),
    ],
    root: Annotated[Path, typer.Option("--root", metavar="DIR", help="The folder that the files are relative to.")],
    snr: Annotated[float, typer.Option("--snr", metavar="DB", help="Target above interference.")] = 0.0,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.5, max=60.0, help="The loudest window of so many is taken of each.")
    ] = 4.0,
    controls: Annotated[bool, typer.Option("--controls/--no-controls", help="Also ask with wrong queries.")] = True,
    seed: Annotated[int, typer.Option("--seed", help="Of the random queries.")] = 0,
    model: ModelOption = "film",
    encoder: QueryEncoderOption = None,
    gap: GapOption = None,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """SDR, SIR, SAR (BSS Eval 3) and SI-SDR of separated mixtures, their improvement, and controls.

    A query that is a picture's file name asks with that picture.

    \b
    Example:
      mmkit separate eval --pairs pairs.tsv --root sounds --snr 0 --json
    """
    from mmkit.cli.options import chosen_settings
    from mmkit.cli.progress import Progress
    from mmkit.types import Failure
    from mmkit_separate.evaluate import evaluate as evaluate_pairs
    from mmkit_separate.evaluate import read_pairs
    from mmkit_separate.separator import Separator

    chosen = chosen_settings(device=device, offline=offline)
    listed = read_pairs(pairs)
    failed: list[Failure] = []
    with Progress("mixtures", total=len(listed)) as progress:
        result = evaluate_pairs(
            listed,
            root,
            Separator(model, device=chosen.device, gap=gap),
            chosen=chosen,
            encoder=encoder,
            snr=snr,
            seconds=seconds,
            controls=controls,
            seed=seed,
            failures=None if strict else failed,
            on_pair=progress.advance,
        )
    if json:
        emit_json(result)
    else:
        _show(result)
    return finish(failed, failures or Path("failures.jsonl"))


def _show(result: dict[str, Any]) -> None:
    emit(f"{result['model']}: {result['pairs']} mixtures of {result['seconds']:g} s at {result['snr']:g} dB")
    heads = ["sdr", "sdri", "sdri_median", "si_sdri", "sir", "sar"]

    def cells(found: dict[str, Any]) -> list[str]:
        return [f"{found[head]:.2f}" if head in found else "" for head in heads]

    rows = [["", *heads], ["all", *cells(result)]]
    rows += [
        [f"control: {name}", *cells(result[f"control_{name}"])]
        for name in ("random", "wrong", "absent")
        if f"control_{name}" in result
    ]
    rows += [[name, *cells(found)] for name, found in result["per_class"].items()]
    table(rows)
