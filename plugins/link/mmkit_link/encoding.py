"""Records as vectors of an mmkit encoder: their texts, their pictures, and both pooled.

Legend: N records, D dims.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput
from mmkit.types import Failure, Item
from mmkit_link.records import Records

if TYPE_CHECKING:
    from mmkit.config import Settings
    from mmkit.encoders import Encoder
    from mmkit_link.adapter import Adapter

__all__ = ["adapted_pictures", "encode_pictures", "encode_texts", "load", "pooled"]


def load(name: str | None, chosen: Settings) -> Encoder:
    """An encoder by name, or the default one; ModelUnavailable where it cannot be had."""
    from mmkit.encoders import encoder

    return encoder(name, device=chosen.device, dtype=chosen.dtype, offline=chosen.offline)


def encode_texts(encoder: Encoder, texts: list[str], chosen: Settings) -> NDArray[np.float32]:
    """(N, D) unit rows; a zero row where there is no text."""
    items = [Item("text", str(row), text=text) for row, text in enumerate(texts) if text]
    return _encoded(encoder, items, len(texts), "text", chosen, [])


def encode_pictures(
    name: str | None, records: Records, chosen: Settings, failures: list[Failure]
) -> NDArray[np.float32]:
    """(N, D) unit rows; a zero row where there is no picture or it cannot be read, which ``failures`` then says.

    Args:
        name: of an encoder, None for the default one, or the path of an adapter.
    """
    from mmkit_link.adapter import is_adapter, load_adapter

    if name is not None and Path(name).is_file() and is_adapter(Path(name)):
        return adapted_pictures(load_adapter(Path(name)), records, chosen, failures)
    items = [Item("image", str(row), path=path) for row, path in enumerate(records.pictures) if path is not None]
    failed: list[Failure] = []
    rows = _encoded(load(name, chosen), items, len(records), "image", chosen, failed)
    failures += [Failure(records.ids[int(failure.id)], failure.reason) for failure in failed]
    return rows


def adapted_pictures(
    adapter: Adapter, records: Records, chosen: Settings, failures: list[Failure]
) -> NDArray[np.float32]:
    """(N, D) unit rows of an adapter; a zero row where there is no picture.

    Raises:
        BadInput: the encoder below it is another one now.
    """
    from mmkit_link.adapter import picture_inputs

    encoder = load(adapter.encoder, chosen)
    if encoder.spec.fingerprint != adapter.fingerprint:
        raise BadInput(
            f"the adapter was trained on another version of the encoder {adapter.encoder}", mend="train again"
        )
    return adapter.pictures(picture_inputs(encoder, records, failures))


def _encoded(
    encoder: Encoder, items: list[Item], count: int, modality: str, chosen: Settings, failures: list[Failure]
) -> NDArray[np.float32]:
    from mmkit.encoders import require
    from mmkit.pipeline.embedding import embed_items

    require(encoder.spec, modalities=[modality], purpose="linking records")  # type: ignore[list-item]
    rows = np.zeros((count, encoder.spec.dim), np.float32)
    if items:
        found = embed_items(encoder, items, chosen=chosen, failures=failures)
        rows[np.array(list(map(int, found.ids)), np.int64)] = found.vectors
    return rows


def pooled(pictures: NDArray[np.float32], texts: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
    """(N, D) rows N(w N(I) + (1 - w) N(T)), with N the scaling to length 1 (Arora et al. 2023, CLIPPINGS).

    A record that lacks its picture or its text is the other alone, whatever the weight.

    Args:
        weight: w, of the picture: 0 is the text alone and 1 the picture alone.
    """
    one, other = _unit(pictures), _unit(texts)
    has_picture = np.asarray(one.any(axis=1))[:, None]
    has_text = np.asarray(other.any(axis=1))[:, None]
    share = np.where(has_picture & has_text, weight, has_picture).astype(np.float32)
    return _unit((share * one + (1 - share) * other).astype(np.float32))


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows, np.float32), where=lengths > 0)
