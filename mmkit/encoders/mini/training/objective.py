"""The objective of a training step: which losses are taken of a batch, and against which teacher.

N pictures, C classes of the picture tower, M texts.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mmkit.encoders.mini.bert import BertEncoder, masked_mean
from mmkit.encoders.mini.efficientnet_lite import EfficientNetLite
from mmkit.encoders.mini.model import MiniModel
from mmkit.encoders.mini.preprocessing import normalise
from mmkit.encoders.mini.projectors import grid_tokens
from mmkit.encoders.mini.tokenizer import pad_ids
from mmkit.encoders.mini.training import losses
from mmkit.encoders.mini.training.assemble import Classifier, encode_rows
from mmkit.encoders.mini.training.batches import Batch
from mmkit.encoders.mini.training.synthetic import ClassShift

__all__ = ["LossWeights", "Teacher", "class_target", "same_pairs", "step_losses", "total"]


@dataclass(frozen=True, slots=True)
class LossWeights:
    """How much each loss counts; see `step_losses` for what each is."""

    captions: float = 1.0
    classes: float = 1.0
    cut: float = 0.5
    logits: float = 0.1
    synthetic: float = 1.0
    synthetic_cut: float = 0.5
    nouns: float = 0.5
    anchor: float = 0.5
    features: float = 1.0
    geometry: float = 5.0


# The temperature of the logit matching, and the share of a known label in a picture's class target.
_TEMPERATURE = 4.0
_LABEL_TRUST = 0.8


@dataclass(frozen=True, slots=True)
class Teacher:
    """Both towers as they came, the picture tower with its classifier."""

    image_tower: EfficientNetLite
    text_tower: BertEncoder
    classifier: Classifier

    @classmethod
    def of(cls, model: MiniModel, classifier: Classifier, device: torch.device) -> Teacher:
        """Frozen copies of a model's towers on a device."""
        image = copy.deepcopy(model.image_tower).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        text = copy.deepcopy(model.text_tower).to(device)
        weight, bias = (value.to(device) for value in classifier)
        return cls(image.eval().requires_grad_(False), text.eval().requires_grad_(False), (weight, bias))

    @torch.no_grad()
    def pooled(self, pixels: Tensor) -> Tensor:
        """Pooled features (N, 1280), float32, of normalised pixels (N, 3, S, S)."""
        return self.image_tower(pixels.contiguous(memory_format=torch.channels_last)).pooled.float()

    @torch.no_grad()
    def sentences(self, rows: list[list[int]]) -> Tensor:
        """Sentence vectors (M, 384), float32 unit rows, of token ids."""
        ids, mask = (torch.from_numpy(part).to(self.classifier[0].device) for part in pad_ids(rows))
        return F.normalize(masked_mean(self.text_tower(ids, mask), mask).float(), dim=-1)


def step_losses(
    model: MiniModel, teacher: Teacher, batch: Batch, shift: ClassShift, generator: torch.Generator
) -> dict[str, Tensor]:
    """Every loss of a batch by name, unweighted.

    captions: captioned pictures against their captions. classes, cut: the class target of each picture, over
    freshly named classes and over a cut of the concepts above them. logits: the teacher's flattened logits.
    synthetic, synthetic_cut: the same targets for one synthetic feature a class. nouns: class names, concepts and
    nouns beyond them find those synthetic features. anchor: the classifier still reads the tuned tower.
    features: the tuned tower sees in a spoiled picture what the teacher sees in the clean one.
    geometry: captions keep the likeness they had.
    """
    settings = model.config.preprocessing
    rows = batch.captions + batch.sentences
    device = batch.seen.device
    # Only the networks run in half precision: cosines times a scale near 100 need float32.
    half = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
    with half:
        features = model.image_tower(normalise(batch.seen, settings).contiguous(memory_format=torch.channels_last))
        tokens = grid_tokens(features)
        images = model.image_projector(features.pooled, tokens).float()
        names = encode_rows(model, batch.classes.rows + batch.cut.rows)
        nouns = encode_rows(model, batch.nouns) if batch.nouns else names[:0]
        texts = encode_rows(model, rows) if rows else None
        clean = teacher.pooled(normalise(batch.clean, settings))
        reference = teacher.sentences(rows) if rows else None
    scale = model.log_scale.exp()
    split = len(batch.classes.rows)
    classes, cut = names[:split], names[split:]
    target = class_target(shift.logits(clean), batch.labels)
    identity, members = torch.eye(split, device=device), batch.cut.members.to(device)
    base = torch.randint(len(images), (split,), generator=generator, device=device)
    made, synthetic_target = shift.draw(features.pooled.detach()[base].float(), tokens.detach()[base], generator)
    with half:
        synthetic = model.image_projector(*made).float()
    texts_of_classes = torch.cat([names, nouns])
    wanted = torch.cat([identity, members.T / members.sum(0)[:, None], batch.noun_targets.to(device).float()])
    result = {
        "classes": losses.concept_distillation(images, classes, scale, target, identity),
        "cut": losses.concept_distillation(images, cut, scale, target, members),
        "synthetic": losses.concept_distillation(synthetic, classes, scale, synthetic_target, identity),
        "synthetic_cut": losses.concept_distillation(synthetic, cut, scale, synthetic_target, members),
        "nouns": losses.concept_distillation(texts_of_classes, synthetic, scale, wanted, identity),
        "anchor": losses.divergence(shift.logits(features.pooled.float()), target),
    }
    free = batch.labels < 0
    if bool(free.any()):
        # A label says nothing of the order of other classes, and small labelled pictures have poor clean features.
        result["logits"] = losses.logit_matching(images[free], classes, scale, shift.logits(clean[free]), _TEMPERATURE)
        likeness = F.cosine_similarity(features.pooled[free].float(), clean[free], dim=1)
        result["features"] = (1 - likeness).mean()
    if texts is not None and reference is not None:
        result["geometry"] = losses.geometry(texts, reference)
        if batch.captions:
            positives = same_pairs(batch.captions, batch.groups).to(device)
            described = images[batch.captioned]
            result["captions"] = losses.contrastive(described, texts[: len(batch.captions)], scale, positives)
    return result


def total(parts: dict[str, Tensor], weights: LossWeights) -> Tensor:
    """The weighted sum of the losses of a step."""
    return torch.stack([getattr(weights, name) * value for name, value in parts.items()]).sum()


def class_target(logits: Tensor, labels: Tensor) -> Tensor:
    """Class probabilities (N, C): the teacher's, mixed with the label where there is one."""
    soft = logits.softmax(1)
    known = (labels >= 0).to(soft.dtype)[:, None] * _LABEL_TRUST
    return known * F.one_hot(labels.clamp_min(0), soft.shape[1]) + (1 - known) * soft


def same_pairs(rows: list[list[int]], groups: list[str]) -> Tensor:
    """Which pairs (M, M) share their text or their group's name, the diagonal included."""
    texts: dict[tuple[int, ...], int] = {}
    names: dict[str, int] = {}
    by_text = torch.tensor([texts.setdefault(tuple(row), len(texts)) for row in rows])
    # A picture without a group is a group of its own.
    by_name = torch.tensor(
        [names.setdefault(name, len(names)) if name else -1 - row for row, name in enumerate(groups)]
    )
    return (by_text[:, None] == by_text[None]) | (by_name[:, None] == by_name[None])
