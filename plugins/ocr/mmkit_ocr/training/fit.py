"""Both stages as one run: what ``mmkit ocr train`` calls.

Legend: N crops.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmkit.training.budget import Budget
from mmkit.training.checkpoint import Checkpoint
from mmkit_ocr.recogniser.network import HEIGHT, Network
from mmkit_ocr.recogniser.tower import TextTower
from mmkit_ocr.rendering.compose import compose
from mmkit_ocr.training.crops import CropSet, Mixture, split
from mmkit_ocr.training.feed import MaskPool
from mmkit_ocr.training.pictures_stage import Recipe, train_pictures
from mmkit_ocr.training.placing import ink_widths, jittered, placed
from mmkit_ocr.training.validate import validate
from mmkit_ocr.training.words_stage import pretrain_decoder

__all__ = ["Material", "Plan", "fit", "natural_noise"]


@dataclass(frozen=True, eq=False)
class Material:
    """What to train on.

    Attributes:
        lists: word lists to draw from, each equally often.
        fonts: folders or files of fonts; None for the system's.
        backgrounds: (M, 3, h, w) uint8 photos.
        crops: real labelled crops, by source.
        held_out: others to validate on; a share of ``crops`` where there are none.
        weights: of the sources.
    """

    lists: Sequence[Sequence[str]]
    fonts: Sequence[Path] | None
    backgrounds: np.ndarray
    crops: Sequence[CropSet] = ()
    held_out: Sequence[CropSet] = ()
    weights: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how wide.

    Attributes:
        first, second: budgets of the stages as keywords of ``Budget``; no ``first`` skips stage 1.
        first_words: words of stage 1 at most, drawn from all lists.
        held_out: share of each source's crops that is kept for validation.
        rendered: rendered crops in validation.
        capacity: masks kept; processes: that draw them.
    """

    first: dict[str, Any] | None
    second: dict[str, Any]
    recipe: Recipe = field(default_factory=Recipe)
    first_batch: int = 1024
    first_rate: float = 1e-3
    first_words: int = 100_000
    held_out: float = 0.1
    rendered: int = 512
    capacity: int = 20_000
    processes: int = 0
    wanted: int = 2_000
    seed: int = 0


def fit(
    network: Network,
    material: Material,
    tower: TextTower,
    plan: Plan,
    *,
    first_tower: TextTower | None = None,
    checkpoint: Checkpoint | None = None,
    keep: Callable[[Network], None] | None = None,
    first_done: Callable[[Network], None] | None = None,
    log: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train a network in place and leave it with its averaged weights; the run's metrics.

    Args:
        tower: of the words' vectors: the core's default, which is there wherever the recogniser is.
        first_tower: of stage 1; the same if None.
        checkpoint: where stage 2 is kept; a run that finds it there goes on, past stage 1.
        keep: called every minute of stage 2 with the averaged weights in place.
        first_done: called after stage 1.
    """
    device = next(network.parameters()).device
    backgrounds = torch.from_numpy(material.backgrounds).to(device)
    pool = MaskPool(
        material.lists,
        material.fonts,
        tower,
        capacity=plan.capacity,
        processes=plan.processes,
        device=device,
        seed=plan.seed,
    )
    try:
        return _fit(
            network, material, tower, first_tower or tower, plan, pool, backgrounds, checkpoint, keep, first_done, log
        )
    finally:
        pool.close()


def _fit(
    network: Network,
    material: Material,
    tower: TextTower,
    first_tower: TextTower,
    plan: Plan,
    pool: MaskPool,
    backgrounds: Tensor,
    checkpoint: Checkpoint | None,
    keep: Callable[[Network], None] | None,
    first_done: Callable[[Network], None] | None,
    log: Callable[[str], None],
) -> dict[str, Any]:
    device = backgrounds.device
    metrics: dict[str, Any] = {"checks": []}
    if plan.first and not (checkpoint is not None and checkpoint.path.is_file()):
        words = list(dict.fromkeys(word.lower() for words in material.lists for word in words))
        if len(words) > plan.first_words:
            chosen = np.random.default_rng(plan.seed).choice(len(words), plan.first_words, replace=False)
            words = [words[row] for row in np.sort(chosen)]
        budget = Budget(**plan.first)
        noise = natural_noise(network, backgrounds)
        metrics["stage_1"] = pretrain_decoder(
            network.decoder,
            words,
            first_tower,
            noise,
            budget,
            batch=plan.first_batch,
            rate=plan.first_rate,
            seed=plan.seed,
            log=log,
        )
        log(f"stage 1 done: {metrics['stage_1']}")
        if first_done is not None:
            first_done(network)
    if plan.processes:
        pool.wait(plan.wanted, seconds=60)
    if not pool.size:
        pool.draw(plan.wanted)
    shown, held = material.crops, material.held_out
    if shown and not held:
        parts = [split(crops, share=plan.held_out) for crops in shown]
        shown, held = [part[0] for part in parts], [part[1] for part in parts if len(part[1])]
    real = Mixture(shown, weights=material.weights, device=device) if shown else None
    rendered = _rendered(material, plan, backgrounds, network.shape.width)

    def check(current: Network) -> None:
        scores = {part.name: validate(current, torch.from_numpy(part.pictures), part.texts) for part in held}
        scores["rendered"] = validate(current, *rendered)
        metrics["checks"].append({"second": round(time.monotonic() - started, 1), **scores})
        for name, score in scores.items():
            log(f"  held out {name}: " + ", ".join(f"{way} {value:.4f}" for way, value in score.items()))

    started = time.monotonic()
    check(network)
    budget = Budget(**plan.second)
    average = train_pictures(
        network,
        pool,
        backgrounds,
        real,
        tower,
        budget,
        plan.recipe,
        seed=plan.seed,
        log=log,
        check=check,
        checkpoint=checkpoint,
        keep=keep,
    )
    metrics["stage_2"] = {"steps": budget.step, "seconds": round(time.monotonic() - started, 1), "masks": pool.size}
    average.swap(network)
    check(network)
    return metrics


def natural_noise(network: Network, backgrounds: Tensor, *, most: int = 256) -> Tensor:
    """(K, 384): the picture encoder's features of natural pictures, each at zero mean and unit deviation."""
    with torch.no_grad():
        wide = F.interpolate(backgrounds[:most].float() / 255, (48, network.shape.width), mode="area")
        features = network.backbone(wide.flip(1) * 2 - 1).permute(0, 2, 3, 1).reshape(-1, 384)
        features = features[torch.randperm(len(features), device=features.device)[:20_000]]
        return F.layer_norm(features, features.shape[-1:])


def _rendered(material: Material, plan: Plan, backgrounds: Tensor, width: int) -> tuple[Tensor, list[str]]:
    from mmkit_ocr.rendering.fonts import load_fonts
    from mmkit_ocr.rendering.masks import WordMasks
    from mmkit_ocr.rendering.words import Words

    masks, texts = WordMasks(Words(*material.lists), load_fonts(material.fonts), plan.seed + 990_001).draw(
        plan.rendered
    )
    generator = torch.Generator(backgrounds.device).manual_seed(plan.seed + 990_001)
    parts = []
    for first in range(0, len(masks), 256):
        drawn = torch.from_numpy(masks[first : first + 256]).to(backgrounds.device)
        filled = compose(drawn, backgrounds, generator, size=(HEIGHT, width))
        parts.append(placed(filled, jittered(ink_widths(drawn), generator, most=width)))
    return torch.cat(parts), texts
