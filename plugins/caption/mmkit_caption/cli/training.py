"""``mmkit caption train``: a captioner from pictures and sentences that need not belong together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmkit.cli.options import (
    DeviceOption,
    EncoderOption,
    FailuresOption,
    JsonOption,
    OfflineOption,
    OverwriteOption,
    chosen_settings,
)
from mmkit.cli.output import emit, emit_json, finish, note
from mmkit.errors import UsageError
from mmkit_caption.cli.options import CorpusOption

if TYPE_CHECKING:
    from mmkit.config import Settings
    from mmkit.encoders.base import Encoder
    from mmkit.types import Failure
    from mmkit_caption.training.run import Material
    from mmkit_caption.writer import CaptionWriter


def train(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the captioner and its checkpoints go.")],
    corpus: CorpusOption = None,
    images: Annotated[
        list[str] | None,
        typer.Option("--images", metavar="DIR|NPY", help="Pictures, or their vectors from mmkit embed; repeatable."),
    ] = None,
    supervised: Annotated[
        Path | None,
        typer.Option(
            "--supervised", metavar="JSONL", help='Pairs instead: {"file": …, "captions": […]} below --images.'
        ),
    ] = None,
    dev: Annotated[
        Path | None,
        typer.Option(
            "--dev",
            metavar="DIR",
            help="Pictures, or vectors.npy, with captions.jsonl: the better stage by CIDEr is kept.",
        ),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", metavar="DIR", help="Where the corpus's vectors are kept.")
    ] = None,
    lang: Annotated[str, typer.Option("--lang", metavar="A,B,…", help="Languages of the corpus to learn.")] = "en",
    lang_shares: Annotated[str, typer.Option("--lang-shares", metavar="X,Y,…", help="Of each in training.")] = "",
    seconds: Annotated[float, typer.Option("--seconds", min=0, help="Of the warm start at most.")] = 0.0,
    steps: Annotated[int, typer.Option("--steps", min=0, help="Of the warm start at most.")] = 0,
    gan_seconds: Annotated[
        float, typer.Option("--gan-seconds", min=0, help="Of the adversarial stage; 0: none.")
    ] = 0.0,
    gan_steps: Annotated[int, typer.Option("--gan-steps", min=0, help="Of the adversarial stage; 0: none.")] = 0,
    batch: Annotated[int, typer.Option("--batch", min=0, help="Sentences a step; 0: 128, on a GPU 1024.")] = 0,
    gan_batch: Annotated[int, typer.Option("--gan-batch", min=0, help="Pictures a step; 0: 32, on a GPU 256.")] = 0,
    rate: Annotated[float, typer.Option("--rate", min=0, help="Learning rate of the warm start.")] = 1e-3,
    gan_rate: Annotated[float, typer.Option("--gan-rate", min=0, help="Of the adversarial stage.")] = 5e-5,
    sigma: Annotated[
        float, typer.Option("--sigma", min=0, help="Noise on the text vectors, in each dimension.")
    ] = 0.17,
    gap: Annotated[str, typer.Option("--gap", metavar="KIND", help="Of pictures' vectors: none or mean.")] = "none",
    project: Annotated[
        float, typer.Option("--project", min=0, max=1, help="Share of e(x) in what the decoder sees.")
    ] = 1.0,
    temperature: Annotated[float, typer.Option("--temperature", min=0, help="Of e(x).")] = 30.0,
    support: Annotated[
        int, typer.Option("--support", min=0, help="Sentences kept with the captioner for e(x).")
    ] = 16384,
    group_share: Annotated[
        float, typer.Option("--group-share", min=0, max=1, help="Of vectors that are a group's mean.")
    ] = 0.5,
    anchor: Annotated[float, typer.Option("--anchor", min=0, help="Warm start's loss beside the rewards.")] = 0.0,
    cos_share: Annotated[
        float, typer.Option("--cos-share", min=0, max=1, help="Of R_cos in the semantic reward.")
    ] = 0.0,
    ramp: Annotated[int, typer.Option("--ramp", min=1, help="Steps over which the semantic reward comes in.")] = 2350,
    quiet: Annotated[int, typer.Option("--quiet-steps", min=0, help="Steps before that.")] = 150,
    decoder: Annotated[
        str, typer.Option("--decoder", metavar="NAME|DIR", help="own, or a causal model of transformers.")
    ] = "own",
    freeze_decoder: Annotated[bool, typer.Option("--freeze-decoder", help="Learn the prefix alone.")] = False,
    prefix: Annotated[int, typer.Option("--prefix", min=1, help="Vectors of the prefix.")] = 10,
    hidden: Annotated[int, typer.Option("--hidden", min=0, help="Of the prefix's mapper; 0: one linear layer.")] = 1280,
    width: Annotated[int, typer.Option("--width", min=8, help="Of our own decoder.")] = 256,
    layers: Annotated[int, typer.Option("--layers", min=1, help="Of our own decoder.")] = 4,
    pieces: Annotated[int, typer.Option("--pieces", min=300, help="Of our own decoder's vocabulary.")] = 6000,
    seed: Annotated[int, typer.Option("--seed", help="Of every random choice.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoints in --out.")] = False,
    encoder: EncoderOption = None,
    overwrite: OverwriteOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """Learn to write the corpus's sentences from their vectors, then to tell pictures by rewards alone.

    A .jsonl corpus may say a sentence's lang, the sentence it translates (of), and what it shares with others (group).
    Without --gan-seconds or --gan-steps there is the warm start alone. Steps that are not finite are skipped and
    counted; checkpoints are written every minute, never with weights that are not finite.

    \b
    Examples:
      mmkit caption train --images photos --corpus sentences.txt --out mine --seconds 3600 --gan-seconds 1800
      mmkit caption train --images photos.npy --corpus corpus.jsonl --lang en,de --dev dev --out mine --seconds 600
      mmkit caption train --images photos --supervised captions.jsonl --out paired --steps 5000
    """
    from mmkit.encoders import encoder as load_encoder
    from mmkit_caption.training.gan import GanPlan
    from mmkit_caption.training.run import Plan
    from mmkit_caption.training.run import train as run
    from mmkit_caption.training.warm import WarmPlan

    if (out / "config.json").exists() and not (overwrite or resume):
        raise UsageError("holds a captioner already", where=str(out), mend="add --overwrite, or --resume to go on")
    if not seconds and not steps:
        raise UsageError("Expected how long to train", mend="give --seconds or --steps")
    if gap not in ("none", "mean"):
        raise UsageError(f"Expected none or mean, but received {gap!r}", where="--gap")
    chosen = chosen_settings(encoder=encoder, device=device, offline=offline)
    loaded = load_encoder(chosen.encoder, device=chosen.device, offline=chosen.offline)
    from mmkit.encoders.device import resolve_device

    gpu = resolve_device(chosen.device).type != "cpu"
    languages = tuple(code.strip() for code in lang.split(",") if code.strip())
    plan = Plan(
        languages=languages,
        seconds=seconds,
        steps=steps,
        gan_seconds=gan_seconds,
        gan_steps=gan_steps,
        vocabulary=pieces,
        sizes={"width": width, "decoder_layers": layers},
        prefix=prefix,
        hidden=hidden or None,
        decoder=decoder,
        freeze_decoder=freeze_decoder,
        share=group_share,
        gap=gap if supervised is None else "none",
        support=support if supervised is None else 0,
        temperature=temperature,
        projection=project if supervised is None else 0.0,
        target_temperature=temperature,
        warm=WarmPlan(
            batch=batch or (1024 if gpu else 128),
            rate=rate,
            sigma=sigma if supervised is None else 0.0,
            temperature=temperature if project and supervised is None else 0.0,
            shares=_shares(lang_shares, len(languages)),
            seed=seed,
        ),
        gan=GanPlan(
            batch=gan_batch or (256 if gpu else 32),
            rate=gan_rate,
            cos_share=cos_share,
            quiet=quiet,
            ramp=ramp,
            anchor=anchor,
            language=languages[0],
            seed=seed,
        ),
        seed=seed,
    )
    failed: list[Failure] = []
    material = _material(loaded, images or [], corpus or [], supervised, cache, languages, chosen, failed)
    note(f"{len(material.corpus)} sentences, {len(material.image_vectors)} pictures")
    result = run(
        material,
        plan,
        out,
        loaded,
        device=chosen.device,
        resume=resume,
        check=None if dev is None else _checker(loaded, dev, languages[0], chosen),
        log=note,
    )
    if json:
        emit_json(result)
    else:
        emit(f"{out}: {result['written']} after {result['warm']['step']:g} steps on {result['sentences']} sentences")
    return finish(failed, failures or out / "failures.jsonl")


def _shares(text: str, count: int) -> tuple[float, ...]:
    if not text:
        return ()
    try:
        shares = tuple(float(part) for part in text.split(","))
    except ValueError:
        shares = ()
    if len(shares) != count or min(shares, default=0) <= 0:
        raise UsageError(f"Expected {count} numbers above 0, but received {text!r}", where="--lang-shares")
    return shares


def _material(
    encoder: Encoder,
    images: list[str],
    corpus: list[str],
    supervised: Path | None,
    cache: Path | None,
    languages: tuple[str, ...],
    chosen: Settings,
    failed: list[Failure],
) -> Material:
    from mmkit.cli.progress import Progress
    from mmkit_caption.training import gather

    if supervised is not None:
        if len(images) != 1:
            raise UsageError(f"Expected one --images DIR beside --supervised, but received {len(images)}")
        return gather.paired(encoder, Path(images[0]), supervised, languages, chosen=chosen, failures=failed)
    if not corpus:
        raise UsageError("nothing to learn from", mend="give --corpus sentences.txt, or --supervised captions.jsonl")
    with Progress("reading the corpus and the pictures") as progress:
        return gather.unpaired(
            encoder,
            images,
            [Path(name) for name in corpus],
            languages,
            cache=cache,
            chosen=chosen,
            failures=failed,
            on_items=progress.advance,
        )


def _checker(encoder: Encoder, dev: Path, language: str, chosen: Settings) -> Callable[[CaptionWriter], dict[str, Any]]:
    from mmkit.pipeline.evaluate import read_captions
    from mmkit_caption.evaluate import embedded_pictures, evaluate
    from mmkit_caption.training.vectors import text_vectors

    ready = dev / "vectors.npy"
    kept, vectors = embedded_pictures(
        encoder,
        dev,
        read_captions(dev / "captions.jsonl"),
        ready=str(ready) if ready.is_file() else None,
        chosen=chosen,
    )

    def check(writer: CaptionWriter) -> dict[str, Any]:
        found = evaluate(
            writer,
            vectors,
            [entry.captions for entry in kept],
            lambda texts: text_vectors(encoder, texts, chosen=chosen),
            language=language,
        )
        found.pop("texts")
        return found

    return check
