"""Vectors of pictures (or of texts) to captions: gap correction, prefix, search.

N vectors, D dims.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from mmkit.encoders.device import resolve_device
from mmkit.errors import UsageError
from mmkit.generation.gap import GapCorrection
from mmkit.generation.search import beam_search
from mmkit_caption.weights import DEFAULT, check_space, load_folder, locate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from mmkit.types import EncoderSpec, Modality

__all__ = ["Caption", "CaptionWriter"]


@dataclass(frozen=True, slots=True)
class Caption:
    """A text, and its mean log-probability a piece under the captioner's length penalty."""

    text: str
    score: float


class CaptionWriter:
    """Writes captions of vectors of one space.

    Args:
        model: a bundled captioner's name, or a folder.
        device: as for ``mmkit.embed``.
        overrides: of what config.json says about asking: ``gap``, ``projection``, ``beam``, ``length_penalty``.

    Raises:
        ModelUnavailable: there is no such captioner, or its files are damaged.
    """

    def __init__(
        self, model: str | Path = DEFAULT, *, device: str | None = None, overrides: dict[str, Any] | None = None
    ) -> None:
        self.name = str(model)
        self.device = resolve_device(device or "auto")
        self._loaded = load_folder(locate(model), self.device)
        self.config = {**self._loaded.config, **(overrides or {})}
        self.languages = tuple(self._loaded.model.shape.languages)
        self._lock = threading.Lock()

    def check(self, spec: EncoderSpec) -> None:
        """Refuse an encoder of another space. Raises UsageError."""
        check_space(self.config, spec, where=self.name)

    def check_language(self, language: str) -> None:
        """Raises UsageError for a language that the captioner does not write."""
        if language not in self.languages:
            raise UsageError(
                f"writes {' and '.join(self.languages)}, but received the language {language!r}", where=self.name
            )

    def take_style(self, vectors: Tensor) -> None:
        """Re-express pictures by other sentences, (S, D) unit rows, from now on: captions lean towards them."""
        self._loaded.extra["support"] = vectors.to(self.device)
        self.config["projection"] = {"temperature": 30.0, **(self.config.get("projection") or {}), "share": 1.0}

    def shifted(self, vectors: Tensor, modality: Modality) -> Tensor:
        """Vectors (N, D) after the mean shift, where the config asks for it."""
        return self._gap(share=0.0).query(vectors, modality)

    def asked(self, vectors: Tensor, modality: Modality) -> Tensor:
        """Vectors (N, D) as the decoder was trained to see them: shifted, and re-expressed by the corpus."""
        projection = self.config.get("projection") or {}
        return self._gap(share=float(projection.get("share", 0.0))).query(vectors, modality)

    def _gap(self, *, share: float) -> GapCorrection:
        extra, mean = self._loaded.extra, self.config.get("gap", {}).get("kind") == "mean"
        projected = share > 0 and "support" in extra
        return GapCorrection(
            "mean" if mean else "none",
            means={tower: extra[f"mean.{tower}"].float() for tower in ("text", "image")} if mean else None,
            support=self.support_vectors() if projected else None,
            share=share,
            temperature=float(self.config["projection"]["temperature"]) if projected else 0.0,
        )

    def support_vectors(self) -> Tensor:
        """(S, D): the text vectors that pictures are re-expressed by."""
        support = self._loaded.extra["support"]
        return F.normalize(support.float(), dim=-1)

    @torch.inference_mode()
    def write(
        self,
        vectors: NDArray[np.float32],
        *,
        language: str = "en",
        n: int = 1,
        beam: int | None = None,
        modality: Modality = "image",
    ) -> list[list[Caption]]:
        """The ``n`` best captions of each of N vectors, best first.

        Args:
            beam: 1 is greedy; by default what the captioner's config says, and at least ``n``.

        Raises:
            UsageError: the captioner does not write this language.
        """
        self.check_language(language)
        if not len(vectors):
            return []
        model, vocabulary = self._loaded.model, self._loaded.vocabulary
        width = max(n, beam or int(self.config.get("beam", 3)))
        with self._lock:
            given = self.asked(torch.from_numpy(vectors).to(self.device), modality)
            prompt = model.prompt(given, model.language_ids(language, len(given), self.device))
            found = beam_search(
                model.decoder,
                prompt,
                eos=vocabulary.eos,
                max_length=model.shape.max_length,
                beam=width,
                n_best=width,
                length_penalty=float(self.config.get("length_penalty", 1.0)),
                banned=[mark for mark in {vocabulary.pad, vocabulary.bos} if mark != vocabulary.eos],
            )
        return [_distinct([(vocabulary.decode(h.ids), h.score) for h in texts], n) for texts in found]


def _distinct(found: Sequence[tuple[str, float]], n: int) -> list[Caption]:
    """The first ``n`` texts that differ; one text may be spelt with several runs of pieces."""
    kept: dict[str, float] = {}
    for text, score in found:
        kept.setdefault(" ".join(text.split()), score)
    return [Caption(text, score) for text, score in list(kept.items())[:n]]
