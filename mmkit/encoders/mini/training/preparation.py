"""What is worked out once before training: feature statistics and the classes of nouns."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch

from mmkit.encoders.mini.preprocessing import Preprocessing, normalise
from mmkit.encoders.mini.projectors import grid_tokens
from mmkit.encoders.mini.training.data import Collection, centre_views
from mmkit.encoders.mini.training.objective import Teacher
from mmkit.encoders.mini.training.relatives import Relatives, fit_relatives
from mmkit.encoders.mini.training.synthetic import ClassShift
from mmkit.encoders.mini.training.text_pool import NamePool

__all__ = ["fit_nouns", "fit_shift"]


@torch.no_grad()
def fit_shift(
    teacher: Teacher,
    collections: Sequence[Collection],
    settings: Preprocessing,
    *,
    most: int = 2048,
    seed: int = 0,
) -> ClassShift:
    """The class directions of the teacher, from up to `most` pictures of each collection."""
    weight, bias = teacher.classifier
    rng = random.Random(seed)
    pooled, places = [], []
    for collection in collections:
        chosen = collection.part(rng.sample(range(len(collection)), min(most, len(collection))))
        for pixels in torch.split(chosen.pixels, 256 if weight.is_cuda else 8):
            views = normalise(centre_views(pixels.to(weight.device), settings.size), settings)
            features = teacher.image_tower(views.contiguous(memory_format=torch.channels_last))
            pooled.append(features.pooled)
            places.append(grid_tokens(features).mean(1))
    return ClassShift.fit(weight, bias, torch.cat(pooled), torch.cat(places))


@torch.no_grad()
def fit_nouns(pool: NamePool, teacher: Teacher, *, most: int | None = None, seed: int = 0) -> Relatives:
    """The nouns outside the classes (all, or `most` drawn ones) with their class probabilities."""
    known = pool.relatives()
    if most is not None:
        known = {node: known[node] for node in random.Random(seed).sample(sorted(known), min(most, len(known)))}
    for node in known:
        pool.add(node)
    nodes = [*known, *pool.tree.classes]
    vectors = [
        teacher.sentences([pool.gloss(node) for node in nodes[start : start + 512]]).cpu()
        for start in range(0, len(nodes), 512)
    ]
    return fit_relatives(pool, dict(zip(nodes, torch.cat(vectors), strict=True)), known)
