"""What one training step sees: pictures, their captions, concept names and loose sentences.

N pictures of the step, S side, C classes of the tower, K concepts, M texts.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmkit.encoders.mini.tokenizer import MiniTokenizer
from mmkit.encoders.mini.training.data import (
    Collection,
    colour_jitter,
    degrade,
    random_views,
)
from mmkit.encoders.mini.training.relatives import Relatives
from mmkit.encoders.mini.training.text_pool import ConceptCut, NamePool

__all__ = ["Batch", "BatchMaker"]


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's material; pictures are bytes as floats of 0 to 255.

    clean, seen: (N, 3, S, S), the same crops before and after jitter and shrinking.
    labels: (N) class indices or -1. captioned: (M) rows of the pictures that `captions` describe, of `groups`.
    nouns, noun_targets: names of things that are no class, and their class probabilities (R, C).
    """

    clean: Tensor
    seen: Tensor
    labels: Tensor
    captioned: Tensor
    captions: list[list[int]]
    classes: ConceptCut
    cut: ConceptCut
    sentences: list[list[int]]
    groups: list[str]
    nouns: list[list[int]]
    noun_targets: Tensor


class BatchMaker:
    """Draws batches from collections held on the training device.

    shares: how many pictures of each collection a batch has.
    """

    def __init__(
        self,
        collections: Sequence[Collection],
        shares: Sequence[int],
        sentences: Sequence[str],
        pool: NamePool,
        tokenizer: MiniTokenizer,
        *,
        size: int,
        device: torch.device,
        seed: int,
    ) -> None:
        self.collections = list(collections)
        self.shares = list(shares)
        self.pool = pool
        self.relatives: Relatives | None = None
        self.size = size
        self.device = device
        self.rng = random.Random(seed)
        self.generator = torch.Generator(device=device).manual_seed(seed)
        self._pixels = [collection.pixels.to(device) for collection in self.collections]
        self._captions = [[tokenizer.rows(texts) for texts in collection.captions] for collection in self.collections]
        self._sentences = tokenizer.rows(sentences)

    def draw(self, *, sentences: int = 256, nouns: int = 256) -> Batch:
        """One batch, different at every call and the same for the same seed."""
        clean: list[Tensor] = []
        labels: list[Tensor] = []
        captioned: list[int] = []
        captions: list[list[int]] = []
        groups: list[str] = []
        for index, (collection, share) in enumerate(zip(self.collections, self.shares, strict=True)):
            # Without replacement, so that a picture never meets its own caption as a negative.
            rows = self.rng.sample(range(len(collection)), min(share, len(collection)))
            pixels = self._pixels[index][torch.tensor(rows, device=self.device)]
            clean.append(random_views(pixels, self.size, self.generator))
            start = sum(len(part) for part in labels)
            labels.append(collection.labels[rows])
            for offset, row in enumerate(rows):
                if self._captions[index][row]:
                    captioned.append(start + offset)
                    captions.append(self.rng.choice(self._captions[index][row]))
                    groups.append(collection.groups[row])
        views = torch.cat(clean)
        loose = self.rng.choices(self._sentences, k=sentences) if self._sentences else []
        noun_rows: list[list[int]] = []
        noun_targets = torch.zeros(0, len(self.pool.tree.classes))
        if self.relatives is not None:
            noun_rows, noun_targets = self.relatives.draw(self.rng, nouns)
        return Batch(
            clean=views,
            seen=self._worsen(views),
            labels=torch.cat(labels).to(self.device),
            captioned=torch.tensor(captioned, dtype=torch.long, device=self.device),
            captions=captions,
            classes=self.pool.classes(self.rng),
            cut=self.pool.cut(self.rng),
            sentences=loose,
            groups=groups,
            nouns=noun_rows,
            noun_targets=noun_targets,
        )

    def _worsen(self, views: Tensor, *, groups: int = 8, shrunk: float = 0.4) -> Tensor:
        """Jitter every view and shrink a share of them, a drawn side for each group of views."""
        seen = colour_jitter(views, self.generator)
        order = torch.randperm(len(seen), device=self.device, generator=self.generator)
        chosen = order[: int(shrunk * len(seen))]
        for part in chosen.chunk(groups):
            # Small thumbnails of 32 pixels are common, hence the weight on the low end.
            side = self.rng.choice((32, 32, 40, 48, 64, 96))
            if len(part):
                seen[part] = degrade(seen[part], side)
        return seen
