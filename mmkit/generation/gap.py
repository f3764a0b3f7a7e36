"""The gap between the two towers of a shared space, said and closed on purpose.

The vectors of pictures and of texts lie in two separate cones (Liang et al. 2022, "Mind the gap"), so a model that
was trained on one tower's vectors meets strangers when it is asked with the other's.

N vectors, D dims; all vectors are unit rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from mmkit.types import Modality

__all__ = ["GAP_KINDS", "GapCorrection", "GapKind", "mean_distance"]

GapKind = Literal["none", "mean", "noise"]
GAP_KINDS: tuple[str, ...] = get_args(GapKind)


@dataclass(frozen=True, slots=True, eq=False)
class GapCorrection:
    """How a model that is trained on one tower's vectors is asked with the other's.

    Attributes:
        kind: ``none``; ``mean``: a query is moved by the difference of the towers' means; ``noise``: training vectors
            are blurred, so that the other tower's fall inside the blur (CapDec, Nukrai et al. 2022).
        trained: the tower of the training vectors.
        means: the mean vector (D,) of each tower, for ``mean``.
        sigma: standard deviation of the noise in each of D dims, for ``noise``; it may be set beside ``mean`` too.
    """

    kind: GapKind = "none"
    trained: Modality = "text"
    means: dict[str, Tensor] | None = None
    sigma: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in GAP_KINDS:
            raise ValueError(f"Expected one of {GAP_KINDS}, but received {self.kind!r}")
        if self.kind == "mean" and (self.means is None or self.trained not in self.means):
            raise ValueError(f"Expected the means of both towers, but received {sorted(self.means or ())}")
        if self.kind == "noise" and not self.sigma > 0:
            raise ValueError(f"Expected a sigma above 0, but received {self.sigma}")

    def query(self, vectors: Tensor, modality: Modality) -> Tensor:
        """Vectors (N, D) of ``modality`` as the trained model should see them: unit rows (N, D)."""
        if self.kind != "mean" or modality == self.trained:
            return vectors
        means = self.means or {}
        if modality not in means:
            raise ValueError(f"Expected one of {sorted(means)}, but received {modality!r}")
        shift = means[self.trained] - means[modality]
        return F.normalize(vectors + shift.to(vectors), dim=-1)

    def blurred(self, vectors: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Training vectors (N, D) with the noise of ``sigma`` added: unit rows (N, D)."""
        if not self.sigma:
            return vectors
        noise = torch.randn(vectors.shape, generator=generator, device=vectors.device, dtype=vectors.dtype)
        return F.normalize(vectors + self.sigma * noise, dim=-1)


def mean_distance(text: Tensor, image: Tensor) -> float:
    """The gap itself: the distance between the means of text vectors (N, D) and picture vectors (M, D)."""
    return float((text.mean(0) - image.mean(0)).norm())
