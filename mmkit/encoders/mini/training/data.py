"""Training pictures held as byte tensors, and views of them drawn on the device that trains.

A data folder holds one folder a collection, `NAME/captions.jsonl` and its pictures, one line a picture:
{"file": "images/1.jpg", "captions": ["…", …]}, with "label": "pizza" where several pictures show one thing, or
with "wnid": "n01443537" for a class of the tower, which then needs neither.
Every picture is squeezed to a square once; its true aspect ratio is drawn anew in `random_views`.
N pictures, S side in pixels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

__all__ = ["Collection", "centre_views", "colour_jitter", "degrade", "random_views", "read_collection"]


@dataclass(frozen=True, slots=True)
class Collection:
    """Pictures (N, 3, S, S) uint8 and, for each, what is known of it.

    captions: may be empty. labels: (N) class indices, -1 where there is none. groups: pictures that share a
    name that is not empty show the same thing.
    """

    name: str
    pixels: Tensor
    captions: list[list[str]]
    labels: Tensor
    groups: list[str]

    def __len__(self) -> int:
        return len(self.captions)

    def part(self, rows: Sequence[int]) -> Collection:
        """The collection of some rows."""
        index = torch.as_tensor(rows, dtype=torch.long)
        captions, groups = [self.captions[row] for row in rows], [self.groups[row] for row in rows]
        return Collection(self.name, self.pixels[index], captions, self.labels[index], groups)


def read_collection(
    folder: Path, classes: dict[str, int], *, side: int, limit: int | None = None, workers: int = 4
) -> Collection:
    """The collection in a folder; `classes` maps a wnid to its index.

    Raises ValueError for a line that has neither captions nor a known class.
    """
    lines = list(_lines(folder / "captions.jsonl"))[:limit]
    captions: list[list[str]] = []
    labels: list[int] = []
    for line in lines:
        label = classes.get(line.get("wnid", ""), -1)
        texts = [] if label >= 0 else _texts(line)
        if label < 0 and not texts:
            raise ValueError(f"{folder.name}: {line['file']} has neither captions nor a known wnid.")
        labels.append(label)
        captions.append(texts)
    pixels = torch.empty(len(lines), 3, side, side, dtype=torch.uint8)

    def decode(row: int) -> None:
        with Image.open(folder / lines[row]["file"]) as opened:
            small = opened.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
        pixels[row] = torch.from_numpy(np.asarray(small).transpose(2, 0, 1).copy())

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(decode, range(len(lines))))
    groups = [line.get("label", "") for line in lines]
    return Collection(folder.name, pixels, captions, torch.tensor(labels, dtype=torch.long), groups)


def _texts(line: dict[str, Any]) -> list[str]:
    texts = [*line.get("captions", []), line.get("label", "")]
    return [text for text in texts if text.strip()]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as handle:
        for text in handle:
            if text.strip():
                yield json.loads(text)


def centre_views(pixels: Tensor, size: int) -> Tensor:
    """Whole squares, (N, 3, size, size) floats of 0 to 255."""
    floats = pixels.float()
    if pixels.shape[-1] == size:
        return floats
    scaled = F.interpolate(floats, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
    return scaled.clamp(0, 255)


def random_views(
    pixels: Tensor, size: int, generator: torch.Generator, *, least_area: float = 0.4, flip: bool = True
) -> Tensor:
    """Random crops of squares, (N, 3, size, size) floats of 0 to 255, half of them mirrored.

    least_area: the smallest share of the picture; sides differ by up to 4:3.
    """
    count, device = len(pixels), pixels.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator, device=device) * (high - low) + low

    area, stretch = uniform(least_area, 1.0), uniform(-0.144, 0.144).exp()
    half_w = (area.sqrt() * stretch).clamp(max=1.0)
    half_h = (area.sqrt() / stretch).clamp(max=1.0)
    centre_x, centre_y = (1 - half_w) * uniform(-1, 1), (1 - half_h) * uniform(-1, 1)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0) if flip else torch.ones(count, device=device)
    matrix = torch.zeros(count, 2, 3, device=device)
    matrix[:, 0, 0], matrix[:, 0, 2] = half_w * mirror, centre_x
    matrix[:, 1, 1], matrix[:, 1, 2] = half_h, centre_y
    grid = F.affine_grid(matrix, [count, 3, size, size], align_corners=False)
    views = F.grid_sample(pixels.float(), grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    return views.clamp(0, 255)


def degrade(views: Tensor, side: int) -> Tensor:
    """Views shrunk to `side` pixels and enlarged again, as a small picture would arrive."""
    size = views.shape[-1]
    small = F.interpolate(views, size=(side, side), mode="bicubic", antialias=True, align_corners=False)
    small = small.clamp(0, 255).round()
    large = F.interpolate(small, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
    return large.clamp(0, 255)


def colour_jitter(views: Tensor, generator: torch.Generator, *, strength: float = 0.25) -> Tensor:
    """Random brightness, contrast and saturation; one view in 20 loses its colour."""
    count = len(views)

    def factor() -> Tensor:
        noise = torch.rand(count, 1, 1, 1, generator=generator, device=views.device)
        return 1 + strength * (2 * noise - 1)

    weights = torch.tensor([0.299, 0.587, 0.114], device=views.device, dtype=views.dtype).view(1, 3, 1, 1)
    grey = (views * weights).sum(1, keepdim=True)
    drop = torch.rand(count, 1, 1, 1, generator=generator, device=views.device) < 0.05
    saturated = grey + (views - grey) * torch.where(drop, 0.0, factor())
    mean = grey.mean(dim=(2, 3), keepdim=True)
    return ((mean + (saturated - mean) * factor()) * factor()).clamp(0, 255)
