"""``mmkit translate train``: the bundled model anew, or further."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmkit.cli.options import DeviceOption
from mmkit.errors import UsageError


def train(
    data: Annotated[Path, typer.Argument(metavar="PACKED", help="A file of mmkit translate pack.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the weights go.")],
    size: Annotated[
        str, typer.Option("--size", metavar="NAME", help="large, for a GPU, or small, for a CPU.")
    ] = "large",
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=1, help="For everything together; the rates fit themselves to it.")
    ] = None,
    parts: Annotated[
        str,
        typer.Option("--parts", metavar="A,B,C", help="How the seconds are shared by tower, captions, translation."),
    ] = "0.06,0.14,0.8",
    steps: Annotated[
        str | None, typer.Option("--steps", metavar="A,B,C", help="Steps of tower, captions and translation.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch-tokens", min=64, help="Places of a batch, padding included.")] = 16384,
    rate: Annotated[float, typer.Option("--learning-rate", min=0.0, help="The highest.")] = 2e-3,
    cross: Annotated[
        float, typer.Option("--cross", min=0, max=1, help="How often a pair without English is seen in an epoch.")
    ] = 0.5,
    no_prefix: Annotated[
        float, typer.Option("--no-prefix", min=0, max=1, help="Part of the sentences translated without a prefix.")
    ] = 0.2,
    start: Annotated[
        str | None, typer.Option("--start", metavar="MODEL", help="Weights to begin with: bundled, or a file.")
    ] = None,
    validate: Annotated[float, typer.Option("--validate-every", min=1, help="Seconds between validations.")] = 120.0,
    checkpoint: Annotated[float, typer.Option("--checkpoint-every", min=1, help="Seconds between checkpoints.")] = 60.0,
    lines: Annotated[int, typer.Option("--validation-lines", min=1, help="Of each direction.")] = 200,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Of the CPU.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of every random choice.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the last run stopped.")] = False,
    device: DeviceOption = None,
) -> int:
    """Train tower, captions and translation one after another; give --seconds or --steps.

    The run is kept in OUTPUT.run and taken up with --resume. The weights that translate validation best are in OUTPUT.

    \b
    Examples:
      mmkit translate train packed.safetensors -o own.safetensors --seconds 1200 --device cuda
      mmkit translate train packed.safetensors -o own.safetensors --size small --batch-tokens 1200 --seconds 5000
    """
    import torch

    from mmkit.cli.options import chosen_settings
    from mmkit.cli.output import emit, note
    from mmkit.encoders.device import resolve_device
    from mmkit_translate.model.sizes import NAMED
    from mmkit_translate.model.weights import BUNDLED, load_network, vocabulary_beside
    from mmkit_translate.training.packed import Packed
    from mmkit_translate.training.run import Run
    from mmkit_translate.training.run import train as run_training
    from mmkit_translate.training.stages import Recipe

    if size not in NAMED:
        raise UsageError(f"Expected one of {', '.join(NAMED)}, but received {size!r}", where="--size")
    if threads is not None:
        torch.set_num_threads(threads)
    packed = Packed.load(data)
    network = None
    if start is not None:
        network, vocabulary = load_network(BUNDLED if start == "bundled" else Path(start))
    else:
        vocabulary = _vocabulary(vocabulary_beside(data))
    run = Run(
        output=output,
        budgets=_budgets(seconds, parts, steps),
        recipe=Recipe(pieces=batch, peak=rate, cross=cross, no_prefix=no_prefix, seed=seed),
        sizes=NAMED[size],
        device=resolve_device(chosen_settings(device=device).device),
        validation_lines=lines,
        score_every=validate,
        checkpoint_every=checkpoint,
        log=note,
    )
    run_training(run, packed, vocabulary, start=network, resume=resume)
    emit(str(output))
    return 0


def _vocabulary(path: Path):  # type: ignore[no-untyped-def]
    from mmkit.generation.vocabulary import Vocabulary

    try:
        return Vocabulary.load(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path), mend="see: mmkit translate pack") from error


def _budgets(seconds: float | None, parts: str, steps: str | None):  # type: ignore[no-untyped-def]
    from mmkit.training.budget import Budget
    from mmkit_translate.training.run import STAGES

    if (seconds is None) == (steps is None):
        raise UsageError("give one of --seconds and --steps")
    if steps is not None:
        return {stage: Budget(steps=int(n)) for stage, n in zip(STAGES, _numbers(steps, "--steps"), strict=True)}
    shares = _numbers(parts, "--parts")
    total = sum(shares)
    if total <= 0:
        raise UsageError("Expected a sum above 0", where="--parts")
    return {
        stage: Budget(seconds=(seconds or 0.0) * share / total) for stage, share in zip(STAGES, shares, strict=True)
    }


def _numbers(text: str, option: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 3 or min(values) < 0:
        raise UsageError(f"Expected three numbers A,B,C, but received {text!r}", where=option)
    return values
