"""Rotations as unit quaternions (w, x, y, z) over the last axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["about", "between", "conjugate", "cross", "multiply", "rotate", "to_six"]

Floats = NDArray[np.floating]


def about(axis: int, angles: Floats) -> Floats:
    """Rotations about x (0), y (1) or z (2) by (...) radians; (..., 4)."""
    out = np.zeros((*angles.shape, 4), angles.dtype)
    out[..., 0] = np.cos(angles / 2)
    out[..., 1 + axis] = np.sin(angles / 2)
    return out


def multiply(left: Floats, right: Floats) -> Floats:
    """The rotation ``right`` followed by ``left``; (..., 4) each."""
    lw, lx, ly, lz = _parts(left)
    rw, rx, ry, rz = _parts(right)
    w = lw * rw - lx * rx - ly * ry - lz * rz
    out = np.empty((*w.shape, 4), w.dtype)
    out[..., 0] = w
    out[..., 1] = lw * rx + lx * rw + ly * rz - lz * ry
    out[..., 2] = lw * ry - lx * rz + ly * rw + lz * rx
    out[..., 3] = lw * rz + lx * ry - ly * rx + lz * rw
    return out


def conjugate(rotation: Floats) -> Floats:
    """The opposite rotation; (..., 4)."""
    return rotation * np.array([1.0, -1.0, -1.0, -1.0], rotation.dtype)


def rotate(rotation: Floats, vector: Floats) -> Floats:
    """Vectors (..., 3) turned by rotations (..., 4); the leading axes broadcast."""
    axis = rotation[..., 1:]
    twice = 2.0 * cross(axis, vector)
    return vector + rotation[..., :1] * twice + cross(axis, twice)


def between(start: Floats, end: Floats) -> Floats:
    """The shortest rotation that turns ``start`` to ``end``; (..., 3) each, (..., 4) out.

    Opposite vectors have no single answer; they give half a turn round x.
    """
    w = np.sqrt((start**2).sum(-1) * (end**2).sum(-1)) + (start * end).sum(-1)
    rotation = np.empty((*w.shape, 4), w.dtype)
    rotation[..., 0] = w
    rotation[..., 1:] = cross(start, end)
    length = np.linalg.norm(rotation, axis=-1, keepdims=True)
    half_turn = np.array([0.0, 1.0, 0.0, 0.0], w.dtype)
    return np.where(length > 1e-9, rotation / np.maximum(length, 1e-9), half_turn)


def cross(one: Floats, other: Floats) -> Floats:
    """Cross products of (..., 3); numpy's own spends most of its time on deciding what it was given."""
    x, y, z = _parts(one)
    u, v, w = _parts(other)
    first = y * w - z * v
    out = np.empty((*first.shape, 3), first.dtype)
    out[..., 0] = first
    out[..., 1] = z * u - x * w
    out[..., 2] = x * v - y * u
    return out


def to_six(rotation: Floats) -> Floats:
    """The first two columns of the rotation matrix (Zhou et al., 2019): (..., 4) to (..., 6)."""
    w, x, y, z = _parts(rotation)
    return np.stack(
        [
            1 - 2 * (y * y + z * z),
            2 * (x * y + z * w),
            2 * (x * z - y * w),
            2 * (x * y - z * w),
            1 - 2 * (x * x + z * z),
            2 * (y * z + x * w),
        ],
        axis=-1,
    )


def _parts(values: Floats) -> tuple[Floats, ...]:
    return tuple(values[..., place] for place in range(values.shape[-1]))
