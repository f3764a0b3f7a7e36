"""The two stages of CLIPPINGS (Arora, Yang, Jheng and Dell 2023) on one's own records: pictures beside their texts.

Stage A needs no labels: each picture learns to find its own text, with equal texts counted once, and the epoch with the
lowest validation loss is kept. Stage B pulls together what is known to be one thing: a supervised contrastive loss of
pooled rows, at temperature 0.1, and a margin loss of pairs, over batches of classes that are hard to tell apart.

Legend: N records, D dims, S inputs from a picture.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from mmkit.errors import BadInput
from mmkit_link.adapter import Adapter
from mmkit_link.losses import clip_loss, pair_margin_loss, supervised_contrastive_loss
from mmkit_link.sketches import edit_similarities, landmarks_of, whitening
from mmkit_link.words import fold

__all__ = ["Pictured", "fit_adapter", "hard_batches"]

_BATCH: Final = 128
_RATE_A: Final = 1e-3
_RATE_B: Final = 1e-3
_DECAY: Final = 0.1
_DROPPED: Final = 0.2
_NEAREST: Final = 3
_ITEMS: Final = 3
_GROUPS: Final = 14
_FEWEST: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Pictured:
    """N records: (N, S) inputs from their pictures, their texts, and their classes where these are known."""

    inputs: NDArray[np.float32]
    texts: Sequence[str]
    classes: NDArray[np.int64] | None = None

    @classmethod
    def of(
        cls, inputs: NDArray[np.float32], texts: Sequence[str], labels: Sequence[Hashable] | None = None
    ) -> Pictured:
        """Records with both a picture and a text; the others teach nothing."""
        kept = np.flatnonzero(inputs.any(axis=1) & np.array([bool(text) for text in texts], bool))
        known: dict[Hashable, int] = {}
        classes = None if labels is None else np.array([known.setdefault(labels[row], len(known)) for row in kept])
        return cls(inputs[kept], [fold(texts[row]) for row in kept.tolist()], classes)

    def different(self) -> Pictured:
        """Each text once."""
        _, first = np.unique(np.array(self.texts, object).astype(str), return_index=True)
        kept = np.sort(first)
        return Pictured(self.inputs[kept], [self.texts[row] for row in kept.tolist()])


class _Maps(nn.Module):
    """Both linear maps, from standardised inputs and from sketches; the text's starts at nothing."""

    def __init__(self, inputs: int, dim: int) -> None:
        super().__init__()
        self.picture = nn.Linear(inputs, dim, bias=False)
        self.text = nn.Linear(dim, dim, bias=False)
        nn.init.zeros_(self.text.weight)

    def forward(self, inputs: Tensor, sketches: Tensor) -> tuple[Tensor, Tensor]:
        pictures = F.normalize(self.picture(F.dropout(inputs, _DROPPED, self.training)), dim=1)
        return pictures, F.normalize(sketches + self.text(F.dropout(sketches, _DROPPED, self.training)), dim=1)


def fit_adapter(
    train: Pictured,
    valid: Pictured | None = None,
    *,
    encoder: str,
    fingerprint: str,
    epochs: tuple[int, int] = (30, 40),
    seed: int = 0,
) -> Adapter:
    """Stage A, and stage B where the classes of ``train`` are known.

    Args:
        valid: chooses the epoch of stage A; without it a fifth of the training texts does.
        epochs: of stage A and of stage B.

    Raises:
        BadInput: fewer than 8 records with both a picture and a text.
    """
    if len(train.texts) < _FEWEST:
        raise BadInput(
            f"Expected at least {_FEWEST} records with a picture and a text, but received {len(train.texts)}"
        )
    torch.manual_seed(seed)
    landmarks = landmarks_of(train.texts, seed=seed)
    white = whitening(landmarks)
    mean = train.inputs.mean(axis=0)
    # The root of the number of inputs keeps the first products near 1.
    scale = (train.inputs.std(axis=0) + 1e-3) * train.inputs.shape[1] ** 0.5
    maps = _Maps(train.inputs.shape[1], len(landmarks))
    ready = _Ready(mean, scale, landmarks, white)
    about: dict[str, float] = _stage_a(maps, ready, train, valid, epochs[0], np.random.default_rng(seed))
    if train.classes is not None:
        about["stage_b_loss"] = _stage_b(maps, ready, train, epochs[1], np.random.default_rng(seed + 1))
    picture, text = (part.weight.detach().T.contiguous().numpy() for part in (maps.picture, maps.text))
    adapter = Adapter(encoder, fingerprint, tuple(landmarks), mean, scale, picture, white, text)
    return replace(adapter, about={"records": len(train.texts), "seed": seed, **about})


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    landmarks: list[str]
    white: NDArray[np.float32]

    def __call__(self, records: Pictured) -> tuple[Tensor, Tensor]:
        """(N, S) standardised inputs and (N, D) unit sketches."""
        inputs = torch.from_numpy(((records.inputs - self.mean) / self.scale).astype(np.float32))
        sketches = torch.from_numpy(edit_similarities(records.texts, self.landmarks) @ self.white)
        return inputs, F.normalize(sketches, dim=1)


def _stage_a(
    maps: _Maps, ready: _Ready, train: Pictured, valid: Pictured | None, epochs: int, rng: np.random.Generator
) -> dict[str, float]:
    once = train.different()
    inputs, sketches = ready(once)
    rows = rng.permutation(len(inputs))
    if valid is None or len(valid.texts) < 2:
        count = max(2, len(rows) // 5)
        held = inputs[rows[:count]], sketches[rows[:count]]
        rows = rows[count:]
    else:
        held = ready(valid.different())
    optimiser = torch.optim.AdamW(maps.parameters(), lr=_RATE_A, betas=(0.9, 0.98), weight_decay=_DECAY)
    best, kept, at = float("inf"), {name: value.clone() for name, value in maps.state_dict().items()}, 0
    for epoch in range(epochs):
        maps.train()
        for part in np.array_split(rng.permutation(rows), max(1, round(len(rows) / _BATCH))):
            optimiser.zero_grad()
            clip_loss(*maps(inputs[part], sketches[part])).backward()
            optimiser.step()
        maps.eval()
        with torch.inference_mode():
            loss = float(clip_loss(*maps(*held)))
        if loss < best:
            best, at = loss, epoch + 1
            kept = {name: value.clone() for name, value in maps.state_dict().items()}
    maps.load_state_dict(kept)
    return {"stage_a_loss": best, "stage_a_epoch": at}


def _stage_b(maps: _Maps, ready: _Ready, train: Pictured, epochs: int, rng: np.random.Generator) -> float:
    assert train.classes is not None
    inputs, sketches = ready(train)
    optimiser = torch.optim.AdamW(maps.parameters(), lr=_RATE_B, betas=(0.9, 0.98), weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    total = 0.0
    for _ in range(epochs):
        maps.eval()
        with torch.inference_mode():
            rows = _pooled(*maps(inputs, sketches)).numpy()
        maps.train()
        losses = []
        for part in hard_batches(rows, train.classes, rng):
            classes = torch.from_numpy(train.classes[part])
            pictures, texts = maps(inputs[part], sketches[part])
            both = _pooled(pictures, texts)
            # The pictures alone as well: pooled rows are good as soon as the texts are, and then teach them nothing.
            loss = supervised_contrastive_loss(both, classes) + supervised_contrastive_loss(pictures, classes)
            loss = loss + pair_margin_loss(both, classes)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        schedule.step()
        total = float(np.mean(losses))
    return total


def _pooled(pictures: Tensor, texts: Tensor) -> Tensor:
    return F.normalize(pictures + texts, dim=1)


def hard_batches(
    rows: NDArray[np.float32], classes: NDArray[np.int64], rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Batches of groups: a class and the classes nearest to it (3 in all), 3 items of each.

    One item of each class says where it lies. A class of fewer items gives each of them more than once.
    """
    members = [np.flatnonzero(classes == number) for number in range(int(classes.max()) + 1)]
    shown = rows[[int(rng.choice(each)) for each in members]]
    near = np.argsort(-(shown @ shown.T), axis=1, kind="stable")
    batches: list[NDArray[np.int64]] = []
    batch: list[NDArray[np.int64]] = []
    for number in rng.permutation(len(members)).tolist():
        group = [number, *(other for other in near[number].tolist() if other != number)][:_NEAREST]
        batch += [rng.choice(members[each], _ITEMS, replace=len(members[each]) < _ITEMS) for each in group]
        if len(batch) >= _GROUPS * _NEAREST:
            batches.append(np.concatenate(batch))
            batch = []
    return [*batches, np.concatenate(batch)] if batch else batches
