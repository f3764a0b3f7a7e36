"""How good a captioner is on captioned pictures, beside controls that need no captioner.

N pictures, S sentences of a corpus, D dims.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput, UsageError
from mmkit_caption.scoring import SIGNATURE, clip_score, score_captions

if TYPE_CHECKING:
    from mmkit.config import Settings
    from mmkit.encoders.base import Encoder
    from mmkit.pipeline.evaluate import CaptionedFile
    from mmkit.types import Failure
    from mmkit_caption.writer import CaptionWriter

__all__ = ["Vectors", "derangement", "embedded_pictures", "evaluate", "nearest"]

Vectors = NDArray[np.float32]


def evaluate(
    writer: CaptionWriter,
    pictures: Vectors,
    references: Sequence[Sequence[str]],
    embed: Callable[[Sequence[str]], Vectors],
    *,
    corpus: Sequence[str] = (),
    corpus_vectors: Vectors | None = None,
    language: str = "en",
    beam: int | None = None,
    batch: int = 64,
    seed: int = 0,
    on_pictures: Callable[[int], None] = lambda count: None,
) -> dict[str, Any]:
    """Captions of N pictures against their references, and the same metrics for three controls.

    ``shuffled``: each picture is told by another one's caption. ``nearest``: by the sentence of the corpus that is
    most like it in the encoder's space. ``random``: by any sentence of the corpus. The last two need a corpus.

    Args:
        pictures: (N, D) unit rows.
        embed: texts to unit rows of the same space, for CLIPScore.
        corpus_vectors: (S, D) unit rows of the corpus.

    Raises:
        UsageError: there are fewer than two pictures, so that none has another's caption.
    """
    if len(pictures) < 2:
        raise UsageError(f"Expected at least two captioned pictures, but received {len(pictures)}")
    captions: list[str] = []
    for first in range(0, len(pictures), batch):
        part = pictures[first : first + batch]
        captions += [found[0].text for found in writer.write(part, language=language, beam=beam)]
        on_pictures(len(part))
    other = derangement(len(pictures), seed)
    told = {"captions": captions, "shuffled": [captions[place] for place in other]}
    if len(corpus):
        if corpus_vectors is not None:
            told["nearest"] = [corpus[place] for place in nearest(pictures, corpus_vectors)]
        chosen = np.random.default_rng(seed).integers(0, len(corpus), len(pictures))
        told["random"] = [corpus[place] for place in chosen]
    results: dict[str, Any] = {}
    for name, texts in told.items():
        results[name] = {
            **score_captions(texts, references),
            "clipscore": round(100 * clip_score(pictures, embed(texts)), 2),
        }
    return {
        "model": writer.name,
        "language": language,
        "pictures": len(pictures),
        **results.pop("captions"),
        "controls": results,
        "signature": SIGNATURE,
        "texts": captions,
    }


def nearest(pictures: Vectors, corpus: Vectors, *, step: int = 256) -> list[int]:
    """The row of the most similar corpus vector (S, D) for each picture (N, D)."""
    found: list[int] = []
    for first in range(0, len(pictures), step):
        found += (pictures[first : first + step] @ corpus.T).argmax(1).tolist()
    return found


def derangement(count: int, seed: int) -> list[int]:
    """A random cycle through all places: nobody stays where they were."""
    order = np.random.default_rng(seed).permutation(count)
    target = np.empty(count, np.int64)
    target[order] = np.roll(order, 1)
    return target.tolist()


def embedded_pictures(
    encoder: Encoder,
    root: Path,
    entries: Sequence[CaptionedFile],
    *,
    ready: str | None = None,
    chosen: Settings | None = None,
    failures: list[Failure] | None = None,
) -> tuple[list[CaptionedFile], Vectors]:
    """The entries whose picture can be read, and its vectors (N, D).

    Args:
        ready: a file of vectors in the order of the entries, instead of the pictures.

    Raises:
        BadInput: a picture cannot be read and no ``failures`` list was given, or the file does not fit.
    """
    from mmkit.pipeline.embedding import embed_items
    from mmkit.types import Item
    from mmkit_caption.training.vectors import picture_vectors

    if ready is not None:
        _, vectors = picture_vectors(encoder, [ready])
        if len(vectors) != len(entries):
            raise BadInput(f"Expected {len(entries)} rows, but received {len(vectors)}", where=ready)
        return list(entries), vectors
    items = (Item.from_path(root / entry.file, "image") for entry in entries)
    pictures = embed_items(encoder, items, chosen=chosen, failures=failures)
    left = deque(pictures.ids)
    # Rows keep the order of the entries, less those that cannot be read.
    kept = [entry for entry in entries if left and left[0] == str(root / entry.file) and left.popleft()]
    return kept, pictures.vectors
