"""The published checkpoints of TMR (Petrovich et al., 2023) and LaMP (Li et al., 2024), from a folder of the user's.

    tmr:FOLDER     motion_encoder.pt, text_encoder.pt, mean.pt, std.pt, and distilbert/ with tokenizer and weights
    lamp:FOLDER    lamp.pth (or .pt, .tar), mean.npy, std.npy, and bert/ with the tokenizer

Weights are read with torch's ``weights_only``, and their names and shapes are checked before anything runs. Texts are
encoded as each model was trained. Nothing is downloaded.

N items, T frames, F features, E embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from mmkit.encoders.torchvision_guard import guard_torchvision
from mmkit.errors import ModelUnavailable, UsageError
from mmkit_motion.features import to_features
from mmkit_motion.model.attention import sinusoids

if TYPE_CHECKING:
    from mmkit_motion.reading import Clip

__all__ = ["PublishedLamp", "PublishedTmr", "load_published"]

_FRAMES: Final = 196
_CHECKPOINTS: Final = ("lamp.pth", "lamp.pt", "lamp.tar")


def load_published(name: str) -> PublishedTmr | PublishedLamp:
    """A model by ``tmr:FOLDER`` or ``lamp:FOLDER``.

    Raises:
        UsageError: another name.
        ModelUnavailable: files are missing, are no plain weights, or have other names or shapes.
    """
    kind, _, folder = name.partition(":")
    if kind not in ("tmr", "lamp") or not folder:
        raise UsageError(f"Expected tmr:FOLDER or lamp:FOLDER, but received {name!r}", where="--model")
    return PublishedTmr(Path(folder)) if kind == "tmr" else PublishedLamp(Path(folder))


class _ActorEncoder(nn.Module):
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
        self._mean, self._std = (_array(folder / f"{name}.pt") for name in ("mean", "std"))
        self._language: tuple[Any, Any] | None = None

    def _encoder(self, file: str) -> _ActorEncoder:
        state = _weights(self.folder / file)
        try:
            width, features = state["projection.weight"].shape
            inner = state["seqTransEncoder.layers.0.linear1.weight"].shape[0]
            layers = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("seqTransEncoder.layers."))
            model = _ActorEncoder(features, width, inner, layers, len(state["tokens"]))
        except (KeyError, ValueError) as error:
            raise ModelUnavailable(f"is no encoder of TMR: it has no {error}", where=str(self.folder / file)) from error
        return _filled(model, state, self.folder / file)

    @torch.inference_mode()
    def motion_vectors(self, clips: Sequence[Clip]) -> NDArray[np.float32]:
        """(N, E) unit rows."""
        rows = []
        for clip in clips:
            features = _normalised(clip, self._mean, self._std)[None]
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
            self._language = _from_transformers(self.folder / "distilbert", model=True)
        return self._language


class PublishedLamp:
    """LaMP's motion encoder and Q-Former (BERT whose every second layer looks at the motion).

    Retrieval goes by the mean of the normalised query outputs, as the paper reports it.
    """

    def __init__(self, folder: Path) -> None:
        self.name = f"LaMP of {folder.name}"
        self.folder = folder
        file = next((folder / name for name in _CHECKPOINTS if (folder / name).is_file()), folder / _CHECKPOINTS[0])
        self._state = _weights(file)
        self._check(file)
        self._mean, self._std = (_array(folder / f"{name}.npy") for name in ("mean", "std"))
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
            states = self._encode(_normalised(clip, self._mean, self._std).T[None])
            memory = states @ self._state["motion_projection"]
            queries = self._norm("embeddings.LayerNorm", self._state["query_tokens"])
            outputs = self._bert(queries, memory, query=True)
            rows.append(F.normalize(self._linear("motion_proj", outputs, bert=False), dim=-1).mean(1))
        return F.normalize(torch.cat(rows), dim=-1).numpy()

    @torch.inference_mode()
    def text_vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, E) unit rows of the first token; at most 32 tokens."""
        if self._tokenizer is None:
            self._tokenizer, _ = _from_transformers(self.folder / "bert", model=False)
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


def _weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint by name, in float32; nothing is unpickled but tensors and plain containers."""
    if not path.is_file():
        raise ModelUnavailable("no such file", where=str(path), mend="see the README on published checkpoints")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise whatever they like
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelUnavailable(f"holds more than weights, or is damaged ({line})", where=str(path)) from error
    for key in ("state_dict", "model", "lamp", "net"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise ModelUnavailable("is no table of weights", where=str(path))
    return {str(name).removeprefix("module."): value.float() for name, value in loaded.items()}


def _filled(model: _ActorEncoder, state: Mapping[str, Tensor], path: Path) -> _ActorEncoder:
    kept = {name: value for name, value in state.items() if not name.endswith("pos_encoding.pe")}
    try:
        model.load_state_dict(kept)
    except RuntimeError as error:
        raise ModelUnavailable(f"does not fit: {' '.join(str(error).split())[:200]}", where=str(path)) from error
    return model.eval().requires_grad_(False)


def _array(path: Path) -> Tensor:
    if not path.is_file():
        raise ModelUnavailable("no such file", where=str(path), mend="it comes with the model's own data statistics")
    try:
        if path.suffix == ".npy":
            return torch.from_numpy(np.load(path, allow_pickle=False)).float()
        value = torch.load(path, map_location="cpu", weights_only=True)
        return torch.as_tensor(value).float()
    except Exception as error:  # damaged files raise whatever they like
        raise ModelUnavailable(f"cannot be read ({error})", where=str(path)) from error


def _normalised(clip: Clip, mean: Tensor, std: Tensor) -> Tensor:
    """(T, F) features, cut to 196 frames and to a multiple of 4."""
    rows = torch.from_numpy(to_features(clip.joints))
    if mean.shape != rows.shape[1:] or std.shape != rows.shape[1:]:
        raise ModelUnavailable(f"Expected mean and std of {rows.shape[1]} numbers, but received {tuple(mean.shape)}")
    rows = (rows - mean) / (std + 1e-12)
    if len(rows) < 4:
        rows = torch.cat([rows, rows[-1:].expand(4 - len(rows), -1)])
    return rows[: min(len(rows), _FRAMES) // 4 * 4]


def _from_transformers(folder: Path, *, model: bool) -> tuple[Any, Any]:
    if not folder.is_dir():
        raise ModelUnavailable("no such folder", where=str(folder), mend="save the language model there (see README)")
    # Without this, transformers cannot import some models beside a torchvision whose operators are not compiled.
    guard_torchvision()
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise ModelUnavailable(
            "published checkpoints need the package transformers", mend="install it with: pip install transformers"
        ) from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        loaded = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True) if model else None
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"cannot be loaded: {str(error).splitlines()[0]}", where=str(folder)) from error
    return tokenizer, loaded.eval() if loaded is not None else None
