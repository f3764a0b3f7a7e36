"""Real labelled crops: files of them, and draws from several sources at once.

Legend: N crops.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mmkit_ocr.recogniser.charset import to_numbers
from mmkit_ocr.recogniser.crops import drawn_width, fitted
from mmkit_ocr.training.spelling import usable

__all__ = ["CropSet", "Mixture", "crop_set", "read_crops", "split"]


@dataclass(frozen=True, eq=False)
class CropSet:
    """Crops of one source.

    Attributes:
        pictures: (N, 48, W, 3) uint8 RGB, as ``fitted`` makes them.
        widths: (N,) int64, the columns that the words themselves take.
        texts: N words that the recogniser can spell.
    """

    name: str
    pictures: np.ndarray
    widths: np.ndarray
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int] | np.ndarray) -> CropSet:
        """The crops of these rows."""
        return CropSet(self.name, self.pictures[rows], self.widths[rows], tuple(self.texts[int(row)] for row in rows))


def read_crops(path: Path, *, width: int) -> list[CropSet]:
    """A packed file of crops, by source.

    It holds ``data`` (bytes of encoded pictures, one after the other), ``offsets``, ``texts`` and the name of each
    crop's source as ``sets``.
    """
    with np.load(path, allow_pickle=False) as packed:
        data, offsets, texts, names = (packed[name] for name in ("data", "offsets", "texts", "sets"))
    sets = []
    for name in sorted(set(names.tolist())):
        rows = [row for row in np.flatnonzero(names == name) if usable(str(texts[row]))]
        decoded = (_decoded(data[offsets[row] : offsets[row + 1]].tobytes()) for row in rows)
        sets.append(crop_set(name, decoded, [str(texts[row]) for row in rows], width=width))
    return sets


def split(crops: CropSet, *, share: float, seed: int = 0) -> tuple[CropSet, CropSet]:
    """(for training, held out): the draw depends on the seed and the count alone."""
    order = np.random.default_rng(seed).permutation(len(crops))
    held = round(share * len(crops))
    return crops.take(np.sort(order[held:])), crops.take(np.sort(order[:held]))


class Mixture:
    """Crops of several sources on one device, each drawn with its own weight.

    Args:
        weights: by name of the source; sources that are not named count by the root of their size.
    """

    def __init__(
        self, sets: Iterable[CropSet], *, weights: Mapping[str, float] | None = None, device: torch.device
    ) -> None:
        sets = [crops for crops in sets if len(crops)]
        self.texts = [text for crops in sets for text in crops.texts]
        self.numbers = torch.from_numpy(to_numbers(self.texts)).to(device)
        self.pictures = torch.cat([torch.from_numpy(crops.pictures) for crops in sets]).to(device)
        self.widths = torch.cat([torch.from_numpy(crops.widths) for crops in sets]).to(device)
        shares = [(weights or {}).get(crops.name, len(crops) ** 0.5) for crops in sets]
        self._odds = torch.cat(
            [torch.full((len(crops),), share / len(crops)) for crops, share in zip(sets, shares, strict=True)]
        ).to(device)

    def rows(self, count: int, generator: torch.Generator) -> Tensor:
        """(N,) rows drawn with replacement."""
        return torch.multinomial(self._odds, count, replacement=True, generator=generator)


def crop_set(name: str, crops: Iterable[np.ndarray], texts: Sequence[str], *, width: int) -> CropSet:
    """Crops of any size (H, W, 3) as a ``CropSet``."""
    pictures, widths = [], []
    for crop in crops:
        pictures.append(fitted(crop, width=width))
        widths.append(drawn_width(crop.shape[1], crop.shape[0], most=width))
    return CropSet(name, np.stack(pictures), np.array(widths, np.int64), tuple(texts))


def _decoded(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))
