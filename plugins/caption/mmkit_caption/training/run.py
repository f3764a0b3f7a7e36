"""A whole run: what ``mmkit caption train`` calls. Warm start, adversarial stage, and the better of the two.

S sentences, U texts with a vector, M pictures, D dims.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmkit.encoders.device import resolve_device
from mmkit.errors import UsageError
from mmkit.generation.gap import aggregate
from mmkit.generation.vocabulary import Vocabulary
from mmkit.training.checkpoint import Checkpoint
from mmkit_caption.model import CaptionModel, Shape
from mmkit_caption.training.conditions import Conditions
from mmkit_caption.training.corpus import Sentence
from mmkit_caption.training.discriminator import Discriminator
from mmkit_caption.training.gan import GanPlan, Pictures, train_gan
from mmkit_caption.training.texts import TextTable
from mmkit_caption.training.warm import WarmPlan, reconstruction_loss, seen_vectors, train_warm
from mmkit_caption.weights import load_folder, save_folder
from mmkit_caption.writer import CaptionWriter

__all__ = ["Material", "Plan", "train"]


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What to train on.

    Attributes:
        beside: more sentences, whose groups count; by default none.
        texts, text_vectors: every text that has a vector, and the vectors (U, D).
        image_vectors: (M, D) of pictures that no sentence belongs to; empty without an adversarial stage.
        paired: for each sentence the row of its picture in ``image_vectors``, for supervised training.
    """

    corpus: Sequence[Sentence]
    texts: Sequence[str]
    text_vectors: np.ndarray
    image_vectors: np.ndarray
    paired: Sequence[int] | None = None
    beside: Sequence[Sentence] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train.

    Attributes:
        seconds, steps: of the warm start; gan_seconds, gan_steps: of the adversarial stage, 0 and 0 for none.
        vocabulary: pieces; ignored with a decoder of transformers.
        decoder: "own", or what transformers can load.
        share: of vectors that are means of a group (see ``Conditions``).
        gap: none or mean, at asking time; the noise of training is ``warm.sigma``.
        support: sentences kept for ``projection``; temperature and share of it.
    """

    languages: tuple[str, ...] = ("en",)
    seconds: float = 0.0
    steps: int = 0
    gan_seconds: float = 0.0
    gan_steps: int = 0
    vocabulary: int = 6000
    sizes: dict[str, Any] = field(default_factory=dict)
    prefix: int = 10
    hidden: int | None = 1280
    decoder: str = "own"
    freeze_decoder: bool = False
    share: float = 0.0
    gap: str = "none"
    support: int = 8192
    temperature: float = 100.0
    projection: float = 0.0
    target_temperature: float = 100.0
    max_length: int = 40
    warm: WarmPlan = field(default_factory=WarmPlan)
    gan: GanPlan = field(default_factory=GanPlan)
    seed: int = 0


def train(
    material: Material,
    plan: Plan,
    out: Path,
    encoder: Any,
    *,
    device: str | None = None,
    resume: bool = False,
    check: Callable[[CaptionWriter], dict[str, Any]] | None = None,
    log: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train, write ``out/warm``, ``out/gan`` and ``out`` itself, and tell what was done.

    Args:
        check: measures a captioner on held-out captioned pictures; of two stages the one with the higher ``cider``
            is then written to ``out``, else the last one.

    Raises:
        UsageError: no sentence has a vector.
        MmkitError: the run diverged; checkpoints hold the last good weights.
    """
    chosen = resolve_device(device or "auto")
    torch.manual_seed(plan.seed)
    out.mkdir(parents=True, exist_ok=True)
    vocabulary, model = _model(material, plan, out, encoder.spec.dim, resume=resume)
    model.to(chosen)
    numbers = [plan.languages.index(sentence.lang) for sentence in material.corpus]
    table = TextTable.build(
        [s.text for s in material.corpus], numbers, vocabulary, max_length=plan.max_length, device=chosen
    )
    conditions = _conditions(material, plan, chosen)
    if not bool(conditions.usable.any()):
        raise UsageError("no sentence of the corpus has a vector", mend="give sentences in the encoder's language")
    config = _config(plan, model, encoder)
    extra = _extra(material, plan)
    result: dict[str, Any] = {"sentences": int(conditions.usable.sum()), "parameters": _count(model)}
    result["warm"] = train_warm(
        model,
        table,
        conditions,
        plan.warm,
        pad=vocabulary.pad,
        support=extra["support"].float().to(chosen) if "support" in extra else None,
        seconds=plan.seconds,
        steps=plan.steps,
        checkpoint=Checkpoint(out / "warm-state.safetensors"),
        resume=resume,
        log=log,
    )
    save_folder(out / "warm", config, model, vocabulary, extra)
    stages = ["warm"]
    if (plan.gan_seconds or plan.gan_steps) and len(material.image_vectors) and material.paired is None:
        result["gan"] = _adversarial(
            model, vocabulary, table, conditions, material, plan, out, encoder, chosen, resume=resume, log=log
        )
        save_folder(out / "gan", config, model, vocabulary, extra)
        stages.append("gan")
    best = stages[-1]
    if check is not None:
        result["dev"] = {stage: check(CaptionWriter(out / stage, device=str(chosen))) for stage in stages}
        best = max(stages, key=lambda stage: result["dev"][stage]["cider"])
        for stage in stages:
            log(f"{stage}: CIDEr {result['dev'][stage]['cider']}, CLIPScore {result['dev'][stage]['clipscore']}")
    loaded = load_folder(out / best, torch.device("cpu"))
    save_folder(out, loaded.config, loaded.model, loaded.vocabulary, loaded.extra)
    return {**result, "written": best}


def _model(material: Material, plan: Plan, out: Path, dim: int, *, resume: bool) -> tuple[Any, CaptionModel]:
    if plan.decoder != "own":
        from mmkit_caption.causal import load_causal

        decoder, vocabulary, width = load_causal(plan.decoder, out)
        if plan.freeze_decoder:
            decoder.requires_grad_(False)
        shape = Shape(dim, plan.languages, plan.prefix, plan.hidden, {}, plan.max_length)
        return vocabulary, CaptionModel(shape, decoder, width=width)
    file = out / "vocabulary.json"
    if resume and file.is_file():
        vocabulary = Vocabulary.load(file)
    else:
        vocabulary = Vocabulary.train((sentence.text for sentence in material.corpus), plan.vocabulary)
        vocabulary.save(file)
    sizes = {"width": 256, "heads": 4, "decoder_layers": 3, "dropout": 0.1, **plan.sizes, "vocabulary": len(vocabulary)}
    sizes.setdefault("feedforward", 4 * sizes["width"])
    return vocabulary, CaptionModel(Shape(dim, plan.languages, plan.prefix, plan.hidden, sizes, plan.max_length))


def _conditions(material: Material, plan: Plan, device: torch.device) -> Conditions:
    if material.paired is not None:
        return Conditions.of_pictures(torch.from_numpy(material.image_vectors).to(device), material.paired)
    vectors = torch.from_numpy(material.text_vectors).half().to(device)
    return Conditions(material.corpus, material.texts, vectors, share=plan.share, beside=material.beside)


def _config(plan: Plan, model: CaptionModel, encoder: Any) -> dict[str, Any]:
    return {
        "encoder": encoder.spec.name,
        "space": encoder.spec.space,
        "fingerprint": encoder.spec.fingerprint,
        "decoder": plan.decoder,
        "shape": model.shape.written(),
        "gap": {"kind": plan.gap, "sigma": plan.warm.sigma},
        "projection": {"temperature": plan.temperature, "share": plan.projection},
        "beam": 3,
        "length_penalty": 1.0,
    }


def _extra(material: Material, plan: Plan) -> dict[str, Tensor]:
    """Both towers' means, and some of the corpus for e(x) at asking time."""
    extra: dict[str, Tensor] = {}
    if len(material.text_vectors):
        rows = np.random.default_rng(plan.seed).permutation(len(material.text_vectors))[: plan.support]
        extra["mean.text"] = torch.from_numpy(material.text_vectors.mean(0))
        if plan.support:
            extra["support"] = torch.from_numpy(material.text_vectors[np.sort(rows)])
    if len(material.image_vectors):
        extra["mean.image"] = torch.from_numpy(material.image_vectors.mean(0))
    return extra


def _adversarial(
    model: CaptionModel,
    vocabulary: Any,
    table: TextTable,
    conditions: Conditions,
    material: Material,
    plan: Plan,
    out: Path,
    encoder: Any,
    device: torch.device,
    *,
    resume: bool,
    log: Callable[[str], None],
) -> dict[str, float]:
    from mmkit_caption.training.vectors import text_vectors

    seen = torch.from_numpy(material.image_vectors).to(device)
    corpus = torch.from_numpy(material.text_vectors).half().to(device)
    writer = CaptionWriter(out / "warm", device=str(device))
    targets = aggregate(writer.shifted(seen, "image"), corpus, temperature=plan.target_temperature)
    pictures = Pictures(seen, writer.asked(seen, "image"), targets)
    pieces = int(model.decoder.logits(model.languages.weight[:1]).shape[-1])
    critic = Discriminator(pieces, pad=vocabulary.pad).to(device)

    def embed(texts: Sequence[str]) -> Tensor:
        # An empty text is a text too, but not every encoder's tokenizer thinks so.
        return torch.from_numpy(text_vectors(encoder, [text or "." for text in texts])).to(device)

    def anchor(rows: Tensor) -> Tensor:
        ids, languages = table.take(rows)
        vectors = seen_vectors(conditions.draw(rows.to(device)), plan.warm, writer.support_vectors())
        return reconstruction_loss(model(vectors, languages, ids), ids, pad=vocabulary.pad)

    return train_gan(
        model,
        critic,
        pictures,
        table,
        vocabulary,
        embed,
        plan.gan,
        anchor_loss=anchor,
        seconds=plan.gan_seconds,
        steps=plan.gan_steps,
        checkpoint=Checkpoint(out / "gan-state.safetensors"),
        resume=resume,
        log=log,
    )


def _count(model: torch.nn.Module) -> int:
    return sum(value.numel() for value in model.parameters())
