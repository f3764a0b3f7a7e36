"""Mixtures made on the device: labels drawn, sources coloured and echoed, gains set, queries chosen.

Legend: B mixtures, S sources a mixture, Q queries a mixture, D dims, T samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmkit_separate.training.pool import Pool

__all__ = ["Mixer", "Mixtures", "Queries"]


@dataclass(frozen=True, slots=True)
class Mixtures:
    """Attributes:
    mixture: (B, T).
    targets: (B, Q, T); silence where the query asks for what is not there.
    queries: (B, Q, D) unit rows.
    """

    mixture: Tensor
    targets: Tensor
    queries: Tensor


class Queries:
    """Vectors that stand for labels, one drawn at random each time.

    Args:
        vectors: (V, D) unit rows of one modality.
        rows: for each label number the rows of ``vectors`` that mean it.
        noise: longest random vector that is added to a unit query.
    """

    def __init__(self, vectors: Tensor, rows: Sequence[Sequence[int]], *, noise: float = 0.5) -> None:
        device = vectors.device
        width = max(len(row) for row in rows)
        if min(len(row) for row in rows) == 0:
            raise ValueError("Expected at least one query vector for each label")
        # Short rows are filled up by repeating them: a draw stays one index.
        table = [[row[i % len(row)] for i in range(width)] for row in rows]
        self._table = torch.tensor(table, device=device)
        self.vectors, self.noise = vectors, noise

    def draw(self, labels: Tensor) -> Tensor:
        """(...,) label numbers to (..., D) unit rows."""
        column = torch.randint(self._table.shape[1], labels.shape, device=labels.device)
        found = self.vectors[self._table[labels, column]]
        size = self.noise * torch.rand(*labels.shape, 1, device=labels.device)
        found = found + torch.nn.functional.normalize(torch.randn_like(found), dim=-1) * size
        return torch.nn.functional.normalize(found, dim=-1)


class Mixer:
    """Draws batches of mixtures.

    Args:
        pool: the sounds.
        queries: what stands for their labels.
        domains: (weight, label numbers for the target, label numbers for the rest) to draw from.
        length: T.
        absent: share of queries for a sound that is not in the mixture.
        third: share of mixtures with a third source.
        spread: gains lie within plus and minus this many dB.
        stray: share of targets that hold an off-screen sound of another label, 0 to 10 dB below.
    """

    def __init__(
        self,
        pool: Pool,
        queries: Queries,
        *,
        domains: Sequence[tuple[float, Sequence[int], Sequence[int]]],
        length: int,
        absent: float = 0.12,
        third: float = 0.3,
        spread: float = 6.0,
        stray: float = 0.0,
        effects: bool = True,
    ) -> None:
        self.pool, self.queries, self.length = pool, queries, length
        self.absent, self.third, self.spread, self.stray, self.effects = absent, third, spread, stray, effects
        device = pool.device
        self.weights = torch.tensor([weight for weight, _, _ in domains], device=device)
        self.first = _padded([list(labels) for _, labels, _ in domains], device)
        self.others = _padded([list(labels) for _, _, labels in domains], device)

    def labels(self, batch: int) -> Tensor:
        """(B, 4) labels that do not clash: two sources, a third, and one that is not in the mixture."""
        device = self.pool.device
        domain = torch.multinomial(self.weights, batch, replacement=True)
        chosen = self.first[domain, torch.randint(self.first.shape[1], (batch,), device=device)][:, None]
        for place in range(3):
            tries = torch.randint(self.others.shape[1], (batch, 24), device=device)
            table = self.others[domain[:, None], tries]
            if place == 2:
                table = self.first[domain[:, None], tries % self.first.shape[1]]
            free = ~self.pool.clash[chosen[:, :, None], table[:, None, :]].any(dim=1)
            pick = free.float().argmax(dim=1, keepdim=True)
            chosen = torch.cat([chosen, table.gather(1, pick)], dim=1)
        return chosen

    def sources(self, labels: Tensor) -> Tensor:
        """(M,) labels to (M, T) sources of root mean square 0.05, or silence."""
        drawn = self.pool.draw(labels, self.length)
        if self.effects:
            drawn = _coloured(drawn, self.pool.rate)
        level = drawn.square().mean(dim=-1, keepdim=True).sqrt()
        return torch.where(level > 1e-5, drawn * (0.05 / level.clamp_min(1e-5)), torch.zeros_like(drawn))

    def draw(self, batch: int) -> Mixtures:
        """B mixtures with two queries each: both first sources, or now and then a sound that is not there."""
        device = self.pool.device
        labels = self.labels(batch)
        sources = self.sources(labels[:, :3].flatten()).unflatten(0, (batch, 3))
        if self.stray:
            sources = self._with_stray(sources, labels)
        gains = torch.pow(10.0, (torch.rand(batch, 3, device=device) - 0.5) * self.spread / 10)
        gains[:, 2] *= (torch.rand(batch, device=device) < self.third).float()
        sources = sources * gains[..., None]
        mixture = sources.sum(dim=1)
        volume = torch.pow(10.0, torch.rand(batch, 1, device=device) * 2 - 1.5)
        mixture, sources = mixture * volume, sources * volume[..., None]
        away = torch.rand(batch, device=device) < 2 * self.absent
        asked = torch.stack([labels[:, 0], torch.where(away, labels[:, 3], labels[:, 1])], dim=1)
        targets = torch.stack([sources[:, 0], torch.where(away[:, None], 0.0, sources[:, 1])], dim=1)
        return Mixtures(mixture, targets, self.queries.draw(asked))

    def _with_stray(self, sources: Tensor, labels: Tensor) -> Tensor:
        """The first two of (B, 3, T) sources, each perhaps with an off-screen sound inside it."""
        batch = len(labels)
        noise = self.sources(labels[:, 2:].flatten()).unflatten(0, (batch, 2))
        level = torch.pow(10.0, -torch.rand(batch, 2, 1, device=sources.device) / 2)
        level = level * (torch.rand(batch, 2, 1, device=sources.device) < self.stray)
        return torch.cat([sources[:, :2] + level * noise, sources[:, 2:]], dim=1)


def _padded(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    width = max(len(row) for row in rows)
    return torch.tensor([[row[i % len(row)] for i in range(width)] for row in rows], device=device)


def _coloured(sounds: Tensor, rate: int) -> Tensor:
    """(M, T) sounds, most of them through a random equaliser and some through a random room."""
    count, length = sounds.shape
    device = sounds.device
    size = 2 ** (length + rate // 2 - 1).bit_length()
    spectra = torch.fft.rfft(sounds, size)
    bins = spectra.shape[-1]
    knots = (torch.rand(count, 1, 9, device=device) - 0.5) * 12 * (torch.rand(count, 1, 1, device=device) < 0.6)
    # Even steps in the logarithm of frequency, from 1/512 of the band up.
    octave = (torch.log2(torch.linspace(1 / 512, 1, bins, device=device)) + 9) / 9 * 8
    low = octave.floor().clamp(0, 7).long()
    part = octave - low
    curve = knots[:, 0, :][:, low] * (1 - part) + knots[:, 0, :][:, low + 1] * part
    spectra = spectra * torch.pow(10.0, curve / 20)
    decay = torch.arange(rate // 2, device=device) / (rate * (torch.rand(count, 1, device=device) * 0.12 + 0.02))
    room = torch.randn(count, rate // 2, device=device) * torch.exp(-decay)
    wet = torch.rand(count, 1, device=device) * 0.5 * (torch.rand(count, 1, device=device) < 0.25)
    room = room / room.square().sum(dim=1, keepdim=True).sqrt() * wet
    room[:, 0] += 1
    return torch.fft.irfft(spectra * torch.fft.rfft(room, size), size)[:, :length]
