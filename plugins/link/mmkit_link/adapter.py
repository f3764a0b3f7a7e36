"""A small net on top of an encoder that puts the pictures and the texts of one's own records into one space.

The encoder stays as it is. Its picture vector and its places, averaged to a grid of 3 x 3, go through one linear map; a
text goes in by its edit similarities to landmark texts, and a second map corrects them. What is kept are plain arrays.

Legend: N records, D dims, L landmarks, S inputs from a picture.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput, MmkitError, UsageError
from mmkit.media.target import atomic_path
from mmkit.types import Failure, Item
from mmkit_link.records import Records
from mmkit_link.sketches import edit_similarities
from mmkit_link.words import fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmkit.encoders import Encoder

__all__ = ["Adapter", "is_adapter", "load_adapter", "picture_inputs"]

FORMAT: Final = "mmkit-link-adapter-1"
_ARRAYS: Final = ("mean", "scale", "picture", "whiten", "text")
_GRID: Final = 3
_BATCH: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """Both maps and what they rest on.

    Attributes:
        encoder, fingerprint: the encoder below, and its fingerprint.
        landmarks: L folded texts.
        mean, scale: (S,) standardise what comes from a picture.
        picture: (S, D), with D = L.
        whiten: (L, L) similarities to landmarks into a sketch.
        text: (L, D) what is added to a sketch.
        weight, cosine: of pooling and of the cut, as found on validation records.
        about: how it was trained and what it reached.
    """

    encoder: str
    fingerprint: str
    landmarks: tuple[str, ...]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    picture: NDArray[np.float32]
    whiten: NDArray[np.float32]
    text: NDArray[np.float32]
    weight: float = 0.5
    cosine: float = 0.5
    about: dict[str, Any] = field(default_factory=dict)

    def pictures(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, D) unit rows of (N, S) inputs; a zero row where there was no picture."""
        there = np.asarray(inputs.any(axis=1))[:, None]
        return _unit(((inputs - self.mean) / self.scale) @ self.picture * there)

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D) unit rows; a zero row where there is no text."""
        sketch = _unit(edit_similarities([fold(text) for text in texts], self.landmarks) @ self.whiten)
        return _unit(sketch + sketch @ self.text)

    def save(self, path: Path) -> None:
        """Write one safetensors file, float16, all or nothing."""
        from safetensors.numpy import save

        tensors = {name: getattr(self, name).astype(np.float16) for name in _ARRAYS}
        about = {
            "format": FORMAT,
            "encoder": self.encoder,
            "fingerprint": self.fingerprint,
            "landmarks": self.landmarks,
            "weight": self.weight,
            "cosine": self.cosine,
            "about": self.about,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as partial:
            partial.write_bytes(save(tensors, {"mmkit_link": json.dumps(about, ensure_ascii=False)}))


def is_adapter(path: Path) -> bool:
    """Whether a file says of itself that it is an adapter."""
    return _about(path).get("format") == FORMAT


def _about(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            return dict(json.loads((file.metadata() or {}).get("mmkit_link", "{}")))
    except (SafetensorError, OSError, ValueError):
        return {}


def load_adapter(path: Path) -> Adapter:
    """Read what ``Adapter.save`` wrote.

    Raises:
        BadInput: missing, damaged, or another kind of file.
    """
    from safetensors.numpy import load_file

    about = _about(path)
    if about.get("format") != FORMAT:
        raise BadInput("is no adapter of mmkit link", where=str(path), mend="make one with: mmkit link train --table")
    try:
        tensors = {name: array.astype(np.float32) for name, array in load_file(path).items()}
        adapter = Adapter(
            str(about["encoder"]),
            str(about["fingerprint"]),
            tuple(map(str, about["landmarks"])),
            *(tensors[name] for name in _ARRAYS),
            float(about["weight"]),
            float(about["cosine"]),
            dict(about["about"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"is damaged ({error})", where=str(path), mend="train it again") from error
    count, inputs = len(adapter.landmarks), len(adapter.mean)
    expected = {"scale": (inputs,), "picture": (inputs, count), "whiten": (count, count), "text": (count, count)}
    if wrong := [name for name, shape in expected.items() if getattr(adapter, name).shape != shape]:
        raise BadInput(f"is damaged (the shape of {wrong[0]})", where=str(path), mend="train it again")
    return adapter


def picture_inputs(encoder: Encoder, records: Records, failures: list[Failure]) -> NDArray[np.float32]:
    """(N, S): an encoder's vector and, where it offers tokens on a square grid, these averaged to 3 x 3.

    A zero row where there is no picture or it cannot be read, which ``failures`` then says.

    Raises:
        UsageError: the encoder takes no pictures.
    """
    if "image" not in encoder.spec.modalities:
        raise UsageError(f"{encoder.spec.name} encodes no pictures", where="--encoder")
    where: dict[Path, list[int]] = {}
    for row, path in enumerate(records.pictures):
        if path is not None:
            where.setdefault(path, []).append(row)
    found: NDArray[np.float32] | None = None
    paths = list(where)
    for start in range(0, len(paths), _BATCH):
        ready, rows = [], []
        for path in paths[start : start + _BATCH]:
            try:
                ready.append(encoder.prepare(Item.from_path(path, "image")))
                rows.append(where[path])
            except MmkitError as error:
                failures += [Failure(records.ids[row], error.what) for row in where[path]]
        if ready:
            inputs = _inputs(encoder, ready)
            if found is None:
                found = np.zeros((len(records), inputs.shape[1]), np.float32)
            for places, values in zip(rows, inputs, strict=True):
                found[places] = values
    return np.zeros((len(records), encoder.spec.dim), np.float32) if found is None else found


def _inputs(encoder: Encoder, ready: list[Any]) -> NDArray[np.float32]:
    vectors = encoder.encode(ready, "image").vectors
    if "tokens" not in encoder.spec.outputs:
        return vectors
    tokens = encoder.encode_tokens(ready, "image").vectors  # type: ignore[attr-defined]
    side = int(tokens.shape[1] ** 0.5)
    if side * side != tokens.shape[1] or side < _GRID:
        return vectors
    grid = tokens.reshape(len(tokens), side, side, -1)
    edges = np.linspace(0, side, _GRID + 1).round().astype(int)
    cells = [
        grid[:, top:bottom, left:right].mean(axis=(1, 2))
        for top, bottom in pairwise(edges)
        for left, right in pairwise(edges)
    ]
    return np.concatenate([vectors, *cells], axis=1).astype(np.float32)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, lengths, out=np.zeros_like(rows, np.float32), where=lengths > 0))
