"""The pair re-scorer: a forest and a logistic regression over the same features, averaged and calibrated.

scikit-learn fits them; what is kept are plain arrays, written as safetensors, so that a model file runs no code.

Legend: P pairs, F features.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput
from mmkit.media.target import atomic_path
from mmkit_link.calibration import Sigmoid, fit_sigmoid
from mmkit_link.comparisons import Features
from mmkit_link.forest import Forest, check_forest, fit_forest

__all__ = ["Linear", "PairModel", "fit_model", "load_model", "with_threshold"]

FORMAT: Final = "mmkit-link-1"
_CHUNK: Final = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Logistic regression on standardised features: (F,) mean, scale and weights."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: float

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """(P,) probabilities."""
        logits = ((values - self.mean) / self.scale) @ self.weights + self.bias
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -50, 50))))


@dataclass(frozen=True, slots=True, eq=False)
class PairModel:
    """Scores record pairs.

    Attributes:
        names: the F features it was fitted on.
        sigmoid: calibration of the mean of both parts.
        threshold: the probability from which a pair is a link.
        recipe: what else the caller wants to know again: columns, kinds, encoder.
    """

    names: tuple[str, ...]
    forest: Forest
    linear: Linear
    sigmoid: Sigmoid
    threshold: float = 0.5
    recipe: dict[str, Any] = field(default_factory=dict)

    def probabilities(self, features: Features) -> NDArray[np.float32]:
        """(P,) calibrated probabilities.

        Raises:
            BadInput: the features are not those of the fit, for other columns were compared.
        """
        if features.names != self.names:
            missing = [name for name in self.names if name not in features.names]
            given = ", ".join(missing[:3] or [name for name in features.names if name not in self.names][:3])
            raise BadInput(
                f"the records do not give the features this model was trained on ({given})",
                mend="compare the same columns with the same encoder, or train again",
            )
        return self.sigmoid(self.raw(features.values)).astype(np.float32)

    def raw(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """(P,) the uncalibrated mean of forest and regression, from (P, F)."""
        found = np.empty(len(values))
        for start in range(0, len(values), _CHUNK):
            part = values[start : start + _CHUNK]
            found[start : start + len(part)] = (self.forest(part) + self.linear(part)) / 2
        return found

    def save(self, path: Path) -> None:
        """Write one safetensors file, all or nothing."""
        from safetensors.numpy import save

        tensors = {f"forest.{name}": getattr(self.forest, name) for name in Forest.__slots__}
        tensors |= {f"linear.{name}": getattr(self.linear, name) for name in ("mean", "scale", "weights")}
        about = {
            "format": FORMAT,
            "names": self.names,
            "bias": self.linear.bias,
            "sigmoid": [self.sigmoid.slope, self.sigmoid.offset],
            "threshold": self.threshold,
            "recipe": self.recipe,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as partial:
            partial.write_bytes(save(tensors, {"mmkit_link": json.dumps(about, ensure_ascii=False)}))


def load_model(path: Path) -> PairModel:
    """Read a model that ``PairModel.save`` wrote.

    Raises:
        BadInput: missing, damaged, or another kind of file.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise BadInput("no such model file", where=str(path), mend="make one with: mmkit link train")
    try:
        with safe_open(path, "np") as file:
            about = json.loads((file.metadata() or {}).get("mmkit_link", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no iterator
        if about.get("format") != FORMAT:
            raise BadInput("is no model of mmkit link", where=str(path))
        forest = Forest(**{name: tensors[f"forest.{name}"] for name in Forest.__slots__})
        check_forest(forest, len(about["names"]))
        mean, scale, weights = (tensors[f"linear.{name}"].reshape(-1) for name in ("mean", "scale", "weights"))
        if not len(mean) == len(scale) == len(weights) == len(about["names"]):
            raise ValueError("its features and weights differ in number")
        linear = Linear(mean, scale, weights, float(about["bias"]))
        sigmoid = Sigmoid(*map(float, about["sigmoid"]))
        return PairModel(
            tuple(about["names"]), forest, linear, sigmoid, float(about["threshold"]), dict(about["recipe"])
        )
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise BadInput(f"is no model, or damaged ({error})", where=str(path), mend="train it again") from error


def fit_model(
    features: Features,
    labels: NDArray[np.int64],
    *,
    trees: int = 300,
    balanced: bool = False,
    seed: int = 0,
    groups: NDArray[np.int64] | None = None,
) -> tuple[PairModel, NDArray[np.float64]]:
    """Fit on labelled pairs.

    Args:
        labels: (P,) 0 or 1, both present.
        balanced: weigh both classes alike, for pseudo-labels whose shares mean nothing; else probabilities are
            calibrated by what pairs score that a tree, or a fold, has not seen.
        groups: (P,) pairs of one group are never split between fold and rest, such as pairs of one record.

    Returns:
        The model, and (P,) the raw scores of the pairs by parts that had not seen them.

    Raises:
        BadInput: only one class is there.
    """
    labels = np.asarray(labels)
    if len(set(labels.tolist())) < 2:
        raise BadInput("the labelled pairs are all of one class", mend="give pairs with label 1 and pairs with label 0")
    share = float(labels.mean())
    weights = np.where(labels == 1, 0.5 / share, 0.5 / (1 - share)) if balanced else np.ones(len(labels))
    forest, unseen = fit_forest(features.values, labels, weights, trees=trees, seed=seed)
    linear = _fit_linear(features.values, labels, balanced)
    unseen = (unseen + _unseen_linear(features.values, labels, balanced, groups)) / 2
    sigmoid = Sigmoid(1.0, 0.0) if balanced else fit_sigmoid(unseen, labels)
    return PairModel(features.names, forest, linear, sigmoid), unseen


def _fit_linear(values: NDArray[np.float32], labels: NDArray[np.int64], balanced: bool) -> Linear:
    from sklearn.linear_model import LogisticRegression

    mean, scale = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    scale = np.where(scale > 1e-9, scale, 1.0)
    regression = LogisticRegression(C=0.05, class_weight="balanced" if balanced else None, max_iter=500)
    regression.fit((values - mean) / scale, labels)
    return Linear(mean, scale, regression.coef_[0].astype(np.float64), float(regression.intercept_[0]))


def _unseen_linear(
    values: NDArray[np.float32], labels: NDArray[np.int64], balanced: bool, groups: NDArray[np.int64] | None
) -> NDArray[np.float64]:
    folds = 5
    keys = np.arange(len(labels)) if groups is None else groups
    fold = (keys * 2654435761 % 2**32) * folds // 2**32
    found = np.empty(len(labels))
    for number in range(folds):
        held = fold == number
        rest = labels[~held]
        usable = held.any() and len(set(rest.tolist())) == 2
        fitted = _fit_linear(values[~held], rest, balanced) if usable else _fit_linear(values, labels, balanced)
        found[held] = fitted(values[held])
    return found


def with_threshold(model: PairModel, threshold: float, **recipe: Any) -> PairModel:
    """The model with another threshold and more to remember."""
    return replace(model, threshold=float(threshold), recipe={**model.recipe, **recipe})
