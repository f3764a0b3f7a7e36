"""Texts as vectors whose products are near their edit similarities, so that they may be pooled with pictures.

Legend: N texts, L landmarks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["edit_similarities", "edit_sketch", "landmarks_of", "whitening"]

_LANDMARKS: Final = 256
_OWN_LANDMARKS: Final = 1024


def landmarks_of(texts: Sequence[str], *, most: int = _LANDMARKS, seed: int = 0) -> list[str]:
    """Some of the different texts that are not empty."""
    different = sorted({text for text in texts if text})
    if len(different) <= most:
        return different
    picked = np.random.default_rng(seed).choice(len(different), most, replace=False)
    return [different[place] for place in sorted(picked.tolist())]


def edit_similarities(texts: Sequence[str], landmarks: Sequence[str]) -> NDArray[np.float32]:
    """(N, L) 1 less the edit distance over the longer length; rows of empty texts are 0."""
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    if not len(texts) or not len(landmarks):
        return np.zeros((len(texts), len(landmarks)), np.float32)
    known: dict[str, int] = {}
    place = np.array([known.setdefault(text, len(known)) for text in texts])
    found = process.cdist(
        list(known), landmarks, scorer=Levenshtein.normalized_similarity, dtype=np.float32, workers=-1
    )
    return np.asarray(found[place] * np.array([bool(text) for text in texts], np.float32)[:, None])


def whitening(landmarks: Sequence[str]) -> NDArray[np.float32]:
    """(L, L) the inverse square root of the landmarks' own similarities (Williams and Seeger 2001, Nyström)."""
    if not len(landmarks):
        return np.zeros((0, 0), np.float32)
    values, vectors = np.linalg.eigh(edit_similarities(landmarks, landmarks).astype(np.float64))
    # Edit similarity is not quite a kernel: what it has of negative and of tiny directions is dropped.
    scale = np.where(values > 1e-3 * values.max(), 1 / np.sqrt(np.maximum(values, 1e-9)), 0)
    return np.asarray((vectors * scale) @ vectors.T, np.float32)


def edit_sketch(texts: Sequence[str], landmarks: Sequence[str] | None = None) -> NDArray[np.float32]:
    """(N, L) unit rows; a zero row where a text is empty. Without ``landmarks`` some of the texts serve."""
    chosen = landmarks_of(texts, most=_OWN_LANDMARKS) if landmarks is None else landmarks
    rows = edit_similarities(texts, chosen) @ whitening(chosen)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
