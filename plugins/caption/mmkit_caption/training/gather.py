"""What a run learns from, read and encoded: unpaired sentences and pictures, or pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmkit.pipeline.evaluate import read_captions
from mmkit_caption.training.corpus import Sentence, pivot_texts, read_corpus
from mmkit_caption.training.run import Material
from mmkit_caption.training.vectors import picture_vectors, text_vectors

if TYPE_CHECKING:
    from mmkit.config import Settings
    from mmkit.types import Failure

__all__ = ["paired", "unpaired"]


def unpaired(
    encoder: Any,
    images: Sequence[str],
    corpus: Sequence[Path],
    languages: Sequence[str],
    *,
    cache: Path | None = None,
    chosen: Settings | None = None,
    failures: list[Failure] | None = None,
    on_items: Callable[[int], None] = lambda count: None,
) -> Material:
    """Sentences of ``languages`` with the vectors of all English ones, and pictures that none of them belongs to."""
    every = read_corpus(corpus)
    texts = pivot_texts(every)
    vectors = text_vectors(encoder, texts, cache=cache, chosen=chosen, on_texts=on_items)
    # English sentences stay, whatever is learnt: groups need them.
    kept = [sentence for sentence in every if sentence.lang in languages]
    pictures = np.zeros((0, encoder.spec.dim), np.float32)
    if images:
        _, pictures = picture_vectors(encoder, images, chosen=chosen, failures=failures, on_pictures=on_items)
    return Material(kept, texts, vectors, pictures, beside=every)


def paired(
    encoder: Any,
    root: Path,
    captions: Path,
    languages: Sequence[str],
    *,
    chosen: Settings | None = None,
    failures: list[Failure] | None = None,
) -> Material:
    """Captions in the first of ``languages``, each with its own picture's vector."""
    from mmkit_caption.evaluate import embedded_pictures

    entries, vectors = embedded_pictures(encoder, root, read_captions(captions), chosen=chosen, failures=failures)
    told = [(Sentence(text, languages[0]), row) for row, entry in enumerate(entries) for text in entry.captions]
    none = np.zeros((0, encoder.spec.dim), np.float32)
    return Material([sentence for sentence, _ in told], [], none, vectors, paired=[row for _, row in told])
