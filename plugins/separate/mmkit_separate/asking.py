"""Queries: words, pictures and example sounds as vectors of a separator's space.

Legend: Q queries, D dims.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mmkit.config import Settings
from mmkit.encoders import encoder as load_encoder
from mmkit.errors import BadInput, SpaceMismatch, UsageError
from mmkit.types import Item, Modality
from mmkit_separate.encoder import is_silent

if TYPE_CHECKING:
    from mmkit_separate.separator import Separator

__all__ = ["Query", "file_names", "query_vectors"]

#: The encoder of example sounds for separators whose queries are mini's.
_SOUND: Final = "sound"


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for: a text, or the path of a picture or of a sound."""

    text: str
    modality: Modality = "text"

    @property
    def name(self) -> str:
        """How it is called in file names and panels."""
        return self.text if self.modality == "text" else Path(self.text).stem

    def item(self) -> Item:
        """For an encoder."""
        if self.modality == "text":
            return Item.from_text(self.text)
        return Item.from_path(self.text, self.modality)


def query_vectors(
    queries: Sequence[Query], separator: Separator, *, encoder: str | None = None, chosen: Settings
) -> NDArray[np.float32]:
    """(Q, D) unit rows that ``separator`` takes.

    Args:
        encoder: the encoder of the queries; default: the one that the separator was trained with.

    Raises:
        UsageError: a text without a letter or a digit.
        BadInput: a picture or a sound that cannot be read.
        SpaceMismatch: the encoder's vectors mean nothing to the separator, or it has no tower for a query's kind.
    """
    rows: list[NDArray[np.float32]] = []
    for query in queries:
        if query.modality == "text" and not re.search(r"\w", query.text):
            raise UsageError(f"Expected words to ask for, but received {query.text!r}", where="--query")
        name = encoder or str(separator.config.get("encoder", "mini"))
        if query.modality == "audio" and name == "mini":
            name = _SOUND
        loaded = load_encoder(name, device=chosen.device, dtype=chosen.dtype, offline=chosen.offline)
        if query.modality not in loaded.spec.modalities:
            raise SpaceMismatch(
                f"the encoder {name} takes {', '.join(loaded.spec.modalities)}, and the query is {query.modality}",
                where=query.text,
            )
        # The audio tower has a fingerprint of its own, and its space is the one it was trained into.
        separator.check_space(loaded.spec.space, "" if query.modality == "audio" else loaded.spec.fingerprint)
        prepared = loaded.prepare(query.item())
        if query.modality == "audio" and isinstance(prepared, np.ndarray) and is_silent(prepared):
            raise BadInput("is silent, and cannot say what to take", where=query.text)
        vector = loaded.encode([prepared], query.modality).vectors
        rows.append(separator.adapted(vector, query.modality))
    if not rows:
        return np.zeros((0, int(separator.config["arguments"].get("query_dim", 384))), np.float32)
    return np.concatenate(rows)


def file_names(stem: str, queries: Sequence[Query]) -> list[str]:
    """One name a query without suffix, all different: the mixture's stem and the query's letters and digits."""
    names: list[str] = []
    for query in queries:
        words = re.sub(r"[^\w]+", "-", query.name.lower()).strip("-")[:60] or "query"
        name, number = f"{stem}-{words}", 1
        while name in (*names, f"{stem}-residual"):
            number += 1
            name = f"{stem}-{words}-{number}"
        names.append(name)
    return names
