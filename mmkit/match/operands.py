"""What enters a comparison: arrays, Embeddings and queries of a shared space, checked and brought to one form.

Legend: N rows, T tokens, D dims.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput, SpaceMismatch, UsageError
from mmkit.types import EmbeddingKind, Embeddings, SharedSpaceQuery

__all__ = ["Comparable", "Operand", "as_blocks", "as_operand", "check_comparable", "is_array"]

#: Embeddings, a query of a shared space, or a plain (N, D) or (N, T, D) array or tensor.
Comparable: TypeAlias = Embeddings | SharedSpaceQuery | NDArray[Any] | Any


@dataclass(frozen=True, slots=True, eq=False)
class Operand:
    """One side of a comparison.

    Attributes:
        vectors: (N, D) floats, (N, T, D) floats for ``multivector`` or (N, D / 8) uint8 for ``bits``;
            a numpy array, or a tensor that lives on an accelerator.
        mask: (N, T) bool, True where a token counts; only for ``multivector``.
    """

    vectors: Any
    kind: EmbeddingKind
    mask: NDArray[np.bool_] | None = None
    space: str = ""
    fingerprint: str = ""
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.vectors.shape[0])

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[-1])

    def rows(self, start: int, stop: int) -> Operand:
        """The rows from start to stop, without names."""
        mask = None if self.mask is None else self.mask[start:stop]
        return Operand(self.vectors[start:stop], self.kind, mask, self.space, self.fingerprint)


def is_array(value: object) -> bool:
    """Whether value is a numpy array or a torch tensor (told without importing torch)."""
    return isinstance(value, np.ndarray) or (hasattr(value, "detach") and hasattr(value, "dtype"))


def as_operand(value: Comparable, *, name: str) -> Operand:
    """Bring one side of a comparison to an Operand.

    Args:
        name: ``queries`` or ``gallery``, for error messages.

    Raises:
        UsageError: value is none of the accepted types or has the wrong number of axes.
    """
    if isinstance(value, Embeddings):
        vectors = _as_array(value.vectors)
        ids = value.ids
        if ids and len(ids) != len(vectors):
            raise UsageError(f"Expected {len(vectors)} ids or none, but received {len(ids)}", where=name)
        operand = Operand(vectors, value.kind, value.mask, value.space, value.fingerprint, ids)
    elif isinstance(value, SharedSpaceQuery):
        vectors = _as_array(value.vector)
        vectors = vectors[None] if vectors.ndim == 1 else vectors
        operand = Operand(vectors, "vector", None, value.space, value.fingerprint)
    else:
        vectors = _as_array(value)
        kind: EmbeddingKind = "multivector" if vectors.ndim == 3 else "vector"
        operand = Operand(vectors, "bits" if _is_bytes(vectors) else kind)
    axes = 3 if operand.kind == "multivector" else 2
    if operand.vectors.ndim != axes and operand.kind in ("vector", "bits", "multivector"):
        raise UsageError(
            f"Expected an array of {axes} axes for {operand.kind} embeddings, "
            f"but received one of shape {tuple(operand.vectors.shape)}",
            where=name,
        )
    return operand


def as_blocks(blocks: Iterable[Any], *, dim: int | None) -> Iterator[Any]:
    """Check a stream of (n, D) float blocks as it passes.

    Raises:
        UsageError: a block is not two-dimensional.
        SpaceMismatch: a block's D differs from dim.
    """
    for number, block in enumerate(blocks):
        array = _as_array(block.vectors if isinstance(block, Embeddings) else block)
        if array.ndim != 2:
            raise UsageError(
                f"Expected blocks of shape (n, D), but received one of shape {tuple(array.shape)}",
                where=f"gallery block {number}",
            )
        if dim is not None and array.shape[1] != dim and array.shape[0]:
            raise SpaceMismatch(_dims(dim, int(array.shape[1])), where=f"gallery block {number}", mend=_SAME_ENCODER)
        yield array


def check_comparable(queries: Operand, gallery: Operand) -> None:
    """Refuse two sides that do not share a space.

    Raises:
        SpaceMismatch: both state a space or a fingerprint and differ in it, or their widths differ.
    """
    if queries.space and gallery.space and queries.space != gallery.space:
        raise SpaceMismatch(
            f"queries are of the space {queries.space!r} and the gallery is of {gallery.space!r}", mend=_SAME_ENCODER
        )
    if queries.fingerprint and gallery.fingerprint and queries.fingerprint != gallery.fingerprint:
        raise SpaceMismatch(
            f"queries carry the fingerprint {queries.fingerprint[:16]} and the gallery {gallery.fingerprint[:16]}: "
            "weights, preprocessing or text template differ",
            mend=_SAME_ENCODER,
        )
    # An empty side of unknown width, such as np.empty((0, 0)), compares with anything.
    if queries.dim != gallery.dim and not (_blank(queries) or _blank(gallery)):
        raise SpaceMismatch(_dims(queries.dim, gallery.dim), mend=_SAME_ENCODER)


def check_finite(vectors: NDArray[Any], *, name: str, first: int = 0) -> None:
    """Refuse vectors that hold NaN or infinite values, naming the first such row.

    Raises:
        BadInput: as above.
    """
    finite = np.isfinite(vectors).all(axis=tuple(range(1, vectors.ndim)))
    if not finite.all():
        raise not_finite(name, first + int(np.argmin(finite)))


def not_finite(name: str, row: int) -> BadInput:
    return BadInput(
        "the vector holds NaN or infinite values, or is too long for float32",
        where=f"{name} row {row}",
        mend="drop that row or encode its item again",
    )


_SAME_ENCODER = "encode both sides with the same encoder"


def _dims(left: int, right: int) -> str:
    return f"queries have {left} dims and the gallery has {right}"


def _blank(operand: Operand) -> bool:
    return len(operand) == 0 and operand.dim == 0


def _is_bytes(vectors: Any) -> bool:
    return isinstance(vectors, np.ndarray) and vectors.dtype == np.uint8


def _as_array(value: Any) -> Any:
    """A numpy array of a float type or uint8; a tensor stays one only where it lives on an accelerator."""
    if hasattr(value, "detach"):
        tensor = value.detach()
        if tensor.device.type != "cpu":
            return tensor
        value = tensor.float().numpy() if tensor.is_floating_point() else tensor.numpy()
    array = np.asarray(value)
    if array.dtype in (np.float32, np.float16, np.float64, np.uint8):
        return array
    if array.size and array.dtype.kind not in "iub":
        raise UsageError(f"Expected numbers, but received an array of type {array.dtype}")
    return array.astype(np.float64)
