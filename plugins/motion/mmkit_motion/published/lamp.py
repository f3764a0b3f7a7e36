"""LaMP (Li et al., 2024): the motion encoder and the Q-Former of its checkpoint.

N items, T frames, F features, D width, E embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mmkit.errors import ModelUnavailable
from mmkit_motion.published.checkpoints import language_model, normalised_features, read_array, read_weights

if TYPE_CHECKING:
    from mmkit_motion.reading import Clip

__all__ = ["PublishedLamp"]

_CHECKPOINTS: Final = ("lamp.pth", "lamp.pt", "lamp.tar")


class PublishedLamp:
    """LaMP's motion encoder and Q-Former (BERT whose every second layer looks at the motion).

    Retrieval goes by the mean of the normalised query outputs, as the paper reports it.
    """

    def __init__(self, folder: Path) -> None:
        self.name = f"LaMP of {folder.name}"
        self.folder = folder
        file = next((folder / name for name in _CHECKPOINTS if (folder / name).is_file()), folder / _CHECKPOINTS[0])
        self._state = read_weights(file)
        self._check(file)
        self._mean, self._std = (read_array(folder / f"{name}.npy") for name in ("mean", "std"))
        self._tokenizer: Any = None

    def _check(self, file: Path) -> None:
        state, bert = self._state, "Qformer.bert."
        needed = [
            *("query_tokens", "motion_projection", "motion_proj.weight", "text_proj.weight"),
            *("motion_encoder.model.0.weight", f"{bert}embeddings.word_embeddings.weight"),
            *(f"{bert}encoder.layer.0.{part}.self.query.weight" for part in ("attention", "crossattention")),
            f"{bert}encoder.layer.0.intermediate_query.dense.weight",
        ]
        if missing := [name for name in needed if name not in state]:
            raise ModelUnavailable(f"is no checkpoint of LaMP: it has no {missing[0]}", where=str(file))
        width = state["query_tokens"].shape[-1]
        looked = state[f"{bert}encoder.layer.0.crossattention.self.key.weight"].shape[1]
        if width % 64 or state["motion_projection"].shape[1] != looked or state["motion_proj.weight"].shape[1] != width:
            raise ModelUnavailable("is a checkpoint of LaMP whose sizes do not fit each other", where=str(file))
        self._layers = 1 + max(int(n.split(".")[4]) for n in state if n.startswith(f"{bert}encoder.layer."))

    @torch.inference_mode()
    def motion_vectors(self, clips: Sequence[Clip]) -> NDArray[np.float32]:
        """(N, E) unit rows."""
        rows = []
        for clip in clips:
            states = self._encode(normalised_features(clip, self._mean, self._std).T[None])
            memory = states @ self._state["motion_projection"]
            queries = self._norm("embeddings.LayerNorm", self._state["query_tokens"])
            outputs = self._bert(queries, memory, query=True)
            rows.append(F.normalize(self._linear("motion_proj", outputs, bert=False), dim=-1).mean(1))
        return F.normalize(torch.cat(rows), dim=-1).numpy()

    @torch.inference_mode()
    def text_vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, E) unit rows of the first token; at most 32 tokens."""
        if self._tokenizer is None:
            self._tokenizer, _ = language_model(self.folder / "bert", model=False)
        rows = []
        for text in texts:
            ids = self._tokenizer([text], truncation=True, max_length=32, return_tensors="pt")["input_ids"]
            words = self._state["Qformer.bert.embeddings.word_embeddings.weight"][ids]
            words = words + self._state["Qformer.bert.embeddings.position_embeddings.weight"][: ids.shape[1]]
            outputs = self._bert(self._norm("embeddings.LayerNorm", words), None, query=False)
            rows.append(self._linear("text_proj", outputs[:, 0], bert=False))
        return F.normalize(torch.cat(rows), dim=-1).numpy()

    def scores(self, clips: Sequence[Clip], texts: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray(self.motion_vectors(clips) @ self.text_vectors(texts).T)

    def text_cosines(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = self.text_vectors(texts)
        return np.asarray(vectors @ vectors.T)

    def _encode(self, rows: Tensor) -> Tensor:
        """The VQ-VAE's encoder: (N, F, T) to (N, T / 4, D)."""
        name = "motion_encoder.model."
        states = F.relu(self._conv(f"{name}0", rows, padding=1))
        block = 2
        while f"{name}{block}.0.weight" in self._state:
            states = self._conv(f"{name}{block}.0", states, stride=2, padding=1)
            depth = sum(f"{name}{block}.1.model.{n}.conv1.weight" in self._state for n in range(16))
            for number in range(depth):
                inner, dilation = f"{name}{block}.1.model.{number}", 3 ** (depth - 1 - number)
                hidden = self._conv(f"{inner}.conv1", F.relu(states), padding=dilation, dilation=dilation)
                states = states + self._conv(f"{inner}.conv2", F.relu(hidden))
            block += 1
        return self._conv(f"{name}{block}", states, padding=1).transpose(1, 2)

    def _bert(self, states: Tensor, memory: Tensor | None, *, query: bool) -> Tensor:
        """BERT (Devlin et al., 2018); queries take their own feed-forward nets and look at the memory."""
        ending = "_query" if query else ""
        for number in range(self._layers):
            layer = f"encoder.layer.{number}."
            states = self._attend(f"{layer}attention", states, states)
            if memory is not None and f"Qformer.bert.{layer}crossattention.self.query.weight" in self._state:
                states = self._attend(f"{layer}crossattention", states, memory)
            inner = F.gelu(self._linear(f"{layer}intermediate{ending}.dense", states))
            states = self._norm(
                f"{layer}output{ending}.LayerNorm", self._linear(f"{layer}output{ending}.dense", inner) + states
            )
        return states

    def _attend(self, name: str, states: Tensor, memory: Tensor) -> Tensor:
        query = self._linear(f"{name}.self.query", states)
        key, value = self._linear(f"{name}.self.key", memory), self._linear(f"{name}.self.value", memory)
        heads = query.shape[-1] // 64
        parts = [one.unflatten(-1, (heads, -1)).transpose(1, 2) for one in (query, key, value)]
        mixed = F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(-2)
        return self._norm(f"{name}.output.LayerNorm", self._linear(f"{name}.output.dense", mixed) + states)

    def _linear(self, name: str, values: Tensor, *, bert: bool = True) -> Tensor:
        name = f"Qformer.bert.{name}" if bert else name
        return F.linear(values, self._state[f"{name}.weight"], self._state[f"{name}.bias"])

    def _norm(self, name: str, values: Tensor) -> Tensor:
        name = f"Qformer.bert.{name}"
        weight, bias = self._state[f"{name}.weight"], self._state[f"{name}.bias"]
        return F.layer_norm(values, weight.shape, weight, bias, 1e-12)

    def _conv(self, name: str, values: Tensor, **how: int) -> Tensor:
        return F.conv1d(values, self._state[f"{name}.weight"], self._state[f"{name}.bias"], **how)  # type: ignore[arg-type]
