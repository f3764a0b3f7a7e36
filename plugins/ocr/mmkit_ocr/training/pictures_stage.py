"""Stage 2: the whole recogniser on rendered and real crops.

Legend: N crops of a batch, P permutations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from mmkit.training.average import Average
from mmkit.training.budget import Budget, one_cycle
from mmkit.training.checkpoint import Checkpoint
from mmkit.training.steps import GuardedOptimiser, autocast
from mmkit_ocr.recogniser.alignment import contrastive_loss
from mmkit_ocr.recogniser.decoder import permutation_masks
from mmkit_ocr.recogniser.network import HEIGHT, Network
from mmkit_ocr.recogniser.tower import TextTower, pooled_states
from mmkit_ocr.rendering.augment import augment
from mmkit_ocr.rendering.compose import compose
from mmkit_ocr.training.crops import Mixture
from mmkit_ocr.training.feed import MaskPool
from mmkit_ocr.training.losses import draft_loss, permuted_loss
from mmkit_ocr.training.placing import ink_widths, jittered, placed, stretched

__all__ = ["FLOOR", "RISE", "Recipe", "train_pictures"]

#: Of the learning rate: the share of the time it rises over, and where it ends.
RISE: Final = 0.08
FLOOR: Final = 0.002
#: Layers that came with PP-OCRv6.
_KEPT: Final = ("backbone", "neck", "ctc")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How stage 2 trains.

    Attributes:
        batch: N.
        real: share of real crops in a batch, where there are any.
        rate: peak learning rate of the new layers.
        kept_rate: share of it for the layers that came with PP-OCRv6.
        draft, contrast: weights of the CTC and the contrastive loss; the permuted reading counts 1.
        negatives: words that are nearly the same, as further negatives of a batch.
        strength: of the distortions of real crops.
        plain: share of real crops that are left as they are.
    """

    batch: int = 768
    real: float = 0.35
    rate: float = 7e-4
    kept_rate: float = 0.3
    weight_decay: float = 0.02
    draft: float = 0.3
    contrast: float = 0.15
    negatives: int = 256
    permutations: int = 6
    strength: float = 0.6
    plain: float = 0.15
    decay: float = 0.9985
    compiled: bool = False


def train_pictures(
    network: Network,
    pool: MaskPool,
    backgrounds: Tensor,
    real: Mixture | None,
    tower: TextTower,
    budget: Budget,
    recipe: Recipe,
    *,
    seed: int = 0,
    log: Callable[[str], None] = print,
    check: Callable[[Network], None] | None = None,
    checkpoint: Checkpoint | None = None,
    keep: Callable[[Network], None] | None = None,
) -> Average:
    """Train ``network`` in place and return the running average of its weights.

    Args:
        backgrounds: (M, 3, h, w) uint8 photos on the device.
        check: called a few times on the way with the network of the averaged weights.
        checkpoint: where the run is kept, and taken up again.
        keep: called every minute with the network of the averaged weights, to store it.
    """
    device = next(network.parameters()).device
    network.to(memory_format=torch.channels_last)
    optimiser = GuardedOptimiser(
        network,
        rate=recipe.rate,
        decay=recipe.weight_decay,
        clip=5.0,
        share=lambda name: recipe.kept_rate if name.split(".")[0] in _KEPT else 1.0,
    )
    average = Average(network, decay=recipe.decay)
    networks, inner = {"network": network, "average": average.network}, {"steps": optimiser.inner}
    if checkpoint is not None and (found := checkpoint.load(networks, inner)):
        budget.take_up(spent=found["elapsed"], step=found["step"])
        average.count = found["averaged"]
    # A run that goes on draws afresh, not what it has drawn already.
    seed += 1_000_003 * budget.step
    drawing = torch.Generator().manual_seed(seed)
    drawing_here = torch.Generator(device).manual_seed(seed)
    real_states = pooled_states(tower, [text.lower() for text in real.texts]).to(torch.bfloat16) if real else None
    see = torch.compile(network, dynamic=False) if recipe.compiled else network
    spell = torch.compile(network.decoder, dynamic=False) if recipe.compiled else network.decoder
    network.train()
    shown = kept = time.monotonic()
    checked, shown_step = budget.progress, budget.step
    losses: Tensor | None = None
    while (done := budget.progress) < 1:
        pictures, numbers, states, near = _batch(
            pool, backgrounds, real, real_states, recipe, network.shape.width, drawing_here
        )
        masks = permutation_masks(recipe.permutations, drawing).to(device)
        with autocast(device):
            seen = see(pictures.contiguous(memory_format=torch.channels_last))
            logits = spell(seen.memory, numbers, masks)
            aligned = _alignment(network, seen.memory, numbers, states, near)
        parts = torch.stack([permuted_loss(logits, numbers), draft_loss(seen.draft, numbers), aligned])
        loss = parts[0] + recipe.draft * parts[1] + recipe.contrast * parts[2]
        if optimiser.step(loss, factor=one_cycle(done, rise=RISE, floor=FLOOR)):
            average.update(network)
            losses = parts.detach() if losses is None else losses.lerp(parts.detach(), 0.05)
        budget.step += 1
        if losses is not None and time.monotonic() - shown > 15:
            speed = (budget.step - shown_step) / (time.monotonic() - shown)
            shown, shown_step = time.monotonic(), budget.step
            values = ", ".join(f"{value:.3f}" for value in losses.tolist())
            log(
                f"stage 2: step {budget.step}, {100 * done:.0f} %, reading, draft, alignment {values}; "
                f"{speed:.2f} steps/s, {pool.size} masks"
            )
        if checkpoint is not None and checkpoint.due():
            stands = {"step": budget.step, "elapsed": round(budget.elapsed, 1), "averaged": average.count}
            checkpoint.save(networks, inner, stands)
        if keep is not None and time.monotonic() - kept > 60:
            kept = time.monotonic()
            keep(average.network)
        if check is not None and done - checked >= 0.22:
            checked = done
            check(average.network)
    network.eval()
    return average


def fold(numbers: Tensor) -> Tensor:
    """Numbers with capitals as small letters."""
    capital = (numbers >= ord("A") - 33) & (numbers <= ord("Z") - 33)
    return torch.where(capital, numbers + 32, numbers)


def _batch(
    pool: MaskPool,
    backgrounds: Tensor,
    real: Mixture | None,
    real_states: Tensor | None,
    recipe: Recipe,
    width: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor]]:
    taken = round(recipe.batch * recipe.real) if real is not None else 0
    rows = pool.rows(recipe.batch - taken, generator)
    masks = pool.masks[rows]
    rendered = compose(masks, backgrounds, generator, size=(HEIGHT, width))
    rendered = placed(rendered, jittered(ink_widths(masks), generator, most=width))
    near = pool.near_numbers[rows[: recipe.negatives]], pool.near_states[rows[: recipe.negatives]]
    if real is None or real_states is None:
        return rendered, pool.numbers[rows], pool.states[rows], near
    chosen = real.rows(taken, generator)
    plain, widths = real.pictures[chosen].permute(0, 3, 1, 2).float() / 255, real.widths[chosen]
    moved = augment(stretched(plain, widths), generator, strength=recipe.strength)
    moved = placed(moved, jittered(widths, generator, most=width))
    left = torch.rand(taken, 1, 1, 1, device=plain.device, generator=generator) < recipe.plain
    return (
        torch.cat([rendered, torch.where(left, plain, moved)]),
        torch.cat([pool.numbers[rows], real.numbers[chosen]]),
        torch.cat([pool.states[rows], real_states[chosen]]),
        near,
    )


def _alignment(
    network: Network, memory: Tensor, numbers: Tensor, states: Tensor, near: tuple[Tensor, Tensor]
) -> Tensor:
    folded = torch.cat([fold(numbers), near[0]])
    words = network.space.words(folded, torch.cat([states, near[1]]).float())
    same = (folded[: len(numbers), None] == folded[None]).all(2)
    scale = network.space.log_scale.exp().clamp(max=100.0)
    return contrastive_loss(network.space.crops(memory).float(), words.float(), same, scale)
