"""Vectors on their way into a store: the right space and width, the store's dtype, finite and of unit length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput, SpaceMismatch, UsageError
from mmkit.store.manifest import SpecFields
from mmkit.types import Embeddings

__all__ = ["UNIT_TOLERANCE", "bad_rows", "prepared"]

#: How far from 1 the length of a stored row may be: rounding a unit row of any D to float16 stays within it.
UNIT_TOLERANCE: Final = {"float16": 5e-3, "float32": 1e-3}
_CHECKED_ROWS: Final = 8192


def bad_rows(vectors: NDArray[Any], spec: SpecFields) -> list[tuple[int, str]]:
    """Rows of (N, D) that are not finite or not of unit length, each with what is wrong."""
    found = []
    tolerance = UNIT_TOLERANCE[spec.dtype]
    for start in range(0, len(vectors), _CHECKED_ROWS):
        block = vectors[start : start + _CHECKED_ROWS].astype(np.float32, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.sqrt(np.einsum("nd,nd->n", block, block))
            wrong = ~(np.abs(lengths - 1) <= tolerance)
        for row in np.flatnonzero(wrong):
            length = float(lengths[row])
            what = f"Expected a unit row, but received length {length:.4g}"
            found.append((start + int(row), what if np.isfinite(length) else "is not finite"))
    return found


def prepared(vectors: Embeddings | NDArray[Any], ids: Sequence[str], spec: SpecFields) -> list[NDArray[Any]]:
    """One array in the store's dtype for each id: (D,), or (T, D) for a multivector store, masked tokens left out.

    Args:
        vectors: Embeddings, or an array of (N, D), or (N, T, D) without a mask.
        ids: N names, for the messages.

    Raises:
        SpaceMismatch: another space, fingerprint, kind or D.
        UsageError: N differs.
        BadInput: a row is not finite, not of unit length, or has no token.
    """
    mask = None
    if isinstance(vectors, Embeddings):
        _refuse(vectors, spec)
        mask, vectors = vectors.mask, vectors.vectors
    array = np.asarray(vectors)
    if array.ndim != (3 if spec.kind == "multivector" else 2) or array.dtype.kind != "f":
        shape = "(N, T, D)" if spec.kind == "multivector" else "(N, D)"
        raise UsageError(f"Expected floats of shape {shape}, but received {array.dtype} of shape {array.shape}")
    if len(array) != len(ids):
        raise UsageError(f"Expected {len(ids)} vectors, one an id, but received {len(array)}")
    if array.shape[-1] != spec.dim and array.size:
        raise SpaceMismatch(f"Expected {spec.dim} dims, the width of the store, but received {array.shape[-1]}")
    with np.errstate(over="ignore"):
        # A copy also when the dtype fits: the caller may reuse its buffer before the shard is written.
        array = np.array(array, dtype=spec.dtype, order="C")
    if spec.kind == "vector":
        _refuse_bad(bad_rows(array, spec), ids)
        return list(array)
    kept = np.ones(array.shape[:2], dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    if kept.shape != array.shape[:2]:
        raise UsageError(f"Expected a mask of shape {array.shape[:2]}, but received {kept.shape}")
    rows = [tokens[mask_row] for tokens, mask_row in zip(array, kept, strict=True)]
    for name, tokens in zip(ids, rows, strict=True):
        if not len(tokens):
            raise BadInput("has no token", where=name)
        _refuse_bad(bad_rows(tokens, spec)[:1], [name] * len(tokens))
    return rows


def _refuse(vectors: Embeddings, spec: SpecFields) -> None:
    """Embeddings may leave space and fingerprint unstated; what they state must agree."""
    for name in ("kind", "space", "fingerprint"):
        received, expected = getattr(vectors, name), getattr(spec, name)
        if received and received != expected:
            raise SpaceMismatch(
                f"the store holds {name} {expected!r}, but the embeddings are of {name} {received!r}",
                mend="use the encoder the store was made with, or make another store",
            )


def _refuse_bad(bad: Sequence[tuple[int, str]], ids: Sequence[str]) -> None:
    if bad:
        row, what = bad[0]
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise BadInput(f"vector of row {row}: {what}{more}", where=ids[row])
