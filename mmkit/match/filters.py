"""Low-precision products of a block with all queries: which rows may be among the best.

Two filters share one contract. ``NumpyFilter`` multiplies in float32 and needs no torch, for small problems and for
queries that the other cannot narrow down; ``TorchFilter`` multiplies in bf16 where the processor has the
instructions, or in either format on an accelerator.

Legend: Q queries, D dims, n rows of a block, P pairs.
"""

from __future__ import annotations

import platform
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mmkit.match.bounds import BF16, FLOAT32, Geometry, Measure, Precision, Query, check_lengths, lengths_of, too_short

__all__ = ["Block", "Filter", "NumpyFilter", "TorchFilter", "has_fast_bf16"]

#: Rows whose largest product is compared at once; one comparison in sixteen is enough for almost all of them.
_GROUP: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A run of gallery rows.

    Attributes:
        raw: (n, D) array or tensor as it was given.
        first: the gallery row of its first row.
        prepared: what ``TorchFilter.prepare`` made for multiplication, padded with zero rows to whole groups.
    """

    raw: Any
    first: int
    geometry: Geometry
    prepared: Any = None

    def __len__(self) -> int:
        return len(self.geometry.lengths)

    def doubles(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """(P, D) float64 copies of some rows."""
        if isinstance(self.raw, np.ndarray):
            return self.raw[rows].astype(np.float64)
        index = rows if isinstance(rows, slice) else rows.tolist()
        return np.asarray(self.raw[index].double().cpu().numpy(), np.float64)

    def singles(self, rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float32]:
        """(P, D) some float32 rows as they are multiplied."""
        if isinstance(self.raw, np.ndarray):
            raw = self.raw[rows]
        else:
            raw = self.raw[rows if isinstance(rows, slice) else rows.tolist()].float().cpu().numpy()
        if self.geometry.rescale:
            lengths = self.geometry.lengths[rows]
            return np.asarray(raw / np.where(lengths > 0, lengths, 1.0)[:, None], np.float32)
        return np.asarray(raw, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Survivors:
    """Pairs that may be among the best, and queries for which there were too many to list."""

    queries: NDArray[np.int64]
    rows: NDArray[np.int64]
    crowded: NDArray[np.int64]


class Filter(Protocol):
    def survivors(
        self, block: Block, active: NDArray[np.int64], floor: NDArray[np.float64], *, k: int, full: bool, cap: int
    ) -> Survivors:
        """Narrow a block down.

        Args:
            active: (q,) numbers of the queries asked.
            floor: (Q,) scores to reach.
            k: how many are wanted.
            full: whether every query has k rows already, so that floor is as good as anything this block tells.
            cap: more pairs of one query than this are not listed.
        """
        ...


class NumpyFilter:
    """Float32 products through numpy."""

    def __init__(self, query: Query) -> None:
        self.query = query

    def prepare(self, raw: Any, first: int) -> Block:
        """Measure a block.

        Raises:
            BadInput: a row holds NaN or infinite values.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            singles = np.asarray(raw, np.float32)
            lengths = np.sqrt(np.einsum("nd,nd->n", singles, singles)).astype(np.float64)
        check_lengths(lengths, first=first)
        if too_short(lengths):
            lengths = lengths_of(np.asarray(raw, np.float64))
        return Block(raw, first, Geometry.of(lengths, self.query.measure, self.query.dim))

    def survivors(
        self, block: Block, active: NDArray[np.int64], floor: NDArray[np.float64], *, k: int, full: bool, cap: int
    ) -> Survivors:
        query = self.query
        low = _products(query.single[active], block.singles())
        if query.measure == "euclidean":
            low -= (np.square(block.geometry.lengths) / 2).astype(np.float32)
        slack = query.slack(FLOAT32, block.geometry, query.single_shift)
        needed = query.needed(floor)[active]
        if not full and len(block) >= k:
            kth = np.partition(low, len(block) - k, axis=1)[:, len(block) - k].astype(np.float64)
            needed = np.maximum(needed, query.known(kth, slack[active], FLOAT32))
        mask = low >= query.cut(needed, slack[active], FLOAT32)[:, None]
        crowded = mask.sum(axis=1) > cap
        mask[crowded] = False
        line, rows = np.nonzero(mask)
        return Survivors(active[line], rows, active[crowded])


def _products(queries: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(q, n) inner products of (q, D) and (n, D)."""
    if len(queries) == 1:
        # As fast as memory allows, and without BLAS, whose threads would spin for tens of milliseconds after it:
        # whoever asks one query at a time encodes the next on the same cores.
        return np.asarray(np.einsum("qd,nd->qn", queries, rows))
    return np.asarray(queries @ rows.T)


class TorchFilter:
    """Products through torch, in bf16 or float32, on the processor or an accelerator."""

    def __init__(self, query: Query, precision: Precision, device: str = "cpu") -> None:
        import torch

        self.query, self.precision, self.device = query, precision, torch.device(device)
        self.dtype = torch.bfloat16 if precision is BF16 else torch.float32
        multiplied = torch.from_numpy(query.single).to(self.device, self.dtype)
        self.shift = query.shift(multiplied.double().cpu().numpy())
        self.columns = multiplied.T.contiguous()

    def survivors(
        self, block: Block, active: NDArray[np.int64], floor: NDArray[np.float64], *, k: int, full: bool, cap: int
    ) -> Survivors:
        import torch

        query, precision = self.query, self.precision
        count = len(active)
        columns = self.columns
        if count < len(query):
            columns = columns[:, torch.from_numpy(active).to(self.device)].contiguous()
        low = _product(block.prepared, columns)
        if query.measure == "euclidean":
            half = torch.zeros(len(low), device=self.device)
            half[: len(block)] = torch.from_numpy((np.square(block.geometry.lengths) / 2).astype(np.float32))
            low = low.float() - half[:, None]
        low[len(block) :] = -torch.inf
        grouped = low.view(-1, _GROUP, count)
        best = grouped.amax(dim=1).float().T.contiguous()  # (q, groups)
        slack = query.slack(precision, block.geometry, self.shift)
        needed = query.needed(floor)[active]
        if not full and len(block) >= k:
            # The k best of any distinct rows bound the k-th best from below: group maxima where there are plenty.
            source = best if best.shape[1] >= 8 * k else low.float().T.contiguous()
            kth = source.topk(k, dim=1).values[:, -1].double().cpu().numpy()
            needed = np.maximum(needed, query.known(kth, slack[active], precision))
        cut = query.cut(needed, slack[active], precision)
        mask = best.cpu().numpy() >= cut[:, None]
        crowded = mask.sum(axis=1) > cap
        mask[crowded] = False
        line, group = np.nonzero(mask)
        inside = grouped[torch.from_numpy(group), :, torch.from_numpy(line)].float().cpu().numpy()  # (H, _GROUP)
        hit, offset = np.nonzero(inside >= cut[line, None])
        line, rows = line[hit], group[hit] * _GROUP + offset
        # A handful of groups can still hold too many rows when k is small.
        counts = np.bincount(line, minlength=count)
        if (counts > cap).any():
            crowded |= counts > cap
            keep = ~crowded[line]
            line, rows = line[keep], rows[keep]
        return Survivors(active[line], rows.astype(np.int64), active[crowded])


class TorchPreparer:
    """Brings blocks to the format that TorchFilter multiplies; one buffer serves all blocks unless they are kept."""

    def __init__(self, measure: Measure, precision: Precision, device: str = "cpu") -> None:
        import torch

        self.measure, self.device = measure, torch.device(device)
        self.dtype = torch.bfloat16 if precision is BF16 else torch.float32
        self._buffer: Any = None

    def prepare(self, raw: Any, first: int, *, keep: bool = False) -> Block:
        """Convert and measure a block in one pass over it.

        Raises:
            BadInput: a row holds NaN or infinite values.
        """
        import torch

        given = _tensor(raw) if isinstance(raw, np.ndarray) else raw
        rows = given.to(self.device).float()
        count, dim = rows.shape
        lengths = torch.linalg.vector_norm(rows, dim=1).double().cpu().numpy()
        check_lengths(lengths, first=first)
        if too_short(lengths):
            lengths = torch.linalg.vector_norm(given.double(), dim=1).cpu().numpy()
        geometry = Geometry.of(lengths, self.measure, dim)
        if geometry.rescale:
            divisor = torch.from_numpy(np.where(lengths > 0, lengths, 1.0)).to(self.device)
            rows = (rows.double() / divisor[:, None]).float() if too_short(lengths) else rows / divisor.float()[:, None]
        padded = -(-count // _GROUP) * _GROUP
        if keep or self._buffer is None or self._buffer.shape[0] < padded:
            buffer = torch.zeros(padded, dim, dtype=self.dtype, device=self.device)
            self._buffer = None if keep else buffer
        else:
            buffer = self._buffer[:padded]
            buffer[count:] = 0
        buffer[:count].copy_(rows)
        return Block(raw, first, geometry, buffer)


@lru_cache(maxsize=1)
def has_fast_bf16() -> bool:
    """Whether this processor multiplies bf16 in hardware (AVX512-BF16, AMX-BF16), told without importing torch."""
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "AMD64"):
        return False
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _product(rows: Any, columns: Any) -> Any:
    import torch

    if rows.device.type != "cuda":
        return rows @ columns
    # TF32 would break the bound of the float32 filter.
    allowed = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        return rows @ columns
    finally:
        torch.backends.cuda.matmul.allow_tf32 = allowed


def _tensor(array: NDArray[Any]) -> Any:
    import torch

    with warnings.catch_warnings():
        # Mapped shards are read-only, and nothing here writes to them.
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return torch.from_numpy(np.ascontiguousarray(array))
