"""WordNet's noun hierarchy, read from its plain database file, over a list of picture classes.

Source: Miller, "WordNet: a lexical database for English" (1995); file format: wndb(5). C classes, K concepts.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

__all__ = ["ConceptTree", "Synset", "read_nouns"]

# Concepts too wide to be said of a picture.
_UNSAYABLE = frozenset({"entity", "physical entity", "object", "whole", "matter", "abstraction", "unit"})


@dataclass(frozen=True, slots=True)
class Synset:
    """A set of synonyms with its definition and the ids of the sets that include it."""

    id: str
    lemmas: tuple[str, ...]
    gloss: str
    hypernyms: tuple[str, ...]


def read_nouns(path: Path) -> dict[str, Synset]:
    """All noun synsets of a `data.noun` file by id, an "n" before eight digits."""
    nouns: dict[str, Synset] = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        if line.startswith("  "):  # the licence at the head of the file
            continue
        data, _, gloss = line.partition(" | ")
        fields = data.split()
        words = int(fields[3], 16)
        lemmas = tuple(fields[4 + 2 * index].replace("_", " ") for index in range(words))
        pointers = fields[5 + 2 * words :]
        hypernyms = tuple(
            "n" + pointers[index + 1]
            for index in range(0, len(pointers) - 3, 4)
            if pointers[index] in ("@", "@i") and pointers[index + 2] == "n"
        )
        identity = "n" + fields[0]
        nouns[identity] = Synset(identity, lemmas, gloss.split('; "')[0].strip(), hypernyms)
    return nouns


class ConceptTree:
    """The tree of first hypernyms above a list of classes.

    Every node covers the classes below it, so a cut through the tree is a set of concepts that shares
    the classes out without overlap: "dog, cat, vehicle" as well as the classes themselves.
    No class may lie below another.
    """

    def __init__(self, nouns: dict[str, Synset], classes: Sequence[str]) -> None:
        self.nouns = nouns
        self.classes = tuple(classes)
        self.children: dict[str, list[str]] = {}
        self.leaves: dict[str, list[int]] = {}
        self.root = ""
        for index, leaf in enumerate(classes):
            path = self.path(leaf)
            self.root = path[-1]
            for child, parent in pairwise(path):
                siblings = self.children.setdefault(parent, [])
                if child not in siblings:
                    siblings.append(child)
            for node in path:
                self.leaves.setdefault(node, []).append(index)

    def path(self, identity: str) -> list[str]:
        """A synset and its first hypernyms up to the root."""
        path = [identity]
        while self.nouns[path[-1]].hypernyms:
            path.append(self.nouns[path[-1]].hypernyms[0])
        return path

    def concepts(self, *, fewest: int = 2) -> list[str]:
        """Nodes above the classes that cover at least `fewest` of them and can be said of a picture."""
        leaves = set(self.classes)
        return [
            node
            for node, covered in self.leaves.items()
            if len(covered) >= fewest and node not in leaves and self._sayable(node)
        ]

    def sample_cut(self, rng: random.Random, *, stop: float) -> list[str]:
        """A random cut: at each sayable node the descent ends with probability `stop`.

        A chain of nodes over one and the same class is one concept under several names; any may stand for it.
        """
        cut: list[str] = []
        open_nodes = [self.root]
        while open_nodes:
            node = open_nodes.pop()
            children = self.children.get(node, [])
            if not children or (self._sayable(node) and rng.random() < stop):
                cut.append(node)
            else:
                open_nodes.extend(children)
        return cut

    def _sayable(self, node: str) -> bool:
        return self.nouns[node].lemmas[0] not in _UNSAYABLE
