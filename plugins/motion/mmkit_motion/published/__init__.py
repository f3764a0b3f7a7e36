"""The published checkpoints of TMR (Petrovich et al., 2023) and LaMP (Li et al., 2024), from a folder of the user's.

    tmr:FOLDER     motion_encoder.pt, text_encoder.pt, mean.pt, std.pt, and distilbert/ with tokenizer and weights
    lamp:FOLDER    lamp.pth (or .pt, .tar), mean.npy, std.npy, and bert/ with the tokenizer

Weights are read with torch's ``weights_only``, and their names and shapes are checked before anything runs. Texts are
encoded as each model was trained. Nothing is downloaded.

N items, T frames, F features, E embedding.
"""

from __future__ import annotations

from pathlib import Path

from mmkit.errors import UsageError
from mmkit_motion.published.lamp import PublishedLamp
from mmkit_motion.published.tmr import PublishedTmr

__all__ = ["PublishedLamp", "PublishedTmr", "load_published"]


def load_published(name: str) -> PublishedTmr | PublishedLamp:
    """A model by ``tmr:FOLDER`` or ``lamp:FOLDER``.

    Raises:
        UsageError: another name.
        ModelUnavailable: files are missing, are no plain weights, or have other names or shapes.
    """
    kind, _, folder = name.partition(":")
    if kind not in ("tmr", "lamp") or not folder:
        raise UsageError(f"Expected bundled, tmr:FOLDER or lamp:FOLDER, but received {name!r}", where="--model")
    return PublishedTmr(Path(folder)) if kind == "tmr" else PublishedLamp(Path(folder))
