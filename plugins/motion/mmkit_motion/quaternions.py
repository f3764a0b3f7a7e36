"""Rotations as unit quaternions (w, x, y, z) over the last axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["between", "conjugate", "multiply", "rotate", "to_six"]

Floats = NDArray[np.floating]


def multiply(left: Floats, right: Floats) -> Floats:
    """The rotation ``right`` followed by ``left``; (..., 4) each."""
    lw, lx, ly, lz = np.moveaxis(left, -1, 0)
    rw, rx, ry, rz = np.moveaxis(right, -1, 0)
    return np.stack(
        [
            lw * rw - lx * rx - ly * ry - lz * rz,
            lw * rx + lx * rw + ly * rz - lz * ry,
            lw * ry - lx * rz + ly * rw + lz * rx,
            lw * rz + lx * ry - ly * rx + lz * rw,
        ],
        axis=-1,
    )


def conjugate(rotation: Floats) -> Floats:
    """The opposite rotation; (..., 4)."""
    return rotation * np.array([1.0, -1.0, -1.0, -1.0], rotation.dtype)


def rotate(rotation: Floats, vector: Floats) -> Floats:
    """Vectors (..., 3) turned by rotations (..., 4); the leading axes broadcast."""
    axis = rotation[..., 1:]
    twice = 2.0 * np.cross(axis, vector)
    return vector + rotation[..., :1] * twice + np.cross(axis, twice)


def between(start: Floats, end: Floats) -> Floats:
    """The shortest rotation that turns ``start`` to ``end``; (..., 3) each, (..., 4) out.

    Opposite vectors have no single answer; they give half a turn round x.
    """
    w = np.sqrt((start**2).sum(-1) * (end**2).sum(-1)) + (start * end).sum(-1)
    rotation = np.concatenate([w[..., None], np.broadcast_to(np.cross(start, end), (*w.shape, 3))], axis=-1)
    length = np.linalg.norm(rotation, axis=-1, keepdims=True)
    half_turn = np.zeros_like(rotation)
    half_turn[..., 1] = 1.0
    return np.where(length > 1e-9, rotation / np.maximum(length, 1e-9), half_turn)


def to_six(rotation: Floats) -> Floats:
    """The first two columns of the rotation matrix (Zhou et al., 2019): (..., 4) to (..., 6)."""
    w, x, y, z = np.moveaxis(rotation, -1, 0)
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
