"""The gap between the modalities of a shared space, declared and closed on purpose.

Vectors of pictures and of texts lie in two separate cones (Liang et al. 2022, "Mind the gap"). A separator is trained
on the vectors of one modality; those of another are moved to where the former lie before it is asked with them.

Legend: N vectors, M remembered vectors, D dims.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import UsageError
from mmkit.types import Modality, SharedSpaceQuery

__all__ = ["GAP_KINDS", "GapCorrection", "GapKind", "Statistics"]

GapKind = Literal["none", "mean", "scaled"]
GAP_KINDS: Final[tuple[str, ...]] = get_args(GapKind)
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Mean (D,) and standard deviation (D,) of a modality's vectors."""

    mean: Rows
    spread: Rows


@dataclass(frozen=True, slots=True, eq=False)
class GapCorrection:
    """How vectors of another modality become like those of the training.

    Attributes:
        kind: ``none``: they stay as they are; ``mean``: moved by the difference of the modalities' means; ``scaled``:
            also stretched, dim by dim, to the spread of the training's.
        trained: the modality of the training.
        of: statistics by modality, of vectors that no test knows.
        shifts: by modality, a difference of means, for ``mean`` where ``of`` has nothing.
        memory: (M, D) unit rows of the training's queries.
        share: how far a moved vector is drawn to the rows of ``memory`` that are near it, from 0 to 1.
            DeCap (Li et al. 2023) goes all of the way.
        temperature: of the cosines that weigh them.
    """

    kind: GapKind = "none"
    trained: Modality = "text"
    of: Mapping[str, Statistics] = field(default_factory=dict)
    shifts: Mapping[str, Rows] = field(default_factory=dict)
    memory: Rows | None = None
    share: float = 0.0
    temperature: float = 0.03

    def query(self, asked: SharedSpaceQuery) -> Rows:
        """(N, D) unit rows as the separator should see them.

        Raises:
            UsageError: ``scaled``, and the model has no statistics of the query's modality.
        """
        vectors = np.atleast_2d(np.asarray(asked.vector, np.float32))
        modality = asked.modality
        if self.kind == "none" or modality == self.trained or len(vectors) == 0:
            return vectors
        if self.kind == "scaled":
            if modality not in self.of or self.trained not in self.of:
                raise UsageError(f"scaled: the model has no statistics of {modality} vectors", where="--gap")
            given, wanted = self.of[modality], self.of[self.trained]
            moved = _unit(wanted.mean + (vectors - given.mean) * (wanted.spread / given.spread.clip(1e-6)))
        elif modality in self.of and self.trained in self.of:
            moved = _unit(vectors + self.of[self.trained].mean - self.of[modality].mean)
        elif modality in self.shifts:
            moved = _unit(vectors + self.shifts[modality])
        else:
            return vectors  # nothing is known of that modality: sounds have a tower that was trained into the texts
        if self.memory is None or self.share <= 0:
            return moved
        nearness = moved @ self.memory.T / self.temperature
        weights = np.exp(nearness - nearness.max(axis=1, keepdims=True))
        remembered = _unit((weights / weights.sum(axis=1, keepdims=True)) @ self.memory)
        return _unit(self.share * remembered + (1 - self.share) * moved)


def _unit(rows: NDArray[np.floating]) -> Rows:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True).clip(1e-9), np.float32)
