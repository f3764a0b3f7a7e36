"""Nouns that no picture class stands for, tied to the classes nearest to them in WordNet.

"deer" is no class of the tower, but gazelles and bighorns are, and both lie under its nearest known hypernym.
R nouns, C classes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from mmkit.encoders.mini.training.text_pool import NamePool

__all__ = ["Relatives", "fit_relatives"]

_TEMPERATURE = 0.05


@dataclass(frozen=True, slots=True)
class Relatives:
    """Nouns and their class distributions, targets (R, C)."""

    pool: NamePool
    nodes: list[str]
    targets: Tensor

    def nouns(self, rng: random.Random, count: int) -> list[int]:
        """Rows of `count` random nouns."""
        return rng.sample(range(len(self.nodes)), min(count, len(self.nodes)))

    def draw(self, rng: random.Random, count: int) -> tuple[list[list[int]], Tensor]:
        """Token ids of `count` nouns, each under a random name, and their targets (count, C)."""
        chosen = self.nouns(rng, count)
        return [self.pool.prompt(self.nodes[index], rng) for index in chosen], self.targets[chosen]


def fit_relatives(pool: NamePool, vectors: dict[str, Tensor], known: dict[str, list[int]]) -> Relatives:
    """Share each noun out over the classes below its nearest node by the likeness of their definitions.

    vectors: unit rows of the definitions of every noun in `known` and of every class.
    """
    classes = torch.stack([vectors[node] for node in pool.tree.classes])
    nodes = list(known)
    likeness = torch.stack([vectors[node] for node in nodes]) @ classes.T
    allowed = torch.zeros_like(likeness, dtype=torch.bool)
    for row, node in enumerate(nodes):
        allowed[row, known[node]] = True
    targets = likeness.div(_TEMPERATURE).masked_fill(~allowed, -torch.inf).softmax(1)
    return Relatives(pool, nodes, targets.half())
