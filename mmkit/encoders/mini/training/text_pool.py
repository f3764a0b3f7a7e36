"""Names for classes and for the concepts above them, drawn afresh at every training step.

C classes, K concepts of a cut.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from mmkit.encoders.mini.training.wordnet import ConceptTree, read_nouns

__all__ = ["TEMPLATES", "ConceptCut", "NamePool", "read_name_pool"]

# "{}" stands for the name. The short ones come first and are drawn most often.
TEMPLATES: Final = (
    "a photo of a {}.",
    "{}",
    "a {}",
    "a picture of a {}",
    "the {}",
    "a photo of the {}.",
    "an image of a {}",
    "{} in the picture",
    "a close-up photo of a {}.",
    "a small photo of a {}.",
    "a blurry photo of a {}.",
    "a pixelated picture of a {}",
    "a low resolution image of a {}",
    "a photo of one {}.",
    "a photo of a large {}.",
    "a dark photo of the {}.",
    "a bright photo of a {}.",
    "a cropped photo of a {}.",
    "a black and white photo of a {}.",
    "a snapshot of my {}",
    "there is a {} in this picture",
    "a {} in the middle of the frame",
    "this is a {}",
    "a drawing of a {}",
    "a good photo of the {}.",
    "a scene with a {}",
    "a {}, seen from the side",
    "photograph: {}",
)
_PLAIN_TEMPLATES: Final = 4


@dataclass(frozen=True, slots=True)
class ConceptCut:
    """K texts as token ids, and which of the C classes each stands for: (C, K) of 0 and 1."""

    rows: list[list[int]]
    members: Tensor


class NamePool:
    """Token ids of every name of every node of a concept tree, ready to be set into templates.

    tokenize: token ids of a piece of text without end marks. curated: one more name a class.
    Names and templates are tokenised apart: word pieces never reach across the space between them.
    """

    def __init__(
        self,
        tree: ConceptTree,
        curated: Sequence[str],
        tokenize: Callable[[str], list[int]],
        *,
        ends: tuple[int, int] = (101, 102),
    ) -> None:
        self.tree = tree
        self._ends = ends
        self._templates = [tuple(tokenize(part) for part in text.split("{}")) for text in TEMPLATES]
        self._tokenize = tokenize
        self._names: dict[str, list[list[int]]] = {}
        self._weights: dict[str, list[float]] = {}
        self._glosses: dict[str, list[int]] = {}
        curated_of = dict(zip(tree.classes, curated, strict=True))
        for node in tree.leaves:
            self.add(node, curated_of.get(node))

    def add(self, node: str, curated: str | None = None) -> None:
        """Learn the names of a node, also of one outside the tree, so that it can be drawn."""
        synset = self.tree.nouns[node]
        parent = self.tree.nouns[synset.hypernyms[0]].lemmas[0] if synset.hypernyms else ""
        weighted = [
            (synset.lemmas[0], 0.5),
            (", ".join(synset.lemmas), 0.08),
            (synset.lemmas[0].replace(" ", "_"), 0.02),
            (f"{synset.lemmas[0]}, a kind of {parent}", 0.05),
            *((lemma, 0.3 / len(synset.lemmas)) for lemma in synset.lemmas),
        ]
        if curated is not None:
            weighted.append((curated, 0.5))
        self._names[node] = [self._tokenize(name) for name, _ in weighted]
        self._weights[node] = [weight for _, weight in weighted]
        self._glosses[node] = self._tokenize(f"{synset.lemmas[0]}: {synset.gloss}")[:40]

    def gloss(self, node: str) -> list[int]:
        """Token ids of a node's first name and definition, end marks included."""
        return [self._ends[0], *self._glosses[node], self._ends[1]]

    def relatives(self, *, most: int = 60) -> dict[str, list[int]]:
        """Nouns outside the tree, each with the indices of the classes below its nearest node of the tree.

        They still have to be added. Nouns whose nearest node covers more than `most` classes are too far from
        all of them.
        """
        found: dict[str, list[int]] = {}
        for node in self.tree.nouns:
            if node in self.tree.leaves:
                continue
            nearest = next((above for above in self.tree.path(node) if above in self.tree.leaves), None)
            if nearest is not None and len(self.tree.leaves[nearest]) <= most:
                found[node] = self.tree.leaves[nearest]
        return found

    def prompt(self, node: str, rng: random.Random) -> list[int]:
        """Token ids, end marks included, of one random way to name a node."""
        if rng.random() < 0.05:
            inside = self._glosses[node]
        else:
            (name,) = rng.choices(self._names[node], self._weights[node])
            plain = rng.random() < 0.5
            before, after = rng.choice(self._templates[:_PLAIN_TEMPLATES] if plain else self._templates)
            inside = before + name[:40] + after
        return [self._ends[0], *inside, self._ends[1]]

    def classes(self, rng: random.Random) -> ConceptCut:
        """Every class under one random name: K = C."""
        rows = [self.prompt(node, rng) for node in self.tree.classes]
        return ConceptCut(rows, torch.eye(len(rows)))

    def cut(self, rng: random.Random, *, most: int = 400) -> ConceptCut:
        """A random cut through the tree, or a random part of one, of 2 to `most` concepts."""
        nodes = self.cut_nodes(rng, most=most)
        return ConceptCut([self.prompt(node, rng) for node in nodes], self.members(nodes))

    def cut_nodes(self, rng: random.Random, *, most: int = 400) -> list[str]:
        """The nodes of such a cut, in random order."""
        nodes = self.tree.sample_cut(rng, stop=rng.uniform(0.03, 0.4))
        rng.shuffle(nodes)
        if len(nodes) > 2 and (len(nodes) > most or rng.random() < 0.5):
            nodes = nodes[: rng.randint(2, min(most, len(nodes)))]
        return nodes

    def members(self, nodes: Sequence[str]) -> Tensor:
        """Which of the C classes each of K nodes stands for: (C, K) of 0 and 1."""
        members = torch.zeros(len(self.tree.classes), len(nodes))
        for column, node in enumerate(nodes):
            members[self.tree.leaves[node], column] = 1.0
        return members


def read_name_pool(folder: Path, tokenize: Callable[[str], list[int]]) -> NamePool:
    """The pool of a folder with `data.noun`, `imagenet_wnids.txt` and `imagenet_names.txt`.

    The two lists hold a line for each class, in the order of the tower's classifier.
    """
    classes = (folder / "imagenet_wnids.txt").read_text(encoding="utf-8").split()
    curated = (folder / "imagenet_names.txt").read_text(encoding="utf-8").splitlines()
    tree = ConceptTree(read_nouns(folder / "data.noun"), classes)
    return NamePool(tree, curated, tokenize)
