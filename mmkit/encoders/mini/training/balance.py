"""The last stage: the projectors once more, over frozen towers, without the training pictures' habits.

Many training pictures show dogs and birds and few show planes, and WordNet has 59 classes of birds and two of planes.
Where a picture is small and hard to tell, a model of those frequencies says "bird". Here the frequencies are given
to the loss as a prior, so the similarities learn to do without them. With frozen towers their outputs are kept:
a step costs only the projectors. N views, C classes, V names a node, W width of a sentence vector.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkit.encoders.mini.bert import masked_mean
from mmkit.encoders.mini.model import MiniModel
from mmkit.encoders.mini.preprocessing import normalise
from mmkit.encoders.mini.projectors import grid_tokens
from mmkit.encoders.mini.tokenizer import pad_ids
from mmkit.encoders.mini.training import losses
from mmkit.encoders.mini.training.batches import BatchMaker
from mmkit.encoders.mini.training.objective import Teacher, class_target, same_pairs
from mmkit.encoders.mini.training.synthetic import ClassShift
from mmkit.encoders.mini.training.text_pool import NamePool

__all__ = ["Balance", "KeptViews", "NameBank", "balance_stage", "keep_views"]


@dataclass(frozen=True, slots=True)
class Balance:
    """How long and how hard the stage trains.

    draws: batches whose features are kept. places: how many places of the grid a step looks at.
    """

    steps: int = 400
    draws: int = 8
    variants: int = 6
    nouns: int = 6000
    pictures: int = 512
    places: int = 10
    rate: float = 5e-4


@dataclass(frozen=True, slots=True)
class KeptViews:
    """Features of views and what is known of them.

    pooled (N, F), tokens (N, P, G), target (N, C), labels (N), text (N): row of `texts` or -1.
    texts, reference: (M, W) sentence vectors of the tuned and of the untouched text tower.
    """

    pooled: Tensor
    tokens: Tensor
    target: Tensor
    labels: Tensor
    text: Tensor
    texts: Tensor
    reference: Tensor
    rows: list[list[int]]
    groups: list[str]


@torch.no_grad()
def sentence_means(model: MiniModel, rows: Sequence[list[int]], *, batch: int = 256) -> Tensor:
    """Unit sentence vectors (M, W) of the model's text tower, rows of like length together."""
    device = model.log_scale.device
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    parts = []
    for start in range(0, len(rows), batch):
        ids, mask = pad_ids([rows[row] for row in order[start : start + batch]])
        known = torch.from_numpy(mask).to(device)
        states = model.text_tower(torch.from_numpy(ids).to(device), known)
        parts.append(F.normalize(masked_mean(states, known), dim=-1).float())
    return torch.cat(parts)[torch.tensor(order, device=device).argsort()]


@torch.no_grad()
def keep_views(
    model: MiniModel, teacher: Teacher, shift: ClassShift, batches: BatchMaker, draws: int, *, part: int = 4
) -> KeptViews:
    """The features of `draws` batches."""
    settings = model.config.preprocessing
    kept: dict[str, list[Tensor]] = {name: [] for name in ("pooled", "tokens", "target", "labels", "text")}
    rows: list[list[int]] = []
    groups: list[str] = []
    for _ in range(draws):
        batch = batches.draw(sentences=0, nouns=0)
        text = torch.full((len(batch.labels),), -1, device=batch.labels.device)
        text[batch.captioned] = torch.arange(len(rows), len(rows) + len(batch.captions), device=text.device)
        rows += batch.captions
        groups += batch.groups
        for start in range(0, len(batch.labels), part):
            piece = slice(start, start + part)
            seen = normalise(batch.seen[piece], settings).contiguous(memory_format=torch.channels_last)
            features = model.image_tower(seen)
            kept["pooled"].append(features.pooled.float())
            kept["tokens"].append(grid_tokens(features).half())
            logits = shift.logits(teacher.pooled(normalise(batch.clean[piece], settings)))
            kept["target"].append(class_target(logits, batch.labels[piece]))
        kept["labels"].append(batch.labels)
        kept["text"].append(text)
    joined = {name: torch.cat(parts) for name, parts in kept.items()}
    reference = torch.cat([teacher.sentences(rows[start : start + 256]) for start in range(0, len(rows), 256)])
    return KeptViews(**joined, texts=sentence_means(model, rows), reference=reference, rows=rows, groups=groups)


class NameBank:
    """Sentence vectors (V, W) of V random names for each of a list of nodes."""

    def __init__(self, model: MiniModel, pool: NamePool, nodes: Sequence[str], variants: int, seed: int) -> None:
        rng = random.Random(seed)
        rows = [pool.prompt(node, rng) for node in nodes for _ in range(variants)]
        self._row = {node: index for index, node in enumerate(nodes)}
        self._vectors = sentence_means(model, rows).view(len(nodes), variants, -1)

    def draw(self, nodes: Sequence[str], generator: torch.Generator) -> Tensor:
        """One vector a node, (K, W)."""
        device = self._vectors.device
        rows = torch.tensor([self._row[node] for node in nodes], device=device)
        variant = torch.randint(self._vectors.shape[1], (len(nodes),), generator=generator, device=device)
        return self._vectors[rows, variant]


def balance_stage(
    model: MiniModel,
    teacher: Teacher,
    batches: BatchMaker,
    shift: ClassShift,
    settings: Balance,
    log: Callable[[str], None] = print,
) -> dict[str, Tensor]:
    """Train the projectors in place and return the moving average of all weights."""
    model.eval().requires_grad_(False)
    pool, rng, generator = batches.pool, random.Random(settings.steps), batches.generator
    views = keep_views(model, teacher, shift, batches, settings.draws)
    names = NameBank(model, pool, list(pool.tree.leaves), settings.variants, seed=1)
    relatives = batches.relatives
    chosen = relatives.nouns(rng, settings.nouns) if relatives is not None else []
    nouns = [] if relatives is None else [relatives.nodes[row] for row in chosen]
    noun_names = NameBank(model, pool, nouns, 2, seed=2) if nouns else None
    noun_targets = relatives.targets[chosen].to(views.pooled.device) if relatives is not None else None
    log(f"kept {len(views.labels)} views, {len(views.rows)} captions, {len(nouns)} nouns")
    model.image_projector.requires_grad_(True).train()
    model.text_projector.requires_grad_(True).train()
    trained = [*model.image_projector.parameters(), *model.text_projector.parameters()]
    optimiser = torch.optim.AdamW(trained, lr=0.0, betas=(0.9, 0.98), weight_decay=0.02)
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    prior, classes = views.target.mean(0), list(pool.tree.classes)
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * min(1.0, (step + 1) / 20) * (1 - step / settings.steps)
        rows = torch.randint(len(views.labels), (settings.pictures,), generator=generator, device=prior.device)
        cut = pool.cut_nodes(rng)
        own = names.draw(classes, generator)
        spoken = [own, names.draw(cut, generator)]
        targets = [torch.eye(len(classes), device=prior.device)]
        members = pool.members(cut).to(prior.device)
        targets.append(members.T / members.sum(0)[:, None])
        if noun_names is not None and noun_targets is not None:
            some = rng.sample(range(len(nouns)), min(256, len(nouns)))
            spoken.append(noun_names.draw([nouns[row] for row in some], generator))
            targets.append(noun_targets[some].float())
        parts = _balanced_losses(
            model, views, shift, rows, torch.cat(spoken), torch.cat(targets), members, prior, settings, generator
        )
        loss = torch.stack([weight * parts[name] for name, weight in _WEIGHTS.items() if name in parts]).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        with torch.no_grad():
            decay = min(0.98, (step + 1) / (step + 10))
            for name, value in model.state_dict().items():
                average[name].lerp_(value, 1 - decay)
        if step % 20 == 0 or step == settings.steps - 1:
            log(f"step {step} " + " ".join(f"{name} {float(value.detach()):.3f}" for name, value in parts.items()))
    model.eval()
    return average


_WEIGHTS = {
    "captions": 1.0,
    "classes": 1.0,
    "cut": 1.0,
    "synthetic": 1.0,
    "synthetic_cut": 1.0,
    "nouns": 0.5,
    "geometry": 5.0,
}


def _balanced_losses(
    model: MiniModel,
    views: KeptViews,
    shift: ClassShift,
    rows: Tensor,
    spoken: Tensor,
    wanted: Tensor,
    members: Tensor,
    prior: Tensor,
    settings: Balance,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Losses of some views; `spoken` (C + K + R, W) are class, concept and noun names, `wanted` their classes."""
    device, count = prior.device, len(prior)
    places = torch.randperm(views.tokens.shape[1], generator=generator, device=device)[: settings.places]
    pooled, tokens = views.pooled[rows], views.tokens[rows][:, places].float()
    images = model.image_projector(pooled, tokens)
    texts = model.text_projector.project(spoken)
    classes, cut = texts[:count], texts[count : count + members.shape[1]]
    base = torch.randint(len(rows), (count,), generator=generator, device=device)
    made, target = shift.draw(pooled[base], tokens[base][:, :4], generator)
    synthetic = model.image_projector(*made)
    scale, identity, even = model.log_scale.exp(), torch.eye(count, device=device), torch.full_like(prior, 1 / count)
    kept = views.target[rows]
    result = {
        "classes": losses.concept_distillation(images, classes, scale, kept, identity, prior),
        "cut": losses.concept_distillation(images, cut, scale, kept, members, prior),
        "synthetic": losses.concept_distillation(synthetic, classes, scale, target, identity, even),
        "synthetic_cut": losses.concept_distillation(synthetic, cut, scale, target, members, even),
        "nouns": losses.concept_distillation(texts, synthetic, scale, wanted, identity),
    }
    captioned = views.text[rows] >= 0
    if bool(captioned.any()):
        chosen = views.text[rows][captioned]
        captions = model.text_projector.project(views.texts[chosen])
        listed = chosen.tolist()
        same = same_pairs([views.rows[row] for row in listed], [views.groups[row] for row in listed]).to(device)
        result["captions"] = losses.contrastive(images[captioned], captions, scale, same)
        result["geometry"] = losses.geometry(captions, views.reference[chosen])
    return result
