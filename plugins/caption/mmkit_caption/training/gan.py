"""The adversarial stage: captions of pictures that no sentence belongs to, by rewards alone (CgT-GAN, section 3.3-3.5).

B pictures, K samples of each, T pieces, D dims.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmkit.generation.search import sample, sequence_log_probs
from mmkit.training.budget import Budget, one_cycle
from mmkit.training.checkpoint import Checkpoint
from mmkit.training.steps import GuardedOptimiser, autocast
from mmkit_caption.model import CaptionModel
from mmkit_caption.training.discriminator import Discriminator, discriminator_loss
from mmkit_caption.training.rewards import self_critical_loss, semantic_reward, semantic_weight
from mmkit_caption.training.texts import TextTable, batches_of

__all__ = ["GanPlan", "Pictures", "train_gan"]


@dataclass(frozen=True, slots=True)
class GanPlan:
    """How the adversarial stage goes; the paper's values where no other reason is given.

    Attributes:
        batch: B.
        samples: K.
        rate: of the captioner, above the paper's 1e-5, as a small decoder trained for this alone takes longer steps.
        critic_rate: of the discriminator.
        cos_share: a of the semantic reward.
        quiet, ramp, most: see ``semantic_weight``.
        anchor: weight of the warm start's own loss beside the rewards; the paper has none.
        language: the one whose captions are rewarded.
    """

    batch: int = 64
    samples: int = 5
    rate: float = 5e-5
    critic_rate: float = 2e-4
    cos_share: float = 0.0
    quiet: int = 150
    ramp: int = 2350
    most: float = 0.5
    anchor: float = 0.0
    max_length: int = 24
    language: str = "en"
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Pictures without sentences.

    Attributes:
        vectors: (M, D) unit rows, for R_cos.
        asked: (M, D) the same as the captioner sees them, its gap correction made.
        targets: (M, D) e(x), each re-expressed by the corpus, for R_agg.
    """

    vectors: Tensor
    asked: Tensor
    targets: Tensor


def train_gan(
    model: CaptionModel,
    critic: Discriminator,
    pictures: Pictures,
    table: TextTable,
    vocabulary: Any,
    embed: Callable[[Sequence[str]], Tensor],
    plan: GanPlan,
    *,
    anchor_loss: Callable[[Tensor], Tensor] | None = None,
    seconds: float = 0.0,
    steps: int = 0,
    checkpoint: Checkpoint | None = None,
    resume: bool = False,
    log: Callable[[str], None] = print,
) -> dict[str, float]:
    """Train captioner and discriminator in place; steps, seconds, skipped steps and the last means.

    Args:
        table: the corpus, whose sentences in ``plan.language`` are the real ones.
        embed: written captions to (N, D) unit rows on the pictures' device.
        anchor_loss: the warm start's loss on rows (N,) of the corpus, where ``plan.anchor`` is above 0.
    """
    device = pictures.vectors.device
    optimiser = GuardedOptimiser(model, rate=plan.rate)
    judge = GuardedOptimiser(critic, rate=plan.critic_rate)
    networks, inner = {"model": model, "critic": critic}, {"gan": optimiser.inner, "judge": judge.inner}
    facts = (checkpoint.load(networks, inner) if checkpoint is not None and resume else None) or {}
    budget = Budget(seconds=seconds or None, steps=steps or None)
    budget.take_up(spent=float(facts.get("elapsed", 0)), step=int(facts.get("step", 0)))
    optimiser.skipped = int(facts.get("skipped", 0))
    generator = torch.Generator(device).manual_seed(plan.seed + budget.step)
    number = model.shape.languages.index(plan.language)
    spoken = (table.languages.cpu() == number).nonzero().flatten()
    real = batches_of(table.lengths, spoken, torch.ones(len(table.lengths)), plan.batch, seed=plan.seed + budget.step)
    means: dict[str, float] = {name: float(value) for name, value in facts.get("means", {}).items()}
    told = time.monotonic()
    # Texts are drawn and weighed without dropout, so that their probabilities are those they were drawn with.
    model.eval()
    while not budget.over:
        rows = torch.randint(len(pictures.vectors), (plan.batch,), generator=generator, device=device)
        drawn = _draw(model, pictures, rows, vocabulary, plan, generator)
        vectors = embed([vocabulary.decode(ids) for ids in drawn.texts])
        semantic = _by_picture(vectors, pictures, rows, plan)
        sentences, _ = table.take(next(real))
        with autocast(device), torch.no_grad():
            critic.eval()
            natural = critic(drawn.ids).float()
        weight = semantic_weight(budget.step, quiet=plan.quiet, ramp=plan.ramp, most=plan.most)
        loss = _policy_loss(model, pictures, rows, drawn, semantic, natural, weight, vocabulary.pad, plan)
        if anchor_loss is not None and plan.anchor:
            loss = loss + plan.anchor * anchor_loss(next(real))
        done = optimiser.step(loss, factor=one_cycle(budget.progress, floor=0.02))
        critic.train()
        with autocast(device):
            judged = critic(sentences), critic(drawn.ids[: len(rows) * plan.samples : plan.samples])
        mistrust = discriminator_loss(judged[0].float(), judged[1].float())
        judge.step(mistrust)
        budget.step += 1
        if done:
            count = len(rows) * plan.samples
            now = {"semantic": float(semantic[:count].mean()), "greedy": float(semantic[count:].mean())}
            now |= {"natural": float(natural.mean()), "critic": float(mistrust.detach()), "weight": weight}
            now["length"] = float((drawn.ids != vocabulary.pad).sum(1).float().mean())
            means = {
                name: value if name not in means else 0.9 * means[name] + 0.1 * value for name, value in now.items()
            }
        if time.monotonic() - told > 30:
            told = time.monotonic()
            shown = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
            log(f"step {budget.step}, {budget.elapsed:.0f} s: {shown}; skipped {optimiser.skipped}")
        if checkpoint is not None and (checkpoint.due() or budget.over):
            checkpoint.save(networks, inner, {**_facts(budget, optimiser), "means": means})
    return {**_facts(budget, optimiser), **means}


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """B·K samples and then B greedy texts: ids (B·K + B, T), and each without its end mark and padding."""

    ids: Tensor
    texts: list[list[int]]


def _draw(
    model: CaptionModel, pictures: Pictures, rows: Tensor, vocabulary: Any, plan: GanPlan, generator: torch.Generator
) -> _Drawn:
    device = rows.device
    rules: dict[str, Any] = {
        "eos": vocabulary.eos,
        "pad": vocabulary.pad,
        "max_length": plan.max_length,
        "banned": [mark for mark in {vocabulary.pad, vocabulary.bos} if mark != vocabulary.eos],
    }
    with torch.no_grad(), autocast(device):
        languages = model.language_ids(plan.language, len(rows), device)
        prompt = model.prompt(pictures.asked[rows], languages)
        repeated = prompt.repeat_interleave(plan.samples, dim=0)
        samples = sample(model.decoder, repeated, generator=generator, **rules)
        greedy = sample(model.decoder, prompt, temperature=0.0, **rules)
    width = max(samples.shape[1], greedy.shape[1])
    ids = torch.cat([_padded(part, width, vocabulary.pad) for part in (samples, greedy)])
    marks = {vocabulary.pad, vocabulary.bos, vocabulary.eos}
    return _Drawn(ids, [[piece for piece in row if piece not in marks] for row in ids.tolist()])


def _padded(ids: Tensor, width: int, pad: int) -> Tensor:
    return torch.nn.functional.pad(ids, (0, width - ids.shape[1]), value=pad)


def _by_picture(vectors: Tensor, pictures: Pictures, rows: Tensor, plan: GanPlan) -> Tensor:
    """Semantic rewards (B·K + B,) in the order of the drawn texts."""
    owners = torch.cat([rows.repeat_interleave(plan.samples), rows])
    return semantic_reward(pictures.vectors[owners], pictures.targets[owners], vectors, cos_share=plan.cos_share)


def _policy_loss(
    model: CaptionModel,
    pictures: Pictures,
    rows: Tensor,
    drawn: _Drawn,
    semantic: Tensor,
    natural: Tensor,
    weight: float,
    pad: int,
    plan: GanPlan,
) -> Tensor:
    count = len(rows) * plan.samples
    ids = drawn.ids[:count]
    with autocast(rows.device):
        languages = model.language_ids(plan.language, len(rows), rows.device)
        prompt = model.prompt(pictures.asked[rows], languages).repeat_interleave(plan.samples, dim=0)
        log_probs = sequence_log_probs(model.decoder, prompt, ids, pad=pad).sum(1).view(len(rows), -1)
    losses = [
        self_critical_loss(log_probs, rewards[:count].view(len(rows), -1), rewards[count:])
        for rewards in (semantic, natural)
    ]
    return weight * losses[0] + (1 - weight) * losses[1]


def _facts(budget: Budget, optimiser: GuardedOptimiser) -> dict[str, float]:
    return {"step": budget.step, "elapsed": round(budget.elapsed, 1), "skipped": optimiser.skipped}
