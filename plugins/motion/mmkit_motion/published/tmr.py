"""TMR (Petrovich et al., 2023): one encoder of motions and one of texts, compared by the cosine of their means.

N items, T frames, F features, E embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from mmkit.errors import ModelUnavailable
from mmkit_motion.model.attention import sinusoids
from mmkit_motion.published.checkpoints import language_model, normalised_features, read_array, read_weights

if TYPE_CHECKING:
    from mmkit_motion.reading import Clip

__all__ = ["ActorEncoder", "PublishedTmr"]


class ActorEncoder(nn.Module):
    """TMR's encoder, of motions and of texts alike: tokens for mean and variance before the sequence."""

    def __init__(self, features: int, width: int, inner: int, layers: int, tokens: int, *, heads: int = 4) -> None:
        super().__init__()
        self.projection = nn.Linear(features, width)
        self.tokens = nn.Parameter(torch.zeros(tokens, width))
        layer = nn.TransformerEncoderLayer(width, heads, inner, 0.0, "gelu", batch_first=True)
        self.seqTransEncoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    def forward(self, rows: Tensor, mask: Tensor) -> Tensor:
        """(N, T, F) and (N, T) to the mean's (N, E)."""
        count = len(self.tokens)
        states = torch.cat([self.tokens.expand(len(rows), -1, -1), self.projection(rows)], 1)
        states = states + sinusoids(states.shape[1], states.shape[2])
        full = F.pad(mask, (count, 0), value=True)
        return self.seqTransEncoder(states, src_key_padding_mask=~full)[:, 0]


class PublishedTmr:
    """TMR's two encoders; scores are cosines of the means."""

    def __init__(self, folder: Path) -> None:
        self.name = f"TMR of {folder.name}"
        self.folder = folder
        self._motion = self._encoder("motion_encoder.pt")
        self._text = self._encoder("text_encoder.pt")
        self._mean, self._std = (read_array(folder / f"{name}.pt") for name in ("mean", "std"))
        self._language: tuple[Any, Any] | None = None

    def _encoder(self, file: str) -> ActorEncoder:
        state = read_weights(self.folder / file)
        try:
            width, features = state["projection.weight"].shape
            inner = state["seqTransEncoder.layers.0.linear1.weight"].shape[0]
            layers = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("seqTransEncoder.layers."))
            model = ActorEncoder(features, width, inner, layers, len(state["tokens"]))
        except (KeyError, ValueError) as error:
            raise ModelUnavailable(f"is no encoder of TMR: it has no {error}", where=str(self.folder / file)) from error
        return _filled(model, state, self.folder / file)

    @torch.inference_mode()
    def motion_vectors(self, clips: Sequence[Clip]) -> NDArray[np.float32]:
        """(N, E) unit rows."""
        rows = []
        for clip in clips:
            features = normalised_features(clip, self._mean, self._std)[None]
            rows.append(self._motion(features, torch.ones(features.shape[:2], dtype=torch.bool)))
        return F.normalize(torch.cat(rows), dim=-1).numpy()

    @torch.inference_mode()
    def text_vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, E) unit rows; the token states of DistilBERT go in, special tokens and all."""
        tokenizer, language = self._language_model()
        rows = []
        for text in texts:
            given = tokenizer([text], return_tensors="pt", truncation=True)
            states = language(**given).last_hidden_state
            rows.append(self._text(states, torch.ones(states.shape[:2], dtype=torch.bool)))
        return F.normalize(torch.cat(rows), dim=-1).numpy()

    def scores(self, clips: Sequence[Clip], texts: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray(self.motion_vectors(clips) @ self.text_vectors(texts).T)

    def text_cosines(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = self.text_vectors(texts)
        return np.asarray(vectors @ vectors.T)

    def _language_model(self) -> tuple[Any, Any]:
        if self._language is None:
            self._language = language_model(self.folder / "distilbert", model=True)
        return self._language


def _filled(model: ActorEncoder, state: Mapping[str, Tensor], path: Path) -> ActorEncoder:
    kept = {name: value for name, value in state.items() if not name.endswith("pos_encoding.pe")}
    try:
        model.load_state_dict(kept)
    except RuntimeError as error:
        raise ModelUnavailable(f"does not fit: {' '.join(str(error).split())[:200]}", where=str(path)) from error
    return model.eval().requires_grad_(False)
