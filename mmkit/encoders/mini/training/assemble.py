"""A model from pre-trained towers, and a weights folder from a model.

C classes of the picture tower's own classifier, D dimensions of the joint space.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from mmkit.encoders.mini.model import WEIGHT_FILES, MiniConfig, MiniModel
from mmkit.encoders.mini.tokenizer import pad_ids
from mmkit.encoders.mini.training.text_pool import NamePool

__all__ = ["Classifier", "encode_rows", "load_towers", "save_weights", "seed_projector", "sha256_of"]

Classifier = tuple[Tensor, Tensor]  # weight (C, 1280) and bias (C,)


def load_towers(base: Path, config: MiniConfig) -> tuple[MiniModel, Classifier]:
    """A model with converted pre-trained towers and fresh projectors, and the classifier left over."""
    image = {name: value.float() for name, value in load_file(base / f"{config.variant}.safetensors").items()}
    classifier = image.pop("classifier.weight"), image.pop("classifier.bias")
    model = MiniModel(config)
    model.image_tower.load_state_dict(image)
    model.text_tower.load_state_dict(load_file(base / "minilm.safetensors"))
    return model, classifier


@torch.no_grad()
def seed_projector(model: MiniModel, classifier: Classifier, pool: NamePool, *, draws: int = 4) -> None:
    """Start the picture projector at the mean of class names weighted by the classifier's logits.

    A linear form of ConSE (Norouzi et al., 2014): row c of the classifier becomes the text vector of class c,
    so that the two spaces agree about the C classes before a step is trained.
    """
    weight = classifier[0].to(model.log_scale.device)
    rng = random.Random(0)
    names = torch.stack([encode_rows(model, pool.classes(rng).rows) for _ in range(draws)]).mean(0)
    texts = F.normalize(names - names.mean(0), dim=-1)
    branch = model.image_projector.pooled
    linear = texts.T @ (weight - weight.mean(0))
    branch.linear.weight.copy_(linear / linear.norm(dim=1).mean())
    branch.linear.bias.copy_(names.mean(0))
    for quiet in (branch.outer, model.image_projector.places.outer, model.image_projector.places.linear):
        quiet.weight.mul_(0.1)
        quiet.bias.zero_()


def encode_rows(model: MiniModel, rows: list[list[int]], *, batch: int = 512) -> Tensor:
    """Text vectors (K, D) of rows of token ids."""
    device = model.log_scale.device
    # Rows of like length go together, so that little of a batch is padding.
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    parts = []
    for start in range(0, len(rows), batch):
        ids, mask = pad_ids([rows[row] for row in order[start : start + batch]])
        parts.append(model.text_features(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)))
    back = torch.tensor(order, device=device).argsort()
    return torch.cat(parts)[back]


def save_weights(model: MiniModel, tokenizer: Path, folder: Path) -> None:
    """Write the weights in float16, the tokenizer and `config.json`.

    Raises ValueError where a weight does not fit float16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    for file, prefixes in WEIGHT_FILES.items():
        chosen = {name: value.half().contiguous() for name, value in state.items() if name.startswith(prefixes)}
        overflowing = [name for name, value in chosen.items() if not torch.isfinite(value).all()]
        if overflowing:
            raise ValueError(f"Expected weights within float16, but these overflow: {overflowing}")
        save_file(chosen, folder / file)
        (folder / file).chmod(0o644)
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    config = asdict(model.config) | {"logit_scale": round(model.logit_scale, 4)}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
