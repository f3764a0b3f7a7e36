"""What every encoder must keep to: batch invariance, order, emptiness, type, width, unit rows, determinism."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from mmkit.encoders.base import Encoder
from mmkit.testing.result import CheckResult, attempt
from mmkit.testing.samples import sample_items
from mmkit.types import Embeddings, Item, Modality

__all__ = ["check_encoder", "no_network"]

_CLOSE: Final = 1e-4


def check_encoder(encoder: Encoder, *, items: dict[Modality, Sequence[Item]] | None = None) -> list[CheckResult]:
    """Check one loaded encoder on every modality that it states.

    Args:
        items: five or more items a modality in place of the made ones.
    """
    results: list[CheckResult] = []
    for modality in encoder.spec.modalities:
        given = list((items or {}).get(modality) or sample_items(modality))
        results += _check_modality(encoder, modality, given)
    return results


def _check_modality(encoder: Encoder, modality: Modality, items: list[Item]) -> list[CheckResult]:
    import numpy as np

    label = f"encoder {encoder.spec.name}, {modality}"
    results: list[CheckResult] = []
    prepared: list[Any] = []
    whole: list[Embeddings] = []

    def prepares() -> str | None:
        with no_network():
            prepared.extend(encoder.prepare(item) for item in items)
        return None

    def encodes() -> str | None:
        with no_network():
            whole.append(encoder.encode(prepared, modality))
        vectors, spec = whole[0].vectors, encoder.spec
        if vectors.dtype != np.float32:
            return f"Expected float32, but received {vectors.dtype}"
        if len(vectors) != len(items) or vectors.shape[-1] != spec.dim:
            return f"Expected ({len(items)}, …, {spec.dim}), but received {vectors.shape}"
        if whole[0].kind != spec.kind or whole[0].space != spec.space:
            return f"Expected {spec.kind} of {spec.space}, but received {whole[0].kind} of {whole[0].space}"
        rows = vectors[whole[0].mask] if whole[0].mask is not None else vectors.reshape(-1, spec.dim)
        if spec.kind in ("vector", "multivector") and not np.allclose(np.linalg.norm(rows, axis=-1), 1, atol=1e-3):
            return "Expected unit rows, but received other lengths"
        return None

    def is_empty_for_nothing() -> str | None:
        shape = encoder.encode([], modality).vectors.shape
        return None if shape[0] == 0 and shape[-1] == encoder.spec.dim else f"Expected (0, …, D), but received {shape}"

    def ignores_the_batch() -> str | None:
        singles = [_rows(encoder.encode([one], modality), 0) for one in prepared]
        return _furthest(singles, [_rows(whole[0], row) for row in range(len(items))])

    def keeps_order() -> str | None:
        # Turned by one and not backwards, since whatever returns its rows backwards would pass that.
        moved = encoder.encode([*prepared[1:], prepared[0]], modality)
        turned = [_rows(moved, (row - 1) % len(items)) for row in range(len(items))]
        return _furthest(turned, [_rows(whole[0], row) for row in range(len(items))])

    def repeats_itself() -> str | None:
        again = encoder.encode(prepared, modality)
        same = np.array_equal(again.vectors, whole[0].vectors)
        return None if same else "Expected the same vectors for the same batch, but received others"

    def can_cross_processes() -> None:
        for one in prepared:
            pickle.dumps(one)

    for name, check in (
        ("prepares without a network", prepares),
        ("gives float32 unit rows of its width", encodes),
        ("takes an empty batch", is_empty_for_nothing),
        ("is deterministic", repeats_itself),
        ("keeps the order", keeps_order),
        ("gives an item the same vector in any batch", ignores_the_batch),
        ("prepares what can cross processes", can_cross_processes),
    ):
        results.append(attempt(f"{label}: {name}", check))
        if results[-1].state != "ok":
            # Each later check builds on the earlier ones.
            break
    return results


def _rows(embeddings: Embeddings, row: int) -> Any:
    vectors = embeddings.vectors[row]
    return vectors if embeddings.mask is None else vectors[embeddings.mask[row]]


def _furthest(found: list[Any], expected: list[Any]) -> str | None:
    import numpy as np

    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        if one.shape != other.shape or not np.allclose(one, other, atol=_CLOSE):
            gap = float(np.abs(one - other).max()) if one.shape == other.shape else float("inf")
            return f"Expected equality within {_CLOSE}, but item {number} differs by {gap:.2g}"
    return None


@contextmanager
def no_network() -> Iterator[None]:
    """Connections outside this machine fail at once while this is open."""
    original = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> None:
        if self.family == getattr(socket, "AF_UNIX", None):
            original(self, address)
            return
        raise ConnectionRefusedError(f"a conformance check met a connection to {address!r}")

    socket.socket.connect = refuse  # type: ignore[assignment]
    try:
        yield
    finally:
        socket.socket.connect = original  # type: ignore[method-assign]
