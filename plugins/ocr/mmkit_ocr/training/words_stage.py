"""Stage 1 (DPTR): the decoder learns to spell from a word list alone.

The frozen text tower's states of "a photo of a 'w'" take the place of what a picture encoder would see, and a little
of the features of unrelated natural pictures is added to them (offline random perturbation), so that the decoder does
not lean on text states being clean. The tower is uncased, so the targets are lower case.

Legend: N words, T tokens, W width of the tower, D dims of the decoder, P permutations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmkit.training.budget import Budget, one_cycle
from mmkit.training.steps import GuardedOptimiser, autocast
from mmkit_ocr.recogniser.charset import PAD, to_numbers
from mmkit_ocr.recogniser.decoder import Decoder, permutation_masks
from mmkit_ocr.recogniser.decoding import read_forward
from mmkit_ocr.recogniser.tower import TextTower
from mmkit_ocr.training.losses import permuted_loss
from mmkit_ocr.training.pictures_stage import FLOOR, RISE

__all__ = ["pretrain_decoder"]

_PERTURBATION = 0.1


def pretrain_decoder(
    decoder: Decoder,
    words: Sequence[str],
    tower: TextTower,
    noise: Tensor,
    budget: Budget,
    *,
    batch: int = 1024,
    rate: float = 1e-3,
    permutations: int = 6,
    seed: int = 0,
    log: Callable[[str], None] = print,
) -> dict[str, float]:
    """Train ``decoder`` in place.

    Args:
        words: what to learn to spell.
        tower: the frozen text tower; where its width is not D a linear adapter is trained beside the decoder.
        noise: (K, W') features of natural pictures, brought to zero mean and unit deviation each; W' = D.
        budget: how long.

    Returns:
        loss, and the share of 512 words that are spelt back with fresh noise.
    """
    device = next(decoder.parameters()).device
    words = sorted({word.lower() for word in words})
    numbers = torch.from_numpy(to_numbers(words)).to(device)
    states, mask = _all_states(tower, words, device)
    adapter = nn.Identity() if tower.width == decoder.dim else nn.Linear(tower.width, decoder.dim).to(device)
    optimiser = GuardedOptimiser(nn.ModuleList([decoder, adapter]), rate=rate, decay=0.01, clip=5.0)
    drawing = torch.Generator().manual_seed(seed)
    drawing_here = torch.Generator(device).manual_seed(seed)
    rng = np.random.default_rng(seed)
    decoder.train()
    shown, loss = time.monotonic(), torch.zeros(())

    def memory_of(rows: Tensor) -> Tensor:
        own = adapter(states[rows].float())
        added = noise[torch.randint(len(noise), own.shape[:2], device=device, generator=drawing_here)]
        # Padding repeats the pooled state: attention has no mask to carry, and nothing new is said.
        own = torch.where(mask[rows][..., None], own, own[:, :1])
        return own + _PERTURBATION * added

    while (done := budget.progress) < 1:
        rows = torch.from_numpy(rng.integers(len(words), size=min(batch, len(words)))).to(device)
        masks = permutation_masks(permutations, drawing).to(device)
        with autocast(device):
            logits = decoder(memory_of(rows), numbers[rows], masks)
        loss = permuted_loss(logits, numbers[rows])
        optimiser.step(loss, factor=one_cycle(done, rise=RISE, floor=FLOOR))
        budget.step += 1
        if time.monotonic() - shown > 15:
            shown = time.monotonic()
            log(f"stage 1: step {budget.step}, {100 * done:.0f} %, loss {float(loss.detach()):.3f}")
    decoder.eval()
    with torch.no_grad():
        rows = torch.from_numpy(rng.integers(len(words), size=min(512, len(words)))).to(device)
        read = read_forward(decoder, memory_of(rows)).argmax(-1)
    wanted = numbers[rows]
    right = ((read == wanted) | (wanted == PAD)).all(1).float().mean()
    return {"steps": budget.step, "words": len(words), "loss": float(loss.detach()), "spelt_back": float(right)}


def _all_states(tower: TextTower, words: Sequence[str], device: torch.device) -> tuple[Tensor, Tensor]:
    """(N, T, W) and (N, T) of all words, in half precision: the tower is frozen, so each word passes it once."""
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    parts, masks = [], []
    for first in range(0, len(words), 2048):
        states, mask = tower.states(words[first : first + 2048])
        parts.append(states.to(kind))
        masks.append(mask)
    longest = max(mask.shape[1] for mask in masks)
    states = torch.cat([F.pad(part, (0, 0, 0, longest - part.shape[1])) for part in parts])
    return states, torch.cat([F.pad(mask, (0, longest - mask.shape[1])) for mask in masks])
