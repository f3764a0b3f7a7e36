"""Vectors of the corpus and of pictures, kept on disk so that a second run finds them.

N texts or pictures, D dims.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput
from mmkit.media.target import atomic_path

if TYPE_CHECKING:
    from mmkit.config import Settings
    from mmkit.types import Failure

__all__ = ["Vectors", "picture_vectors", "text_vectors"]

Vectors = NDArray[np.float32]


def text_vectors(
    encoder: Any,
    texts: Sequence[str],
    *,
    cache: Path | None = None,
    chosen: Settings | None = None,
    on_texts: Callable[[int], None] = lambda count: None,
) -> Vectors:
    """(N, D) unit rows of texts, encoded by length so that little is padded.

    Args:
        cache: a folder; the file there is named by the encoder's fingerprint and the texts, and holds float16.
    """
    from mmkit.pipeline.stream import encode_stream
    from mmkit.types import Item

    file = None if cache is None else cache / f"text-{_key(encoder.spec.fingerprint, texts)}.npy"
    if file is not None and file.is_file():
        return _read(file, len(texts))
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    vectors = np.zeros((len(texts), encoder.spec.dim), np.float32)
    done = 0
    for batch in encode_stream(encoder, (Item.from_text(texts[row]) for row in order), chosen=chosen, strict=True):
        if batch.embeddings is not None:
            count = len(batch.items)
            vectors[order[done : done + count]] = batch.embeddings.vectors
            done += count
            on_texts(count)
    if file is not None:
        _write(file, vectors)
    return vectors


def picture_vectors(
    encoder: Any,
    inputs: Sequence[str],
    *,
    chosen: Settings | None = None,
    failures: list[Failure] | None = None,
    on_pictures: Callable[[int], None] = lambda count: None,
) -> tuple[list[str], Vectors]:
    """Names and (N, D) unit rows of pictures; ``FILE.npy`` is taken as rows that ``mmkit embed`` wrote.

    Raises:
        BadInput: the rows of a file are not of the encoder's width, or no picture was found.
    """
    from mmkit.pipeline.sources import items_from
    from mmkit.pipeline.stream import encode_stream

    names: list[str] = []
    parts: list[Vectors] = []
    ready = [text for text in inputs if text.endswith(".npy")]
    for text in ready:
        rows = _read(Path(text), None)
        if rows.ndim != 2 or rows.shape[1] != encoder.spec.dim:
            raise BadInput(f"Expected rows of {encoder.spec.dim} numbers, but received {rows.shape}", where=text)
        parts.append(rows)
        names += [f"{text}:{row}" for row in range(len(rows))]
    rest = [text for text in inputs if text not in ready]
    if rest:
        items = items_from(rest, modality="image")
        for batch in encode_stream(encoder, items, chosen=chosen, strict=failures is None):
            if failures is not None:
                failures += batch.failures
            if batch.embeddings is not None:
                parts.append(batch.embeddings.vectors)
                names += [item.id for item in batch.items]
            on_pictures(batch.seen)
    if not names:
        raise BadInput("no picture was found", where=", ".join(inputs))
    return names, np.concatenate(parts)


def _key(fingerprint: str, texts: Sequence[str]) -> str:
    digest = hashlib.sha256(fingerprint.encode())
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()[:16]


def _read(file: Path, expected: int | None) -> Vectors:
    try:
        rows = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot be read: {error}", where=str(file)) from error
    if expected is not None and len(rows) != expected:
        raise BadInput(f"Expected {expected} rows, but received {len(rows)}", where=str(file), mend="remove the file")
    return np.asarray(rows, np.float32)


def _write(file: Path, vectors: Vectors) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as partial:
        np.save(partial, vectors.astype(np.float16))
