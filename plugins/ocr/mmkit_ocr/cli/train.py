"""``mmkit ocr train``: a recogniser from words, fonts and labelled crops."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmkit.cli.options import DeviceOption, JsonOption, OfflineOption, OverwriteOption
from mmkit.cli.output import check_free
from mmkit.errors import UsageError

if TYPE_CHECKING:
    import torch

    from mmkit_ocr.recogniser.tower import TextTower


def train(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the recogniser goes.")],
    words: Annotated[
        list[Path] | None, typer.Option("--words", "-w", metavar="FILE", help="Words, one a line; may be repeated.")
    ] = None,
    crops: Annotated[
        list[Path] | None,
        typer.Option("--crops", metavar="TSV", help="Labelled crops: lines of file, tab, text; may be repeated."),
    ] = None,
    valid: Annotated[
        list[Path] | None,
        typer.Option("--valid", metavar="TSV", help="Others to check on; default: a tenth of --crops."),
    ] = None,
    fonts: Annotated[
        list[Path] | None, typer.Option("--fonts", metavar="DIR", help="Fonts to draw with; default: the system's.")
    ] = None,
    backgrounds: Annotated[
        Path | None, typer.Option("--backgrounds", metavar="DIR", help="Photos to draw on; default: smooth colours.")
    ] = None,
    start: Annotated[
        str, typer.Option("--start", metavar="WHAT", help="ppocr, bundled, scratch or a file of weights.")
    ] = "ppocr",
    steps_words: Annotated[
        int, typer.Option("--steps-words", min=0, help="Of stage 1, from words alone; 0 leaves it out.")
    ] = 2000,
    steps_crops: Annotated[
        int, typer.Option("--steps-crops", min=0, help="Of stage 2, on rendered and real crops.")
    ] = 3000,
    text_tower: Annotated[
        str | None, typer.Option("--text-tower", metavar="NAME", help="Of stage 1: openclip:MODEL; default: mini's.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=2, help="Crops a step.")] = 128,
    batch_words: Annotated[int, typer.Option("--batch-words", min=2, help="Words a step of stage 1.")] = 512,
    rate: Annotated[
        float, typer.Option("--lr", min=0.0, help="Peak learning rate of the new layers in stage 2.")
    ] = 7e-4,
    real: Annotated[float, typer.Option("--real", min=0.0, max=1.0, help="Share of real crops in a batch.")] = 0.35,
    layers: Annotated[int, typer.Option("--layers", min=1, help="Transformer layers over the visual tokens.")] = 3,
    processes: Annotated[
        int, typer.Option("--processes", min=0, help="That draw words meanwhile; 0 draws all of them at first.")
    ] = 0,
    rendered: Annotated[int, typer.Option("--rendered", min=8, help="Drawn words that are kept for reuse.")] = 20_000,
    compile: Annotated[bool, typer.Option("--compile", help="Compile the network first; pays on a GPU.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of every random choice.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with stage 2 where an earlier run stopped.")] = False,
    overwrite: OverwriteOption = False,
    device: DeviceOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """Train a recogniser of words in two stages.

    Stage 1 teaches the decoder to spell from a word list alone: the text tower's states of "a photo of a 'w'" stand in
    for what a picture encoder would see. Stage 2 trains everything on drawn words and on whatever labelled crops there
    are. Every minute stage 2 is kept beside the output (FILE.state), from which --resume goes on.

    \b
    Examples:
      mmkit ocr train -o signs.safetensors --words words.txt --crops signs/labels.tsv --start bundled --steps-words 0
      mmkit ocr train -o word.safetensors -w words.txt --crops a.tsv --crops b.tsv --backgrounds photos/ --device cuda
    """
    from mmkit.cli.output import emit, emit_json, note
    from mmkit.config import settings
    from mmkit.encoders.device import resolve_device
    from mmkit.training.checkpoint import Checkpoint
    from mmkit_ocr.recogniser.weights import save_network
    from mmkit_ocr.training.fit import Material, Plan, fit
    from mmkit_ocr.training.pictures_stage import Recipe
    from mmkit_ocr.training.setup import background_photos, labelled_crops, start_network, word_lists

    state = output.with_name(output.name + ".state")
    _check_targets(output, state, overwrite=overwrite, resume=resume)
    target = resolve_device(settings(device=device).device)
    network = start_network(start, seed=seed, layers=layers).to(target)
    width = network.shape.width
    material = Material(
        word_lists(words or []),
        fonts or None,
        background_photos(backgrounds, most=2000, seed=seed),
        labelled_crops(crops or [], width=width),
        labelled_crops(valid or [], width=width),
    )
    recipe = Recipe(batch=batch, real=real, rate=rate, negatives=batch // 3, compiled=compile)
    plan = Plan(
        first={"steps": steps_words} if steps_words else None,
        second={"steps": steps_crops},
        recipe=recipe,
        first_batch=batch_words,
        rendered=min(512, rendered),
        capacity=rendered,
        wanted=min(rendered, 4 * batch) if processes else rendered,
        processes=processes,
        seed=seed,
    )
    own, first = _towers(text_tower, target, offline)
    metrics = fit(network, material, own, plan, first_tower=first, checkpoint=Checkpoint(state), log=note)
    save_network(network, output)
    state.unlink(missing_ok=True)
    if json:
        emit_json({"output": str(output), **metrics})
    else:
        emit(str(output))
    return 0


def _check_targets(output: Path, state: Path, *, overwrite: bool, resume: bool) -> None:
    check_free(output, overwrite=overwrite)
    if resume and not state.is_file():
        raise UsageError("there is no run to go on with", where=str(state), mend="leave --resume out")
    if state.is_file() and not resume:
        raise UsageError("an earlier run stopped here", where=str(state), mend="give --resume, or delete the file")


def _towers(name: str | None, device: torch.device, offline: bool) -> tuple[TextTower, TextTower | None]:
    """The tower of the words' vectors, and that of stage 1 where it is another."""
    from mmkit.encoders.mini import WEIGHTS
    from mmkit_ocr.recogniser.tower import MiniTower, OpenClipTower

    own = MiniTower(WEIGHTS, device=device)
    if name is None:
        return own, None
    if not name.startswith("openclip:"):
        raise UsageError(f"Expected openclip:MODEL/PRETRAINED, but received {name!r}", where="--text-tower")
    from mmkit.encoders import encoder

    return own, OpenClipTower(encoder(name, device=str(device), offline=offline))
