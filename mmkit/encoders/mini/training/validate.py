"""Figures on held-out pictures that choose between checkpoints; no test set takes part.

N pictures, C classes of the picture tower.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from mmkit.encoders.mini.model import MiniConfig, MiniModel
from mmkit.encoders.mini.preprocessing import normalise
from mmkit.encoders.mini.tokenizer import MiniTokenizer
from mmkit.encoders.mini.training.data import Collection, centre_views, degrade, read_collection
from mmkit.encoders.mini.training.evaluate import class_vectors, recalls, text_vectors, top1
from mmkit.encoders.mini.training.text_pool import NamePool

__all__ = ["Validation", "read_validation"]

# Concepts above the classes, as people name them; those that no validation picture shows are left out.
_EVERYDAY: Final = (
    "dog", "cat", "bird", "frog", "car", "truck", "ship", "boat", "bus", "train", "monkey", "bear", "snake",
    "lizard", "spider", "insect", "fish", "fruit", "shop", "bridge", "crustacean", "shark", "bovid", "clock",
    "furniture", "bottle", "ball", "hat", "fence", "vegetable",
)  # fmt: skip
_SMALL_SIDE: Final = 32


@dataclass(frozen=True, slots=True)
class Validation:
    """Held-out collections and the names to try on them."""

    collections: list[Collection]
    pool: NamePool
    tokenizer: MiniTokenizer

    @torch.inference_mode()
    def figures(self, model: MiniModel) -> dict[str, float]:
        """Percentages by name, and their mean as "score"."""
        found: dict[str, float] = {}
        for collection in self.collections:
            if int(collection.labels.max()) >= 0:
                found |= self._classified(model, collection)
            elif all(collection.groups):
                found |= self._named(model, collection)
            else:
                found |= self._retrieved(model, collection)
        found["score"] = sum(found.values()) / max(len(found), 1)
        return {name: round(value, 2) for name, value in found.items()}

    def _retrieved(self, model: MiniModel, collection: Collection) -> dict[str, float]:
        owner = torch.tensor([row for row, texts in enumerate(collection.captions) for _ in texts])
        texts = [text for several in collection.captions for text in several]
        vectors = text_vectors(model, self.tokenizer, texts)
        relevant = owner[:, None] == torch.arange(len(collection))[None]
        return {f"{collection.name} R@10": recalls(vectors, _vectors(model, collection), relevant)["R@10"]}

    def _named(self, model: MiniModel, collection: Collection) -> dict[str, float]:
        names = sorted(set(collection.groups))
        wanted = torch.tensor([names.index(name) for name in collection.groups])
        classes = class_vectors(model, self.tokenizer, names, model.config.templates)
        chosen = (_vectors(model, collection) @ classes.T).argmax(1).cpu()
        each = [float((chosen[wanted == index] == index).float().mean()) for index in range(len(names))]
        return {f"{collection.name} mean accuracy of {len(names)}": 100.0 * sum(each) / len(each)}

    def _classified(self, model: MiniModel, collection: Collection) -> dict[str, float]:
        nouns, tree = self.pool.tree.nouns, self.pool.tree
        shown = sorted(set(collection.labels.tolist()))
        names = [nouns[tree.classes[index]].lemmas[0] for index in shown]
        labels = torch.tensor([shown.index(label) for label in collection.labels.tolist()])
        templates = model.config.templates
        fine = class_vectors(model, self.tokenizer, names, templates)
        concept_of = self._everyday(shown)
        words = sorted(set(concept_of.values()))
        rows = [row for row, label in enumerate(collection.labels.tolist()) if label in concept_of]
        coarse = class_vectors(model, self.tokenizer, words, templates)
        wanted = torch.tensor([words.index(concept_of[int(collection.labels[row])]) for row in rows])
        small = _vectors(model, collection.part(rows), side=_SMALL_SIDE)
        return {
            f"{collection.name} top-1 of {len(names)}": top1(_vectors(model, collection), fine, labels),
            f"{collection.name} {_SMALL_SIDE} px top-1 of {len(words)} concepts": top1(small, coarse, wanted),
        }

    def _everyday(self, shown: list[int]) -> dict[int, str]:
        """The everyday word of each class that has one; of two words the narrower."""
        tree = self.pool.tree
        sizes: dict[int, tuple[int, str]] = {}
        for node, leaves in tree.leaves.items():
            word = tree.nouns[node].lemmas[0]
            if word in _EVERYDAY:
                for leaf in leaves:
                    sizes[leaf] = min(sizes.get(leaf, (len(leaves), word)), (len(leaves), word))
        return {leaf: word for leaf, (_, word) in sizes.items() if leaf in set(shown)}


def read_validation(data: Path, pool: NamePool, tokenizer: MiniTokenizer, config: MiniConfig) -> Validation:
    """The collections under `data`/validation; a folder without one gives figures of nothing but a score of 0."""
    folders = sorted(path.parent for path in (data / "validation").glob("*/captions.jsonl"))
    classes = {wnid: index for index, wnid in enumerate(pool.tree.classes)}
    size = config.preprocessing.size
    return Validation([read_collection(folder, classes, side=min(size, 224)) for folder in folders], pool, tokenizer)


def _vectors(model: MiniModel, collection: Collection, *, side: int | None = None) -> Tensor:
    device, settings = model.log_scale.device, model.config.preprocessing
    parts = []
    for pixels in torch.split(collection.pixels, 4 if device.type == "cpu" else 512):
        views = centre_views(pixels.to(device), settings.size)
        views = views if side is None else degrade(views, side)
        parts.append(model.image_features(normalise(views, settings)))
    return torch.cat(parts)
