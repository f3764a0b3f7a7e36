"""``mmkit motion caption``, ``generate`` and ``render``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmkit.cli.options import DeviceOption, FailuresOption, JsonOption, OverwriteOption, StrictOption
from mmkit.cli.output import check_free, emit, emit_json, finish, shown_path
from mmkit.errors import MmkitError, UsageError
from mmkit.types import Failure
from mmkit_motion.cli.options import MotionsArgument, RateOption, SeedOption, lamp

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mmkit_motion.reading import Clip


def caption(
    inputs: MotionsArgument,
    every: Annotated[float, typer.Option("--every", metavar="S", min=1.0, max=9.8, help="Seconds a sentence.")] = 9.8,
    beams: Annotated[int, typer.Option("--beams", min=1, max=32, help="Sentences kept while searching.")] = 4,
    rate: RateOption = None,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> int:
    """Say in a sentence what a motion does; long recordings get one for every 9.8 seconds.

    \b
    Examples:
      mmkit motion caption take.bvh
      mmkit motion caption mocap/ --every 4 --json
    """
    from mmkit.cli.progress import Progress
    from mmkit.pipeline.sources import items_from
    from mmkit_motion.captioning import caption_clip, caption_spans
    from mmkit_motion.reading import read_clip
    from mmkit_motion.searching import reason_of

    model, failed = lamp(device), []
    with Progress("describing", inputs=inputs, modality="motion") as progress:
        for item in items_from(inputs, modality="motion"):
            if isinstance(item, Failure):
                failed.append(item)
                progress.advance()
                continue
            try:
                clip = read_clip(item, rate=rate)
            except MmkitError as error:
                if strict:
                    raise
                failed.append(Failure(item.id, reason_of(error)))
                progress.advance()
                continue
            pieces = len(caption_spans(len(clip.joints), every))
            for start, end, text in caption_clip(model, clip, every=every, beams=beams):
                if json:
                    emit_json({"id": item.id, "start": start, "end": end, "caption": text})
                else:
                    span = f" {start:.1f}-{end:.1f} s" if pieces > 1 else ""
                    emit(f"{shown_path(item.id)}{span}: {text}")
                progress.advance(1 / pieces)
    return finish(failed, failures or Path("failures.jsonl"))


def generate(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What the motion does, in English.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help=".bvh, .npy, .npz, .png, .gif or .mp4.")
    ],
    seconds: Annotated[float, typer.Option("--seconds", help="How long it is, 0.4 to 9.8.")] = 4.0,
    seed: SeedOption = 0,
    guidance: Annotated[float, typer.Option("--guidance", min=0.0, help="How closely the text is followed.")] = 4.0,
    steps: Annotated[int, typer.Option("--steps", min=1, max=100, help="Rounds of the drawing.")] = 10,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0 is the most probable motion.")] = 1.0,
    best_of: Annotated[
        int, typer.Option("--best-of", min=1, max=64, help="Make so many, keep the one that fits best.")
    ] = 1,
    overwrite: OverwriteOption = False,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> None:
    """Make a motion from words and write it as a file for other programs, or as a picture.

    \b
    Examples:
      mmkit motion generate "a person walks forward and turns left" --seconds 6 -o walk.bvh
      mmkit motion generate "someone waves the right hand" -o wave.gif --seed 3
      mmkit motion generate "a person runs" -o run.npy --best-of 8
    """
    from mmkit_motion.reading import Clip
    from mmkit_motion.rendering import ENDINGS, render_clip
    from mmkit_motion.writing import write_clip

    known = (".bvh", ".npy", ".npz", *ENDINGS)
    if output.suffix.lower() not in known:
        raise UsageError(
            f"Expected a name that ends in {', '.join(known)}, but received {output.name}", where="--output"
        )
    check_free(output, overwrite=overwrite)
    model = lamp(device)
    made = model.generate_many(
        [text] * best_of,
        seconds=[seconds] * best_of,
        seed=seed,
        guidance=guidance,
        steps=steps,
        temperature=temperature,
    )
    scores = model.scores([Clip(str(number), joints) for number, joints in enumerate(made)], [text])[:, 0]
    chosen = int(scores.argmax())
    if output.suffix.lower() in ENDINGS:
        render_clip(output, made[chosen], label=text)
    else:
        write_clip(output, made[chosen])
    score = float(scores[chosen])
    if json:
        record = {"output": str(output), "text": text, "frames": len(made[chosen]), "rate": 20, "seed": seed}
        emit_json({**record, "score": score})
    else:
        emit(f"{output}: {len(made[chosen])} frames at 20 a second, fits the text with {score:.3f}")


def render(
    motion: Annotated[Path, typer.Argument(metavar="CLIP", help="A motion file.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help=".png (a film strip), .gif or .mp4.")],
    start: Annotated[float, typer.Option("--from", metavar="S", min=0.0, help="First second.")] = 0.0,
    end: Annotated[float | None, typer.Option("--to", metavar="S", help="Last second.")] = None,
    size: Annotated[int, typer.Option("--size", min=60, max=2000, help="Pixels of the height.")] = 300,
    frames: Annotated[int, typer.Option("--frames", min=1, max=60, help="Pictures of a film strip.")] = 8,
    azimuth: Annotated[float, typer.Option("--azimuth", help="Degrees round the body; 0 is its front.")] = 35.0,
    rate: RateOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Draw a motion's skeleton: left limbs warm, right limbs blue.

    \b
    Examples:
      mmkit motion render take.bvh -o take.gif
      mmkit motion render take.bvh -o strip.png --frames 12 --from 2 --to 6
    """
    from mmkit_motion.reading import read_clip
    from mmkit_motion.rendering import render_clip

    check_free(output, overwrite=overwrite)
    render_clip(output, _part(read_clip(motion, rate=rate), start, end), size=size, frames=frames, azimuth=azimuth)
    emit(str(output))


def _part(clip: Clip, start: float, end: float | None) -> NDArray[np.float32]:
    from mmkit_motion.skeleton import FPS

    joints = clip.joints[round(start * FPS) : None if end is None else round(end * FPS)]
    if len(joints) < 2:
        raise UsageError(f"The clip has {clip.seconds:.1f} seconds, and --from and --to leave nothing of it")
    return joints
