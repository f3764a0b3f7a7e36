"""Probabilities from scores, and the threshold that suits labels.

Legend: P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sigmoid", "best_f1_threshold", "fit_sigmoid"]


@dataclass(frozen=True, slots=True)
class Sigmoid:
    """Platt's scaling on log-odds: slope x logit(score) + offset; (1, 0) is the identity."""

    slope: float
    offset: float

    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(P,) probabilities."""
        return np.asarray(1 / (1 + np.exp(-(self.slope * _logit(scores) + self.offset))))


def fit_sigmoid(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> Sigmoid:
    """Platt 1999, with his smoothed targets; a falling curve is refused for the identity."""
    from scipy.optimize import minimize

    labels = np.asarray(labels)
    positives, negatives = int((labels == 1).sum()), int((labels == 0).sum())
    targets = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    logits = _logit(scores)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = parameters[0] * logits + parameters[1]
        value = float(np.mean(np.logaddexp(0, z) - targets * z))
        error = (1 / (1 + np.exp(-z)) - targets) / len(z)
        return value, np.array([error @ logits, error.sum()])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
    return Sigmoid(float(found[0]), float(found[1])) if found[0] > 0 else Sigmoid(1.0, 0.0)


def best_f1_threshold(scores: NDArray[np.floating], labels: NDArray[np.int64]) -> tuple[float, float]:
    """The threshold with the highest F1, half-way to the next lower score, and that F1; (1, 0) without positives."""
    labels = np.asarray(labels)
    if not labels.any():
        return 1.0, 0.0
    values, inverse = np.unique(np.asarray(scores, np.float64), return_inverse=True)
    hits = np.bincount(inverse, weights=labels)[::-1].cumsum()
    taken = np.bincount(inverse)[::-1].cumsum()
    f1 = 2 * hits / (taken + labels.sum())
    best = int(f1.argmax())
    values = values[::-1]
    lower = values[best + 1] if best + 1 < len(values) else values[best]
    return float((values[best] + lower) / 2), float(f1[best])


def _logit(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(np.asarray(scores, np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(clipped / (1 - clipped)))
