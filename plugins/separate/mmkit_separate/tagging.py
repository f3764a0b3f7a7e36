"""Labels for sounds: the encoder ``sound`` against words.

Legend: N sounds, L labels, D dims.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mmkit.types import Item

if TYPE_CHECKING:
    from mmkit_separate.encoder import SoundEncoder

__all__ = ["label_vectors", "tag"]

#: The temperature of the tower's training: cosines over it are logits.
_TEMPERATURE: Final = 0.05
_TEMPLATES: Final = ("{}", "the sound of {}", "a recording of {}", "{} sound")


def label_vectors(encoder: SoundEncoder, labels: Sequence[str]) -> NDArray[np.float32]:
    """(L, D) unit rows: each label's mean over a few phrasings."""
    texts = [template.format(label) for label in labels for template in _TEMPLATES]
    prepared = [encoder.prepare(Item.from_text(text)) for text in texts]
    rows = encoder.encode(prepared, "text").vectors.reshape(len(labels), len(_TEMPLATES), -1).mean(axis=1)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-9), np.float32)


def tag(sounds: NDArray[np.float32], labels: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D) sounds and (L, D) labels to (N, L) shares that sum to 1."""
    logits = sounds @ labels.T / _TEMPERATURE
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
