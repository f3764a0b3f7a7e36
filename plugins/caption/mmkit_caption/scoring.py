"""All metrics of captions against their references, and what the captions are like by themselves.

N captions, R references of each, D dims.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from mmkit_caption.metrics.bleu import bleu
from mmkit_caption.metrics.cider import cider_d
from mmkit_caption.metrics.meteor import meteor_exact_stem
from mmkit_caption.metrics.rouge import rouge_l
from mmkit_caption.metrics.tokens import caption_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SIGNATURE", "clip_score", "score_captions", "variety"]

SIGNATURE: Final = (
    "lower case, Penn Treebank contractions, no punctuation; BLEU closest; ROUGE-L beta 1.2; CIDEr-D sigma 6"
)
_CLIP_WEIGHT: Final = 2.5


def clip_score(pictures: NDArray[np.float32], texts: NDArray[np.float32]) -> float:
    """CLIPScore, 2.5 max(cos, 0) on average (Hessel et al. 2021), of unit rows (N, D) of pictures and captions.

    It is the encoder's own opinion: values of two encoders cannot be compared, and 2.5 was chosen for CLIP.
    """
    cosines = (pictures * texts).sum(1)
    return float(_CLIP_WEIGHT * cosines.clip(min=0).mean())


def score_captions(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Any]:
    """``bleu1`` to ``bleu4``, ``rouge_l``, ``cider``, ``meteor_exact_stem``, all times 100, and `variety`.

    Raises:
        ValueError: there is no caption, or one has no reference.
    """
    if not captions:
        raise ValueError("Expected at least one caption")
    words = [caption_words(text) for text in captions]
    known = [[caption_words(text) for text in group] for group in references]
    blues = bleu(words, known)
    cider = cider_d(words, known)
    count = len(words)
    return {
        **{f"bleu{n}": round(100 * value, 2) for n, value in enumerate(blues, start=1)},
        "rouge_l": round(100 * sum(map(rouge_l, words, known)) / count, 2),
        "cider": round(100 * sum(cider) / count, 2),
        "meteor_exact_stem": round(
            100 * sum(meteor_exact_stem(w, r) for w, r in zip(words, known, strict=True)) / count, 2
        ),
        **variety(words),
    }


def variety(words: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Distinct n-grams over all n-grams (``distinct1``, ``distinct2``, ``distinct4``), distinct captions over all,
    the number of different words, and the mean length in words."""
    found: dict[str, Any] = {}
    for n in (1, 2, 4):
        grams = [tuple(text[start : start + n]) for text in words for start in range(len(text) - n + 1)]
        found[f"distinct{n}"] = round(len(set(grams)) / max(1, len(grams)), 4)
    found["distinct_captions"] = round(len({tuple(text) for text in words}) / max(1, len(words)), 4)
    found["vocabulary"] = len({word for text in words for word in text})
    found["mean_length"] = round(sum(map(len, words)) / max(1, len(words)), 2)
    return found
