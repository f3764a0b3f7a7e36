"""``mmkit motion eval`` and ``mmkit motion train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmkit.cli.options import DeviceOption, FailuresOption, JsonOption, OverwriteOption, StrictOption
from mmkit.cli.output import emit, emit_json, finish, note, table
from mmkit.errors import UsageError
from mmkit_motion.cli.options import RateOption, SeedOption, lamp

RootOption = Annotated[Path, typer.Option("--root", metavar="DIR", help="The folder of the motions.")]
CaptionsOption = Annotated[
    Path,
    typer.Option("--captions", metavar="FILE", help='Lines {"id": ..., "captions": [...]} of id.npy and the like.'),
]
WeightsOption = Annotated[
    Path | None, typer.Option("--weights", metavar="DIR", help="A folder of mmkit motion train, for the bundled one.")
]


def evaluate(
    root: RootOption,
    captions: CaptionsOption,
    protocol: Annotated[
        str, typer.Option("--protocol", help="normal, threshold (alike captions count) or guo (batches of 32).")
    ] = "normal",
    generation: Annotated[bool, typer.Option("--generation", help="Also make motions from the captions.")] = False,
    guidance: Annotated[float, typer.Option("--guidance", min=0.0, help="Of the motions that are made.")] = 4.0,
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="bundled, tmr:FOLDER or lamp:FOLDER.")
    ] = "bundled",
    weights: WeightsOption = None,
    rate: RateOption = None,
    seed: SeedOption = 0,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> int:
    """Measure retrieval on captioned motions, with shuffled pairs as the control; with --generation also what is made.

    \b
    Examples:
      mmkit motion eval --root joints --captions captions.jsonl --json
      mmkit motion eval --root joints --captions captions.jsonl --protocol guo --generation
    """
    from mmkit.cli.progress import Progress
    from mmkit_motion.evaluate import check_protocol, evaluate_generation, evaluate_retrieval, read_captioned

    check_protocol(protocol)
    bundled = lamp(device, weights=weights)
    if model == "bundled":
        comparer = bundled
    else:
        from mmkit_motion.published import load_published

        comparer = load_published(model)  # type: ignore[assignment]
    with Progress("reading") as progress:
        data = read_captioned(root, captions, rate=rate, strict=strict, progress=progress.advance)
    result = evaluate_retrieval(comparer, data, protocol=protocol, seed=seed)
    if generation:
        result["generation"] = evaluate_generation(bundled, comparer, data, seed=seed, guidance=guidance)
    if json:
        emit_json(result)
    else:
        _show(result)
    return finish(data.failures, failures or Path("failures.jsonl"))


def _show(result: dict) -> None:  # type: ignore[type-arg]
    emit(
        f"{result['evaluator']}; protocol {result['protocol']}; "
        f"{result['motions']} motions, {result['captions']} captions"
    )
    names = list(result["text_to_motion"])
    rows = [["", *names]]
    for way in ("text_to_motion", "motion_to_text", "shuffled"):
        values = result[way]
        rows.append([way, *(f"{values[n]:.1f}" if n == "median_rank" else f"{100 * values[n]:.1f}" for n in names)])
    table(rows)
    for name, value in result.get("generation", {}).items():
        if isinstance(value, dict):
            shown = ", ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {_round(v)}" for k, v in value.items())
            emit(f"{name}: {shown}")
        else:
            emit(f"{name}: {value:.3f}" if isinstance(value, float) else f"{name}: {value}")


def _round(values: dict[str, float]) -> str:
    return "/".join(f"{value:.3f}" for value in values.values())


def train(
    root: RootOption,
    captions: CaptionsOption,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the weights go.")],
    minutes: Annotated[float, typer.Option("--minutes", min=0.05, help="How long to train.")] = 60.0,
    validation: Annotated[
        float, typer.Option("--validation", min=0.0, max=0.5, help="Share kept to measure on.")
    ] = 0.1,
    drawn: Annotated[
        int, typer.Option("--drawn", min=0, help="Drawn clips for each common verb, beside the recorded.")
    ] = 0,
    batch: Annotated[int, typer.Option("--batch", min=2, help="Pairs at once.")] = 128,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that compute features.")] = 1,
    seed: SeedOption = 0,
    rate: RateOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that was broken off in --out, with the same options.")
    ] = False,
    overwrite: OverwriteOption = False,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> int:
    """Train the networks on captioned motions, from nothing: VQ-VAE, language-motion transformer, generator.

    Every clip is also learned mirrored, with left and right swapped in its captions, and slower and faster.
    Every minute the run is kept in --out, from which --resume goes on.

    \b
    Examples:
      mmkit motion train --root joints --captions captions.jsonl --out weights --minutes 120 --device cuda
      mmkit motion train --root joints --captions captions.jsonl --out weights --minutes 120 --device cuda --resume
    """
    import tempfile

    from mmkit.cli.options import chosen_settings
    from mmkit.encoders.device import resolve_device
    from mmkit_motion.evaluate import read_captioned
    from mmkit_motion.training.prepare import prepare_corpus
    from mmkit_motion.training.run import STATE
    from mmkit_motion.training.run import train as run

    if resume:
        if not (out / STATE).is_file():
            raise UsageError("there is no run to go on with", where=str(out / STATE), mend="leave --resume out")
    elif out.exists() and any(out.iterdir() if out.is_dir() else [out]) and not overwrite:
        raise UsageError("is there already", where=str(out), mend="give --overwrite to replace it")
    data = read_captioned(root, captions, rate=rate, strict=strict)
    with tempfile.TemporaryDirectory() as folder:
        prepare_corpus(Path(folder), data, validation=validation, drawn=drawn, seed=seed)
        numbers = run(
            Path(folder),
            out,
            seconds=60 * minutes,
            device=resolve_device(chosen_settings(device=device).device),
            seed=seed,
            batch=batch,
            workers=workers,
            resume=resume,
            report=note,
        )
    if json:
        emit_json({"out": str(out), **numbers})
    else:
        emit(f"{out}: " + (", ".join(f"{name} {value:.3f}" for name, value in numbers.items()) or "trained"))
    return finish(data.failures, failures or Path("failures.jsonl"))
