"""How many items go to the device at once: by cost, halved when memory runs out, and remembered."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from mmkit.config import Settings
from mmkit.encoders.base import CostedEncoder, Encoder
from mmkit.errors import MmkitError
from mmkit.types import Modality, Prepared

__all__ = ["BatchSizer", "encode_within_memory", "is_out_of_memory"]

_CPU_ITEMS: Final = 32
_GPU_ITEMS: Final = 256
#: How torch words it on CUDA and MPS, in cuBLAS and on a CPU.
_SIGNS_OF_FULL_MEMORY: Final = ("out of memory", "cublas_status_alloc_failed", "can't allocate memory")
T = TypeVar("T")


class BatchSizer:
    """The largest batch that is known to fit, for one encoder on one device.

    A batch's cost is its item count times its largest item, since shorter items are padded to it.
    """

    def __init__(self, encoder: Encoder, settings: Settings) -> None:
        device = str(getattr(encoder, "device", "cpu"))
        self._encoder = encoder
        self._key = f"{encoder.spec.name} {device}"
        self._file = settings.cache_dir / "batch-sizes.json"
        if settings.batch == "auto":
            self.limit = float(_read(self._file).get(self._key, _CPU_ITEMS if device == "cpu" else _GPU_ITEMS))
        else:
            self.limit = float(settings.batch)

    def cost(self, prepared: Prepared, modality: Modality) -> float:
        """The cost of one item, in units of an ordinary one."""
        if isinstance(self._encoder, CostedEncoder):
            return self._encoder.cost(prepared, modality)
        return 1.0

    def fits(self, count: int, largest: float) -> bool:
        """Whether ``count`` items, the largest of cost ``largest``, go into one batch."""
        return count <= 1 or count * largest <= self.limit

    def shrink(self, batch: Sequence[Prepared], modality: Modality) -> None:
        """Remember that these items were too many."""
        cost = len(batch) * max(self.cost(prepared, modality) for prepared in batch)
        if cost > self.limit:
            return  # it was gathered before the limit sank, and tells nothing new
        self.limit = max(1.0, cost / 2)
        sizes = _read(self._file)
        sizes[self._key] = self.limit
        _write(self._file, sizes)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a smaller batch might fit."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS_OF_FULL_MEMORY)


def encode_within_memory(
    encode: Callable[[Sequence[Any]], T],
    batch: Sequence[Any],
    names: Sequence[str],
    *,
    shrink: Callable[[Sequence[Any]], None],
) -> list[T]:
    """Encode a batch, in halves where memory runs out.

    Args:
        names: one an item, for the error.
        shrink: told each part that was too large.

    Returns:
        One result a part, in order.

    Raises:
        MmkitError: even a single item does not fit.
    """
    try:
        return [encode(batch)]
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        if len(batch) == 1:
            raise MmkitError(
                "this item alone does not fit into memory", where=names[0], mend="use --device cpu or --dtype"
            ) from error
    shrink(batch)
    middle = len(batch) // 2
    return [
        *encode_within_memory(encode, batch[:middle], names[:middle], shrink=shrink),
        *encode_within_memory(encode, batch[middle:], names[middle:], shrink=shrink),
    ]


def _read(file: Path) -> dict[str, float]:
    try:
        sizes = json.loads(file.read_text("utf-8"))
        return {str(name): float(size) for name, size in sizes.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        # A missing or damaged note only costs learning the size again.
        return {}


def _write(file: Path, sizes: dict[str, float]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(sizes, out)
        Path(name).replace(file)
    except OSError:
        return
