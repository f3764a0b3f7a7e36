"""What a prefix of nothing, of the wrong sentence, of the right and of the wrong picture reaches.

N lines, D dims of the space of pictures and texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmkit_translate.evaluate import paired_bootstrap, rotated, scores
from mmkit_translate.text.tables import picture_rows
from mmkit_translate.translating import Search, Translator

__all__ = ["prefix_controls"]


def prefix_controls(
    translator: Translator,
    texts: Sequence[str],
    wanted: Sequence[str],
    own: Sequence[str],
    source: str,
    target: str,
    search: Search,
    pictures: Sequence[str] | None = None,
    folder: Path = Path(),
) -> dict[str, Any]:
    """BLEU and chrF of each control, and its difference from ``own``, the translations that are measured.

    ``own_less_this`` compares by paired bootstrap; with pictures ``right_less_wrong_picture`` compares these two.

    Args:
        pictures: a file for each of N lines, relative to ``folder``; lines whose picture cannot be read keep their own
            prefix.
    """

    def translated(vectors: np.ndarray | None, kind: Search = search) -> list[str]:
        sources = [source] * len(texts)
        found = translator.translate(texts, target=target, sources=sources, search=kind, vectors=vectors)
        return [best[0].text if best else "" for best in found]

    def compared(other: list[str]) -> dict[str, Any]:
        score = scores(other, wanted)
        return {
            "bleu": score["bleu"],
            "chrf": score["chrf"],
            "own_less_this": paired_bootstrap(own, other, wanted),
        }

    result = {"zero_prefix": compared(translated(None, replace(search, prefix="none")))}
    result["wrong_sentence"] = compared(translated(rotated(translator.text_vectors(texts))))  # type: ignore[attr-defined]
    if pictures is not None:
        vectors, failed = picture_rows(translator, list(pictures), folder)
        right, wrong = translated(vectors), translated(rotated(vectors))
        result["right_picture"], result["wrong_picture"] = compared(right), compared(wrong)
        result["right_less_wrong_picture"] = paired_bootstrap(right, wrong, wanted)
        result["pictures_unread"] = len(failed)
    return result
