"""Motion: joint positions over time, kept as .npy or .npz. Further formats come from plugins."""

from __future__ import annotations

import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput, UsageError
from mmkit.media.source import Source, name_of, open_source, suffix_of
from mmkit.media.target import atomic_path
from mmkit.types import Item

__all__ = ["read_motion", "write_motion"]

_POSITIONS: Final = ("positions", "joints", "motion")
_RATES: Final = ("fps", "rate", "frame_rate", "mocap_framerate")


def read_motion(source: Source) -> tuple[NDArray[np.float32], float | None]:
    """Joint positions. T frames, J joints.

    Of an .npz file the array called ``positions``, ``joints`` or ``motion`` is taken, else its only (T, J, 3) array,
    and the rate from ``fps`` or ``rate``. Nothing is unpickled.

    Returns:
        (T, J, 3) float32 positions in the file's unit, and frames a second where the file tells them.

    Raises:
        BadInput: missing, damaged, pickled, not (T, J, 3), or with values that are not finite.
    """
    where = name_of(source)
    if isinstance(source, Item) and source.array is not None:
        return _checked(source.array, where), source.rate
    with open_source(source) as file:
        try:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return _checked(loaded, where), None
            with loaded:
                arrays = {name: loaded[name] for name in loaded.files}
        except BadInput:
            raise
        except Exception as error:  # numpy meets damaged files with any exception at all
            raise BadInput(f"is not a .npy or .npz file that can be read ({error})", where=where) from error
    return _checked(_positions(arrays, where), where), _rate(arrays)


def write_motion(path: str | os.PathLike[str], positions: NDArray[Any], *, rate: float | None = None) -> None:
    """Write (T, J, 3) positions as .npy, or as .npz with ``positions`` and ``fps``; all or nothing.

    Raises:
        UsageError: another suffix, or a rate with .npy, which has no place for it.
        BadInput: positions of another shape, or the file cannot be written.
    """
    where = name_of(path)
    values = _checked(positions, where)
    suffix = suffix_of(os.fspath(path))
    if suffix not in (".npy", ".npz") or (suffix == ".npy" and rate is not None):
        raise UsageError("Expected a name that ends in .npz, or in .npy without a rate", where=where)
    with atomic_path(path) as partial:
        if suffix == ".npy":
            np.save(partial, values, allow_pickle=False)
        elif rate is None:
            np.savez_compressed(partial, positions=values)
        else:
            np.savez_compressed(partial, positions=values, fps=np.float64(rate))


def _checked(values: Any, where: str) -> NDArray[np.float32]:
    array = np.asarray(values)
    if array.dtype.kind not in "fiu" or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise BadInput(f"Expected (T, J, 3) numbers, but received {array.shape} {array.dtype}", where=where)
    array = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(array).all():
        raise BadInput("holds positions that are not finite numbers", where=where)
    return array


def _positions(arrays: dict[str, NDArray[Any]], where: str) -> NDArray[Any]:
    for name in _POSITIONS:
        if name in arrays:
            return arrays[name]
    fitting = [name for name, array in arrays.items() if array.ndim == 3 and array.shape[2] == 3]
    if len(fitting) != 1:
        held = ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "nothing"
        raise BadInput(f"Expected one (T, J, 3) array called positions, but it holds {held}", where=where)
    return arrays[fitting[0]]


def _rate(arrays: dict[str, NDArray[Any]]) -> float | None:
    for name in _RATES:
        if name in arrays and arrays[name].size == 1 and arrays[name].dtype.kind in "fiu":
            return float(arrays[name].reshape(()))
    return None
