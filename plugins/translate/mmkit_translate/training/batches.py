"""Which texts go together into a batch: pairs of similar length, as many as a budget of pieces allows.

N pairs of a batch, S and T places of its source and target, E pairs of an epoch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mmkit_translate.training.packed import CAPTION, HELD_OUT, PARALLEL, Packed

__all__ = ["Batches", "Padded", "caption_pairs", "padded", "parallel_pairs"]

#: Longer texts are left out of training: a handful, and a batch of them would be mostly padding.
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class Padded:
    """Texts of unequal length as one tensor.

    Attributes:
        ids: (N, S).
        mask: (N, S), True at real tokens.
    """

    ids: Tensor
    mask: Tensor


def padded(packed: Packed, texts: Tensor, *, pad: int, eos: int) -> Padded:
    """The pieces of ``texts`` (N,), each with ``eos`` after them."""
    starts = packed.starts[texts].long()
    lengths = packed.starts[texts + 1].long() - starts
    places = torch.arange(int(lengths.max()) + 1 if len(texts) else 0, device=texts.device)
    inside = places < lengths[:, None]
    ids = packed.pieces[(starts[:, None] + places).clamp(max=len(packed.pieces) - 1)].long()
    ids = ids.masked_fill(~inside, pad)
    ids[torch.arange(len(texts), device=texts.device), lengths] = eos
    return Padded(ids, places <= lengths[:, None])


def parallel_pairs(packed: Packed, *, role: int = PARALLEL) -> tuple[Tensor, Tensor]:
    """All (source, target) texts of one unit in two languages, each way: (E,) and (E,)."""
    chosen = ((packed.role == role) & (packed.lengths <= _LONGEST)).nonzero().flatten()
    order = chosen[packed.unit[chosen].argsort(stable=True)]
    units = packed.unit[order]
    sources, targets = [], []
    # The texts of a unit lie side by side now, so its pairs are a few places apart.
    for apart in range(1, int(packed.language.max()) + 1):
        same = units[apart:] == units[:-apart]
        first, second = order[:-apart][same], order[apart:][same]
        sources += [first, second]
        targets += [second, first]
    empty = torch.zeros(0, dtype=torch.long)
    return torch.cat(sources or [empty]), torch.cat(targets or [empty])


def caption_pairs(packed: Packed) -> Tensor:
    """(E,) the texts that a picture's vector should be able to become: translations and further captions."""
    wanted = (packed.role == PARALLEL) | (packed.role == CAPTION)
    return (wanted & (packed.lengths <= _LONGEST)).nonzero().flatten()


class Batches:
    """Epochs of batches over pairs; the same seed and epoch give the same batches.

    Args:
        sources, targets: (E,) texts.
        keep: (E,) the probability that a pair is in an epoch.
        pieces: how many places, padding included, the longer side of a batch may have.
    """

    def __init__(
        self, packed: Packed, sources: Tensor, targets: Tensor, *, keep: Tensor, pieces: int, seed: int
    ) -> None:
        # Epochs are laid out on the CPU, wherever the pieces themselves lie.
        sources, targets, lengths = sources.cpu(), targets.cpu(), packed.lengths.cpu()
        self._sources, self._targets, self._keep = sources, targets, keep.cpu()
        self._cost = torch.maximum(lengths[sources], lengths[targets]).long() + 1
        self._pieces, self._seed = pieces, seed

    def epoch(self, number: int) -> list[tuple[Tensor, Tensor]]:
        """The batches of an epoch: sources (N,) and targets (N,) each."""
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + number)
        draws = torch.rand(len(self._keep), generator=generator)
        chosen = (draws < self._keep).nonzero().flatten()
        # A little noise, so that texts of one length are not always in each other's company.
        noise = torch.rand(len(chosen), generator=generator) * 1.5
        chosen = chosen[(self._cost[chosen] + noise).argsort()]
        batches = []
        start = 0
        costs = self._cost[chosen].tolist()
        for end, cost in enumerate(costs):
            if cost * (end - start + 1) > self._pieces and end > start:
                batches.append(chosen[start:end])
                start = end
        if start < len(chosen):
            batches.append(chosen[start:])
        order = torch.randperm(len(batches), generator=generator).tolist()
        return [(self._sources[batches[place]], self._targets[batches[place]]) for place in order]


def held_out_pairs(packed: Packed, source: int, target: int, limit: int) -> tuple[Tensor, Tensor]:
    """The first ``limit`` validation pairs of one direction."""
    sources, targets = parallel_pairs(packed, role=HELD_OUT)
    right = (packed.language[sources] == source) & (packed.language[targets] == target)
    sources, targets = sources[right], targets[right]
    order = sources.argsort()[:limit]
    return sources[order], targets[order]
