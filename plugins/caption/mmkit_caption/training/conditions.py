"""Which vector stands for which sentence while a captioner learns to write from text vectors.

S sentences, U texts with a vector, G groups, M texts of a group at most, D dims.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmkit_caption.training.corpus import Sentence

__all__ = ["Conditions"]


class Conditions:
    """Draws the vector that each sentence is to be written from.

    A sentence in the encoder's language has its own vector, a translation that of the sentence it translates. With
    probability ``share``, and always where there is neither, it is the mean of some of the vectors of its group, its
    own left out where others remain: a picture's vector is such a mean of what can be said about it.

    Args:
        vectors: (U, D) unit rows of ``texts``.
        share: from 0 (own vectors) to 1.
        beside: sentences that make up the groups, those of ``corpus`` among them; by default ``corpus`` alone.
    """

    def __init__(
        self,
        corpus: Sequence[Sentence],
        texts: Sequence[str],
        vectors: Tensor,
        *,
        share: float = 0.0,
        spoken: str = "en",
        beside: Sequence[Sentence] = (),
    ) -> None:
        self.vectors = vectors
        self.share = share
        row_of = {text: row for row, text in enumerate(texts)}
        groups: dict[str, list[int]] = defaultdict(list)
        for sentence in beside or corpus:
            if sentence.group and sentence.lang == spoken and row_of[sentence.text] not in groups[sentence.group]:
                groups[sentence.group].append(row_of[sentence.text])
        names = [name for name, rows in groups.items() if rows]
        number_of = {name: number for number, name in enumerate(names)}
        most = max((len(groups[name]) for name in names), default=1)
        members = torch.full((max(1, len(names)), most), -1, dtype=torch.long)
        for number, name in enumerate(names):
            members[number, : len(groups[name])] = torch.tensor(groups[name])
        own = [row_of.get(s.text if s.lang == spoken else s.of, -1) for s in corpus]
        group = [number_of.get(s.group, -1) for s in corpus]
        device = vectors.device
        self.members = members.to(device)
        self.own = torch.tensor(own, dtype=torch.long, device=device)
        self.group = torch.tensor(group, dtype=torch.long, device=device)

    @classmethod
    def of_pictures(cls, vectors: Tensor, rows: Sequence[int]) -> Conditions:
        """Supervised: sentence s is written from picture ``rows[s]`` of the vectors (M, D)."""
        made = cls([], [], vectors)
        made.own = torch.tensor(list(rows), dtype=torch.long, device=vectors.device)
        made.group = torch.full_like(made.own, -1)
        return made

    @property
    def usable(self) -> Tensor:
        """(S,): True where a sentence has a vector to be written from."""
        return (self.own >= 0) | (self.group >= 0)

    def draw(self, rows: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Unit vectors (N, D), float32, for the sentences ``rows`` (N,), all of them usable."""
        own, group = self.own[rows], self.group[rows]
        chance = torch.rand(len(rows), generator=generator, device=rows.device)
        grouped = (own < 0) | ((chance < self.share) & (group >= 0))
        drawn = self.vectors[own.clamp_min(0)].float()
        where = grouped.nonzero().flatten()
        if len(where):
            drawn[where] = self._means(own[where], group[where], generator)
        return drawn

    def _means(self, own: Tensor, group: Tensor, generator: torch.Generator | None) -> Tensor:
        members = self.members[group]
        there = members >= 0
        others = there & (members != own[:, None])
        allowed = torch.where(others.any(1, keepdim=True), others, there)
        chance = torch.rand(allowed.shape, generator=generator, device=own.device)
        taken = allowed & (chance < 0.5)
        taken = torch.where(taken.any(1, keepdim=True), taken, allowed)
        vectors = self.vectors[members.clamp_min(0)].float()
        return F.normalize((vectors * taken[..., None]).sum(1), dim=-1)
