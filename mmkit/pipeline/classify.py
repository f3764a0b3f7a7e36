"""Zero-shot classification: class names become a matrix of text vectors, and pictures are scored against it.

Legend: C classes, N items, D dims, M templates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmkit.config import Settings
from mmkit.encoders.base import Encoder, require
from mmkit.errors import UsageError
from mmkit.pipeline.embedding import embed_items
from mmkit.types import Embeddings, Item

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["TextClassifier", "build_classifier"]

#: What cosines are multiplied by before the softmax where an encoder states no scale of its own: CLIP's.
_DEFAULT_LOGIT_SCALE = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class TextClassifier:
    """A classifier made of words.

    Attributes:
        classes: C names.
        templates: the M templates whose vectors were averaged.
        weights: (C, D) float32, unit rows.
        logit_scale: what cosines are multiplied by before the softmax.
    """

    classes: tuple[str, ...]
    templates: tuple[str, ...]
    weights: NDArray[np.float32]
    logit_scale: float
    space: str = ""
    fingerprint: str = ""

    def probabilities(self, embeddings: Embeddings) -> NDArray[np.float32]:
        """(N, C): softmax over the classes of ``logit_scale`` times the cosine.

        Raises:
            SpaceMismatch: the embeddings are of another space.
        """
        import numpy as np

        from mmkit.pipeline.search import check_same_space

        check_same_space(embeddings, Embeddings(self.weights, space=self.space, fingerprint=self.fingerprint))
        logits = self.logit_scale * (embeddings.vectors @ self.weights.T)
        logits -= logits.max(axis=1, keepdims=True, initial=-np.inf)
        exponentials = np.exp(logits)
        return exponentials / exponentials.sum(axis=1, keepdims=True)


def build_classifier(
    encoder: Encoder,
    classes: Sequence[str] | Mapping[str, Sequence[str]],
    *,
    templates: Sequence[str] = (),
    chosen: Settings | None = None,
) -> TextClassifier:
    """Encode each name of each class in each template; a class is the normalised mean of those unit vectors.

    Args:
        classes: names, or a mapping from each class to the names it goes by (synonyms are averaged).
        templates: texts that hold ``{}``; empty takes the encoder's own.

    Raises:
        UsageError: no classes, the same class twice, a template without ``{}``, or an encoder without text.
    """
    import numpy as np

    require(encoder.spec, modalities=["text"], purpose="classification by words")
    synonyms = _clean(classes)
    chosen_templates = tuple(templates) or tuple(getattr(encoder, "templates", ())) or (encoder.spec.template,)
    if wrong := [template for template in chosen_templates if "{}" not in template]:
        raise UsageError(f"the template {wrong[0]!r} has no {{}} for the class name")
    texts = [
        template.replace("{}", name) for names in synonyms.values() for name in names for template in chosen_templates
    ]
    vectors = embed_items(encoder, (Item.from_text(text) for text in texts), chosen=chosen).vectors
    ends = np.cumsum([len(names) * len(chosen_templates) for names in synonyms.values()])
    means = np.stack([part.mean(axis=0) for part in np.split(vectors, ends[:-1])])
    weights = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return TextClassifier(
        classes=tuple(synonyms),
        templates=chosen_templates,
        weights=weights.astype(np.float32),
        logit_scale=float(getattr(encoder, "logit_scale", _DEFAULT_LOGIT_SCALE)),
        space=encoder.spec.space,
        fingerprint=encoder.spec.fingerprint,
    )


def _clean(classes: Sequence[str] | Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    if isinstance(classes, Mapping):
        synonyms = {name: [_squeezed(synonym) for synonym in names] for name, names in classes.items()}
    else:
        names = [_squeezed(name) for name in classes]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"the class {twice[0]!r} is named twice")
        synonyms = {name: [name] for name in names}
    if not synonyms or not all(synonyms.values()) or any("" in names for names in synonyms.values()):
        raise UsageError("Expected at least one class, and no empty name")
    return synonyms


def _squeezed(text: str) -> str:
    return " ".join(text.split())
