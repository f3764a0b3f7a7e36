"""``mmkit separate train``: a separator or an audio tower from your own sounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmkit.cli.options import DeviceOption, FailuresOption, JsonOption, OfflineOption, OverwriteOption
from mmkit.cli.output import emit, emit_json, finish, note
from mmkit.errors import ModelUnavailable, UsageError

if TYPE_CHECKING:
    from mmkit.types import Modality


def train(
    data: Annotated[
        list[Path],
        typer.Option("--data", metavar="DIR", help="A folder a label, or sounds.jsonl with labels or captions."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where config.json and the weights go.")],
    architecture: Annotated[
        str, typer.Option("--architecture", metavar="NAME", help="film, clipsep, clipsep-nit, or tower (for tag).")
    ] = "film",
    queries: Annotated[
        str, typer.Option("--queries", metavar="KIND", help="text or image: what stands for a sound in training.")
    ] = "text",
    encoder: Annotated[str, typer.Option("--encoder", "-e", metavar="NAME", help="Of the queries.")] = "mini",
    gaps: Annotated[
        str | None,
        typer.Option(
            "--gaps",
            metavar="DIR|NAME",
            help="Captioned pictures (captions.jsonl), or a model that knows already: how far the modalities lie.",
        ),
    ] = None,
    mix: Annotated[
        list[str] | None,
        typer.Option("--mix", metavar="A:B=W", help="Weight of mixtures of domain A with B, or any; may be repeated."),
    ] = None,
    clash: Annotated[
        list[str] | None, typer.Option("--clash", metavar="A,B,…", help="Labels too alike to mix; may be repeated.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1.0, help="Of training at most.")] = 600.0,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Of training at most.")] = 1_000_000,
    batch: Annotated[int, typer.Option("--batch", min=0, help="Mixtures a step; 0: the architecture's own.")] = 0,
    length: Annotated[float, typer.Option("--length", min=0.4, help="Seconds of a mixture.")] = 4.14,
    start: Annotated[
        str | None,
        typer.Option("--start", metavar="NAME|DIR", help="Go on from the weights of this model, with a lower --rate."),
    ] = None,
    rate: Annotated[
        float, typer.Option("--rate", min=0.0, help="The highest learning rate; 0: the architecture's own.")
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", help="Of every random choice.")] = 0,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Let torch.compile fuse the network: a minute to begin with, then faster.")
    ] = False,
    bfloat16: Annotated[
        bool, typer.Option("--bfloat16", help="Compute in bfloat16, as a GPU always does; for processors that have it.")
    ] = False,
    keep_statistics: Annotated[
        bool, typer.Option("--keep-statistics", help="With --start: its normalisation stays, for small batches.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that was broken off in --out, with the same options.")
    ] = False,
    overwrite: OverwriteOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """Train on mixtures made on the fly; use the result with --model DIR.

    Every minute the run is kept in --out, from which --resume goes on.
    With --queries image the pictures beside the sounds (same name, or a folder of frames of that name) stand for
    them, and no label is looked at; ask the separator in words afterwards.

    \b
    Examples:
      mmkit separate train --data sounds --out mine --seconds 3600 --device cuda
      mmkit separate train --data clips --queries image --architecture clipsep-nit --out mine
      mmkit separate train --data sounds --architecture tower --out ears
      mmkit separate train --data sounds --out mine --seconds 3600 --device cuda --resume
      mmkit separate train --data sounds --start film --rate 2e-4 --out film-and-mine
    """
    from mmkit.cli.options import chosen_settings
    from mmkit.types import Failure
    from mmkit_separate.training.data import read_data
    from mmkit_separate.training.run import STATE, Plan
    from mmkit_separate.training.run import train as train_on
    from mmkit_separate.weights import locate

    if queries not in ("text", "image"):
        raise UsageError(f"Expected text or image, but received {queries!r}", where="--queries")
    if resume:
        if not (out / STATE).is_file():
            raise UsageError("there is no run to go on with", where=str(out / STATE), mend="leave --resume out")
    elif (out / "config.json").exists() and not overwrite:
        raise UsageError("holds a model already", where=str(out), mend="add --overwrite, or --resume to go on")
    if keep_statistics and start is None:
        raise UsageError("needs a model to take them from", where="--keep-statistics", mend="add --start NAME|DIR")
    if gaps is not None and not (Path(gaps) / "captions.jsonl").is_file():
        try:
            locate(gaps)
        except ModelUnavailable:
            raise UsageError("has no captions.jsonl, and is no model", where=gaps) from None
    chosen = chosen_settings(device=device, offline=offline)
    modality: Modality = "text" if queries == "text" else "image"
    plan = Plan(
        recipe=architecture,
        encoder=encoder,
        modality=modality,
        domains=tuple(_pair(text) for text in mix or ()),
        clashes=tuple(tuple(name.strip() for name in text.split(",")) for text in clash or ()),
        gaps=gaps,
        seconds=seconds,
        steps=steps,
        batch=batch,
        length=length,
        start=start,
        rate=rate,
        seed=seed,
        compiled=compiled,
        low=bfloat16,
        keep_statistics=keep_statistics,
    )
    failed: list[Failure] = []
    read = read_data(data, failures=failed)
    note(f"{len(read.sounds)} sounds, {len(read.phrases)} labels")
    result = train_on(read, plan, out, chosen=chosen, report=note, resume=resume)
    if json:
        emit_json(result)
    else:
        emit(f"{out}: {result['steps']} steps on {result['sounds']} sounds")
    return finish(failed, failures or out / "failures.jsonl")


def _pair(text: str) -> tuple[str, str, float]:
    names, _, weight = text.partition("=")
    first, _, other = names.partition(":")
    try:
        value = float(weight)
    except ValueError:
        value = 0.0
    if not first or not other or value <= 0:
        raise UsageError(f"Expected A:B=WEIGHT, but received {text!r}", where="--mix")
    return first, other, value
