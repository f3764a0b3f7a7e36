"""Error bounds that let a low-precision product stand in for the exact score without ever losing a match.

The filter computes ``low ~ t`` where t orders the gallery for one query q:

    cosine      t = q.g / |g|         score = t              (q is a unit vector)
    dot         t = q.g               score = t
    euclidean   t = q.g - |g|^2 / 2   score = -sqrt(|q|^2 - 2 t)

and ``|low - t| <= slack + relative * |low|`` holds for every row of a block. With u the unit roundoff of the
inputs and D products summed in float32 in any order (Higham, Accuracy and Stability, section 3.1; doubled
because VDPBF16PS rounds after each of its two products):

    |low - q.g| <= |q - low(q)| |g| + u |q| |g| + D 2^-23 |q| |g|

A row whose ``low`` lies further than that below what the K-th best is known to reach cannot be among the K best.

Legend: Q queries, D dims, n rows of a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mmkit.match.operands import check_finite, not_finite
from mmkit.match.scorers import unit_rows

__all__ = ["BF16", "FLOAT32", "Geometry", "Measure", "Precision", "Query", "lengths_of"]

Measure = Literal["cosine", "dot", "euclidean"]

#: Rows whose length is within this of 1 are multiplied as they are; the bound takes the rest.
_NEARLY_UNIT: Final = 2.0**-10
#: Longer vectors could overflow float32 when multiplied; shorter ones lose digits when squared.
_LONGEST: Final = 1e18
_SHORTEST: Final = 1e-15
#: Second-order terms of the bounds below, generously.
_MARGIN: Final = 1.02
_TINY: Final = 1e-30


@dataclass(frozen=True, slots=True)
class Precision:
    """A number format of the filter: unit roundoff of what is multiplied, and of the product as it is returned."""

    name: str
    inputs: float
    output: float


BF16: Final = Precision("bf16", 2.0**-8, 2.0**-8)
FLOAT32: Final = Precision("float32", 2.0**-24, 2.0**-22)


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """What the bounds need to know of a block.

    Attributes:
        lengths: (n,) float64.
        radius: the largest length of a row as it is multiplied.
        deviation: how far lengths are from 1, for the cosine of rows that are multiplied as they are.
        rescale: whether rows must be divided by their lengths before they are multiplied.
    """

    lengths: NDArray[np.float64]
    radius: float
    deviation: float
    rescale: bool

    @classmethod
    def of(cls, lengths: NDArray[np.float64], measure: Measure, dim: int) -> Geometry:
        rounding = (dim + 4) * 2.0**-23
        longest = float(lengths.max(initial=0.0)) * (1 + rounding)
        if measure != "cosine":
            return cls(lengths, longest, 0.0, False)
        deviation = float(np.abs(lengths - 1.0).max(initial=0.0))
        if deviation > _NEARLY_UNIT:
            return cls(lengths, 1.0 + rounding, rounding, True)
        return cls(lengths, longest, deviation + rounding, False)


class Query:
    """Q queries and what the bounds need of them.

    Attributes:
        exact: (Q, D) float64, unit rows under cosine.
        lengths: (Q,) float64 lengths of those.
    """

    def __init__(self, vectors: NDArray[Any], measure: Measure) -> None:
        check_finite(vectors, name="queries")
        exact = np.asarray(vectors, np.float64)
        self.measure: Measure = measure
        self.exact = unit_rows(exact) if measure == "cosine" else exact
        longest = lengths_of(exact)
        if len(exact) and longest.max() > _LONGEST:
            raise not_finite("queries", int(longest.argmax()))
        self.lengths = lengths_of(self.exact)
        self.single = self.exact.astype(np.float32)
        self.single_shift = self.shift(self.single)
        self.dim = int(exact.shape[1])

    def __len__(self) -> int:
        return len(self.exact)

    def shift(self, rounded: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """(Q,) how far rounding moved the queries; rounded is (Q, D) as they are multiplied."""
        return lengths_of(self.exact - rounded)

    def slack(self, precision: Precision, geometry: Geometry, shift: NDArray[np.float64]) -> NDArray[np.float64]:
        """(Q,) absolute bound on ``|low - t|`` over a block, for queries that rounding moved by shift."""
        reach = self.lengths + shift
        radius = geometry.radius
        slack = radius * (shift + reach * (precision.inputs + self.dim * 2.0**-23 + geometry.deviation))
        if self.measure == "euclidean":
            # The product is rounded before |g|^2 / 2 is taken off, which itself was summed in float32; the last
            # term is what rounding the distance to float32 may hide.
            slack = slack + precision.output * reach * radius + (self.dim + 4) * 2.0**-23 * radius**2
            slack = slack + 2.0**-22 * (reach + radius) ** 2
        return np.asarray(_MARGIN * slack + _TINY)

    def needed(self, floor: NDArray[np.float64]) -> NDArray[np.float64]:
        """(Q,) what t must reach for its score to round to the float32 floor or more."""
        if self.measure != "euclidean":
            return np.where(np.isfinite(floor), floor - 2.0**-23 * np.abs(floor), floor)
        distance = np.maximum(-floor, 0.0) * (1 + 2.0**-22)
        reach = (np.square(self.lengths) - np.square(distance)) / 2
        return np.where(floor > 0, np.inf, reach)

    def known(
        self, kth_low: NDArray[np.float64], slack: NDArray[np.float64], precision: Precision
    ) -> NDArray[np.float64]:
        """(Q,) what the K-th best t reaches at least, from the K-th best low."""
        known = kth_low - self._output(precision) * np.abs(kth_low) - slack
        return known - 2.0**-22 * np.abs(known)

    def cut(self, needed: NDArray[np.float64], slack: NDArray[np.float64], precision: Precision) -> NDArray[np.float32]:
        """(Q,) rows with low under this have t under what is needed."""
        target = needed - slack
        unit = self._output(precision)
        cut = np.where(target >= 0, target / (1 + unit), target / (1 - unit))
        return np.asarray(np.nextafter(cut.astype(np.float32), np.float32(-np.inf)))

    def scores(self, numbers: NDArray[np.int64], rows: NDArray[np.float64]) -> NDArray[np.float32]:
        """(P,) scores of pairs, summed in float64 in an order that does not depend on the other pairs.

        Args:
            numbers: (P,) query numbers.
            rows: (P, D) gallery rows.
        """
        queries = self.exact[numbers]
        if self.measure == "euclidean":
            return np.asarray(-np.sqrt(np.square(rows - queries).sum(axis=1)), np.float32)
        products = (queries * rows).sum(axis=1)
        lengths = lengths_of(rows)
        return self._rounded(products, self.lengths[numbers], lengths)

    def all_scores(self, numbers: NDArray[np.int64], rows: NDArray[np.float64]) -> NDArray[np.float32]:
        """(q, n) scores of some queries with all rows of a block, in float64."""
        if self.measure == "euclidean":
            return np.stack([-np.sqrt(np.square(rows - self.exact[n]).sum(axis=1)) for n in numbers]).astype(np.float32)
        products = self.exact[numbers] @ rows.T
        return self._rounded(products, self.lengths[numbers, None], lengths_of(rows)[None])

    def _rounded(
        self, products: NDArray[np.float64], left: NDArray[np.float64], right: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        # Orthogonal vectors give noise around 0 that would order equal rows; below this it is only noise.
        products = np.where(np.abs(products) <= 2.0**-45 * left * right, 0.0, products)
        if self.measure == "cosine":
            products = products / np.where(right > 0, right, 1.0)
        return np.asarray(products, np.float32)

    def _output(self, precision: Precision) -> float:
        # Under euclidean the product's own rounding is part of the slack, and one float32 subtraction follows.
        return FLOAT32.output if self.measure == "euclidean" else precision.output


def lengths_of(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) lengths of float64 rows."""
    return np.asarray(np.sqrt(np.square(rows).sum(axis=1)))


def check_lengths(lengths: NDArray[np.float64], *, first: int) -> None:
    """Refuse a block with NaN, infinite or overlong rows, naming the first of them by its gallery row."""
    sound = lengths <= _LONGEST
    if not sound.all():
        raise not_finite("gallery", first + int(np.argmin(sound)))


def too_short(lengths: NDArray[np.float64]) -> bool:
    """Whether float32 squares may have lost digits, so that lengths must be taken in float64."""
    return bool(lengths.size) and bool(lengths.min() < _SHORTEST)
