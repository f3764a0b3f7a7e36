"""All sounds of a training set as one row of samples on the device, cut out by index.

Legend: I sounds, L labels, M sources to draw, T samples.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Pool", "Sound"]

_NOTES: int = 8


@dataclass(frozen=True, slots=True)
class Sound:
    """One sound of a pool.

    Attributes:
        label: what it is.
        samples: (T,) float samples at the pool's rate.
        source: which recording or instrument it comes from; the notes of one source make phrases together.
        note: a single note, to be strung into phrases; otherwise a recording as it stands.
    """

    label: str
    samples: NDArray[np.floating]
    source: str = ""
    note: bool = False


class Pool:
    """Sounds by label.

    Args:
        sounds: in any order.
        rate: their sample rate in Hz.
        labels: the L names, in the order of the label numbers; sounds of other labels are left out.
        clashes: sets of labels too alike to be target and interference of one mixture.
    """

    def __init__(
        self,
        sounds: Sequence[Sound],
        rate: int,
        *,
        labels: Sequence[str],
        clashes: Sequence[Collection[str]] = (),
        device: torch.device | str = "cpu",
    ) -> None:
        self.rate, self.labels, self.device = rate, tuple(labels), torch.device(device)
        number = {label: row for row, label in enumerate(self.labels)}
        kept = [sound for sound in sounds if sound.label in number and len(sound.samples) > 1]
        lengths = np.array([len(sound.samples) for sound in kept], np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]) if kept else np.zeros(0, np.int64)
        row = np.concatenate([np.asarray(sound.samples, np.float16) for sound in kept])
        self.samples = torch.from_numpy(row).to(self.device)
        self.starts = torch.from_numpy(starts).to(self.device)
        self.lengths = torch.from_numpy(lengths).to(self.device)
        sources = sorted({(sound.label, sound.source) for sound in kept if sound.note})
        source_of = {key: place for place, key in enumerate(sources)}
        self._clips = _table(
            [[i for i, s in enumerate(kept) if s.label == x and not s.note] for x in self.labels], device
        )
        self._sources = _table([[source_of[key] for key in sources if key[0] == x] for x in self.labels], device)
        members: list[list[int]] = [[] for _ in sources]
        for place, sound in enumerate(kept):
            if sound.note:
                members[source_of[sound.label, sound.source]].append(place)
        self._notes = _table(members, device)
        present = {sound.label for sound in kept}
        self.present = torch.tensor([label in present for label in self.labels], device=self.device)
        self.clash = torch.eye(len(self.labels), dtype=torch.bool, device=self.device)
        for group in clashes:
            rows = [number[label] for label in group if label in number]
            for one in rows:
                self.clash[one, rows] = True

    def draw(self, labels: Tensor, length: int) -> Tensor:
        """(M,) label numbers to (M, ``length``) sources: random excerpts, speeds, and phrases of notes."""
        out = torch.zeros(len(labels), length, device=self.device)
        clips, notes = self._clips[1][labels] > 0, self._sources[1][labels] > 0
        phrase = notes & (~clips | (torch.rand(len(labels), device=self.device) < 0.5))
        if bool((~phrase).any()):
            out[~phrase] = self._excerpts(labels[~phrase], length)
        if bool(phrase.any()):
            out[phrase] = self._phrases(labels[phrase], length)
        return out

    def _excerpts(self, labels: Tensor, length: int) -> Tensor:
        rows, counts = self._clips
        item = rows[labels, (_uniform(labels, 0, 1) * counts[labels]).long()]
        speed = torch.exp(_uniform(labels, -0.25, 0.25))
        size = self.lengths[item].float()
        needed = length * speed
        # Long sounds start anywhere that fills the excerpt; short ones lie anywhere in it, half of them repeated.
        spare = size - needed
        offset = torch.where(spare > 0, _uniform(labels, 0, 1) * spare, _uniform(labels, 0, 1) * spare)
        place = torch.arange(length, device=self.device) * speed[:, None] + offset[:, None]
        gap = size * _uniform(labels, 0.02, 1.0) + 0.05 * self.rate
        again = (_uniform(labels, 0, 1) < 0.5)[:, None] & (spare < 0)[:, None]
        place = torch.where(again, torch.remainder(place, (size + gap)[:, None]), place)
        return self._read(item, place)

    def _phrases(self, labels: Tensor, length: int) -> Tensor:
        rows, counts = self._sources
        source = rows[labels, (_uniform(labels, 0, 1) * counts[labels]).long()]
        members, sizes = self._notes
        time = torch.arange(length, device=self.device)
        total = torch.zeros(len(labels), length, device=self.device)
        used = torch.randint(2, _NOTES + 1, (len(labels),), device=self.device)
        for number in range(_NOTES):
            item = members[source, (_uniform(labels, 0, 1) * sizes[source]).long()]
            speed = torch.pow(2.0, torch.round(_uniform(labels, -4.5, 4.5)) / 12)
            onset = _uniform(labels, -0.3, length / self.rate - 0.2) * self.rate
            lasts = _uniform(labels, 0.15, 2.0) * self.rate
            since = time - onset[:, None]
            fade = ((lasts[:, None] - since) / (0.04 * self.rate)).clamp(0, 1)
            loud = _uniform(labels, 0.3, 1.0) * (number < used)
            total += self._read(item, since * speed[:, None]) * fade * loud[:, None]
        return total

    def _read(self, item: Tensor, place: Tensor) -> Tensor:
        """Samples of (M,) sounds at (M, T) fractional places, silence outside them."""
        below = place.floor()
        part = place - below
        low = below.long()
        size = self.lengths[item][:, None]
        inside = (low >= 0) & (low < size - 1)
        at = torch.where(inside, low, 0) + self.starts[item][:, None]
        values = self.samples[at].float() * (1 - part) + self.samples[at + 1].float() * part
        return values * inside


def _table(rows: Sequence[Sequence[int]], device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Ragged rows as a padded table and their lengths."""
    width = max([1, *(len(row) for row in rows)])
    table = torch.zeros(max(1, len(rows)), width, dtype=torch.long)
    for number, row in enumerate(rows):
        table[number, : len(row)] = torch.tensor(row, dtype=torch.long)
    counts = torch.tensor([len(row) for row in rows] or [0])
    return table.to(device), counts.to(device)


def _uniform(like: Tensor, low: float, high: float) -> Tensor:
    return torch.rand(len(like), device=like.device) * (high - low) + low
