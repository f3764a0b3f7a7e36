"""The gap between the two towers of a shared space, said and closed on purpose.

The vectors of pictures and of texts lie in two separate cones (Liang et al. 2022, "Mind the gap"), so a model that
was trained on one tower's vectors meets strangers when it is asked with the other's.

N vectors, S sentences, D dims; all vectors are unit rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from mmkit.types import Modality

__all__ = ["GAP_KINDS", "GapCorrection", "GapKind", "aggregate", "mean_distance"]

GapKind = Literal["none", "mean", "scaled", "noise"]
GAP_KINDS: tuple[str, ...] = get_args(GapKind)
_SCORES_AT_ONCE = 1 << 26


@dataclass(frozen=True, slots=True, eq=False)
class GapCorrection:
    """How a model that is trained on one tower's vectors is asked with the other's.

    Attributes:
        kind: ``none``; ``mean``: a query is moved by the difference of the towers' means; ``scaled``: it is also
            stretched, dim by dim, to the spread of the training's; ``noise``: training vectors are blurred, so that
            the other tower's fall inside the blur (CapDec, Nukrai et al. 2022).
        trained: the tower of the training vectors.
        means: the mean vector (D,) of each tower, for ``mean`` and ``scaled``.
        spreads: the standard deviation (D,) of each tower, for ``scaled``.
        sigma: standard deviation of the noise in each of D dims, for ``noise``; it may be set beside ``mean`` too.
        support: (S, D) vectors of the trained tower that a query is then re-expressed by, as ``aggregate`` does it.
        share: how far it is drawn to what comes of that, from 0 to 1; DeCap (Li et al. 2023) goes all of the way.
        temperature: t of ``aggregate``.
    """

    kind: GapKind = "none"
    trained: Modality = "text"
    means: dict[str, Tensor] | None = None
    spreads: dict[str, Tensor] | None = None
    sigma: float = 0.0
    support: Tensor | None = None
    share: float = 0.0
    temperature: float = 30.0

    def __post_init__(self) -> None:
        if self.kind not in GAP_KINDS:
            raise ValueError(f"Expected one of {GAP_KINDS}, but received {self.kind!r}")
        if self.kind in ("mean", "scaled") and self.trained not in (self.means or {}):
            raise ValueError(f"Expected the means of both towers, but received {sorted(self.means or ())}")
        if self.kind == "scaled" and set(self.spreads or ()) != set(self.means or ()):
            raise ValueError(f"Expected a spread beside each mean, but received {sorted(self.spreads or ())}")
        if self.kind == "noise" and not self.sigma > 0:
            raise ValueError(f"Expected a sigma above 0, but received {self.sigma}")

    def query(self, vectors: Tensor, modality: Modality) -> Tensor:
        """Vectors (N, D) of ``modality`` as the trained model should see them: unit rows (N, D)."""
        if modality == self.trained:
            return vectors
        moved = self._moved(vectors, modality)
        if self.support is None or not self.share > 0:
            return moved
        expressed = F.normalize(aggregate(moved, self.support, temperature=self.temperature), dim=-1)
        return F.normalize((1 - self.share) * moved + self.share * expressed, dim=-1)

    def _moved(self, vectors: Tensor, modality: Modality) -> Tensor:
        if self.kind not in ("mean", "scaled"):
            return vectors
        means, spreads = self.means or {}, self.spreads or {}
        if modality not in means:
            raise ValueError(f"Expected one of {sorted(means)}, but received {modality!r}")
        if self.kind == "mean":
            shift = means[self.trained] - means[modality]
            return F.normalize(vectors + shift.to(vectors), dim=-1)
        stretch = (spreads[self.trained] / spreads[modality].clamp_min(1e-6)).to(vectors)
        return F.normalize(means[self.trained].to(vectors) + (vectors - means[modality].to(vectors)) * stretch, dim=-1)

    def blurred(self, vectors: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Training vectors (N, D) with the noise of ``sigma`` added: unit rows (N, D)."""
        if not self.sigma:
            return vectors
        noise = torch.randn(vectors.shape, generator=generator, device=vectors.device, dtype=vectors.dtype)
        return F.normalize(vectors + self.sigma * noise, dim=-1)


def mean_distance(text: Tensor, image: Tensor) -> float:
    """The gap itself: the distance between the means of text vectors (N, D) and picture vectors (M, D)."""
    return float((text.mean(0) - image.mean(0)).norm())


def aggregate(vectors: Tensor, support: Tensor, *, temperature: float) -> Tensor:
    """e(x) = sum_j softmax_j(t cos(x, T_j)) T_j, (N, D) (CgT-GAN, equation 6; DeCap, Li et al. 2023, equation 5).

    The rows are not normalised: how short one is tells how much the sentences it is made of differ. With t to
    infinity it is the nearest sentence, with t = 0 the mean of all.

    Args:
        vectors: (N, D), of pictures or of texts.
        support: (S, D) text vectors, S > 0; kept in half precision or float32.
        temperature: t.
    """
    if not len(support):
        raise ValueError("Expected at least one sentence to re-express a vector by")
    step = max(1, _SCORES_AT_ONCE // len(support))
    corpus = support.float()
    parts = [
        ((vectors[first : first + step].float() @ corpus.T) * temperature).softmax(1) @ corpus
        for first in range(0, len(vectors), step)
    ]
    return torch.cat(parts) if parts else vectors.float()
