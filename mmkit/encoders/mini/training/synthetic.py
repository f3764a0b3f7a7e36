"""Synthetic features, so that every class of the tower is seen at every step.

The training pictures show few of the tower's classes. Under the linear-discriminant reading of a classifier
(Hastie et al., "The Elements of Statistical Learning", section 4.3) the mean of class c lies from the common mean
in the direction S w_c, S the covariance of the features and w_c the classifier's row. Features of real pictures
moved along it become features of the class. N pictures, C classes, F pooled features, G features of a place.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["ClassShift"]

_LARGEST = 6.0  # features are means of ReLU6 outputs
# Log-odds by which a synthetic feature's class leads: from doubtful to as sure as the tower gets.
_CERTAINTY = (-1.0, 5.0)
# How much of what a picture shows itself stays beside the new class.
_KEPT = (0.3, 1.0)


@dataclass(frozen=True, slots=True)
class ClassShift:
    """Directions in which features become those of a class.

    weight, bias: the classifier, (C, F) and (C). pooled: (C, F) and places: (C, G), a unit of log-odds a step.
    pooled_mean, places_mean: (F) and (G) of the pictures.
    """

    weight: Tensor
    bias: Tensor
    pooled: Tensor
    places: Tensor
    pooled_mean: Tensor
    places_mean: Tensor

    @classmethod
    def fit(cls, weight: Tensor, bias: Tensor, pooled: Tensor, places: Tensor) -> ClassShift:
        """From a classifier and the pooled features (N, F) and mean places (N, G) of real pictures."""
        centred = pooled - pooled.mean(0)
        covariance = centred.T @ centred / len(centred)
        across = centred.T @ (places - places.mean(0)) / len(centred)
        rows = weight - weight.mean(0)
        gain = (rows @ covariance * rows).sum(1, keepdim=True).clamp_min(1e-6)
        steps = rows @ covariance / gain, rows @ across / gain
        return cls(weight, bias, *steps, pooled.mean(0), places.mean(0))

    def logits(self, pooled: Tensor) -> Tensor:
        """Class logits (N, C) of pooled features (N, F)."""
        return pooled @ self.weight.T + self.bias

    def draw(self, pooled: Tensor, tokens: Tensor, generator: torch.Generator) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """One synthetic feature a class from C real ones, (C, F) and (C, P, G), and their class targets (C, C)."""
        count, device = len(self.bias), pooled.device

        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, generator=generator, device=device)

        certainty = uniform(*_CERTAINTY)
        faded = self.fade(pooled, tokens.float(), uniform(*_KEPT))
        made = self.move(*faded, torch.arange(count, device=device), certainty)
        return made, self.logits(made[0]).softmax(1)

    def fade(self, pooled: Tensor, tokens: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, F) and places (N, P, G) drawn towards the mean, `share` (N) of what is their own kept."""
        kept = share[:, None]
        faded = self.pooled_mean + kept * (pooled - self.pooled_mean)
        return faded, self.places_mean + kept[:, None] * (tokens - self.places_mean)

    def move(self, pooled: Tensor, tokens: Tensor, classes: Tensor, certainty: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, F) and places (N, P, G) moved until `classes` (N) lead by `certainty` (N) in log-odds.

        A first step leads there to first order; the other logits move too, so a second one makes up for it.
        """
        for _ in range(2):
            logits = self.logits(pooled)
            own = logits.gather(1, classes[:, None])
            others = logits.scatter(1, classes[:, None], -torch.inf)
            step = (others.logsumexp(1, keepdim=True) - own + certainty[:, None]).clamp_min(0)
            pooled = (pooled + step * self.pooled[classes]).clamp(0, _LARGEST)
            tokens = tokens + (step * self.places[classes])[:, None]
        return pooled, tokens
