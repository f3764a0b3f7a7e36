"""``openclip:MODEL/PRETRAINED``: any picture–text model of open_clip (Ilharco et al., 2021).

Legend: N items, D dims, T tokens, S side of the picture in pixels.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmkit.config import Settings
from mmkit.encoders.base import require
from mmkit.encoders.device import resolve_device, resolve_dtype
from mmkit.encoders.openclip_building import (
    architecture,
    build_model,
    build_tokenizer,
    describe,
    split_transform,
    state_digest,
)
from mmkit.encoders.openclip_checkpoints import Checkpoint, locate
from mmkit.encoders.readme import licence_in
from mmkit.encoders.torchvision_guard import guard_torchvision
from mmkit.errors import MissingExtra, MmkitError, UsageError
from mmkit.models.hub import Progress
from mmkit.types import Embeddings, EncoderSpec, Item, Modality, Prepared

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

__all__ = ["OpenClipEncoder", "load", "pull"]

TEMPLATE: Final = "a photo of a {}."


def load(argument: str | None, *, settings: Settings) -> OpenClipEncoder:
    """Load a model of open_clip.

    Args:
        argument: ``ViT-B-32/laion2b_s34b_b79k``, ``ViT-B-32/path/to/weights.safetensors`` (or ``.pt``),
            ``hf-hub:ORG/NAME`` or ``local-dir:PATH``. Weights trained with QuickGELU that come as a file take the
            ``-quickgelu`` name of their model, as open_clip has it.

    Raises:
        UsageError: the argument names no weights; the message lists those there are.
        ModelUnavailable: an unknown model, weights that are missing, unsafe or of another model, or a hub out of reach.
        MissingExtra: open_clip is not installed.
    """
    _import_open_clip()
    return OpenClipEncoder(locate(_named(argument), settings=settings), settings=settings)


def pull(argument: str | None, *, settings: Settings, progress: Progress | None = None) -> Path:
    """Fetch the files of a model, so that ``load`` works offline; returns its file of weights.

    Raises:
        UsageError, ModelUnavailable, MissingExtra: as ``load``.
    """
    _import_open_clip()
    return locate(_named(argument), settings=settings, refresh=True, progress=progress).weights


class OpenClipEncoder:
    """Pictures and texts to unit vectors, with the preprocessing and the tokenizer that belong to the weights.

    Attributes:
        logit_scale: what cosines are multiplied by before a softmax.
    """

    def __init__(self, checkpoint: Checkpoint, *, settings: Settings) -> None:
        self.device = resolve_device(settings.device)
        self.dtype = resolve_dtype(settings.dtype, self.device)
        model, transform = build_model(checkpoint)
        self._geometry, self._mean, self._std = split_transform(transform)
        self._tokenize = build_tokenizer(checkpoint)
        # A fast tokenizer of transformers cannot be used by two threads at once ("Already borrowed").
        self._tokenizing = threading.Lock()
        self.logit_scale = float(model.logit_scale.detach().float().exp())
        digest = state_digest(model, checkpoint, settings)
        space = checkpoint.argument if checkpoint.public else f"{architecture(checkpoint)}/sha256-{digest[:16]}"
        self.spec = EncoderSpec(
            name=f"openclip:{checkpoint.argument}",
            space=f"openclip:{space}",
            modalities=("image", "text"),
            dim=int(checkpoint.config["embed_dim"]),
            outputs=frozenset({"vector", "differentiable"}),
            licence=licence_in(checkpoint.weights.parent),
            revision=checkpoint.revision,
            fingerprint=describe(digest, model, checkpoint, template=TEMPLATE, settings=settings),
            template=TEMPLATE,
        )
        self._model = model.to(device=self.device, dtype=self.dtype).eval().requires_grad_(False)

    def prepare(self, item: Item) -> Prepared:
        """A picture as (3, S, S) uint8, or a text as (T,) int64 token ids.

        Raises:
            BadInput: the item cannot be read.
            UsageError: it is neither a picture nor a text.
        """
        import numpy as np

        if item.modality == "image":
            from mmkit.media.images import read_image

            # The whole picture, not a quick reduced decode: the result has to equal open_clip's own.
            pixels = np.asarray(self._geometry(read_image(item)), dtype=np.uint8)
            return np.ascontiguousarray(pixels.transpose(2, 0, 1))
        if item.modality == "text":
            from mmkit.media.text import read_text

            text = read_text(item)
            with self._tokenizing:
                ids: NDArray[np.int64] = self._tokenize([text])[0].numpy().astype(np.int64)
            return ids
        require(self.spec, modalities=(item.modality,), purpose=f"the item {item.id}")
        raise AssertionError(item.modality)

    def encode(self, batch: Sequence[Prepared], modality: Modality) -> Embeddings:
        """Encode N prepared items of one modality: (N, D) float32 unit rows, in the order given.

        Raises:
            MmkitError: the weights overflow in the chosen number type.
            UsageError: the modality is neither image nor text.
        """
        import numpy as np
        import torch

        require(self.spec, modalities=(modality,), purpose="encoding")
        if not batch:
            vectors = np.zeros((0, self.spec.dim), dtype=np.float32)
        else:
            stacked = torch.from_numpy(np.stack(batch)).to(self.device)
            with torch.inference_mode():
                if modality == "image":
                    features = self.image_features(self.normalise(stacked))
                else:
                    features = self.text_features(stacked)
            vectors = features.cpu().numpy()
            if not np.isfinite(vectors).all():
                raise MmkitError(f"{self.spec.name} overflows in {self.dtype}", mend="use --dtype float32")
        return Embeddings(vectors, space=self.spec.space, fingerprint=self.spec.fingerprint)

    def normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, S, S) bytes as the float32 pixels that the weights were trained on."""
        mean = self._mean.to(pixels.device)[:, None, None]
        std = self._std.to(pixels.device)[:, None, None]
        return (pixels.float() / 255 - mean) / std

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, D) float32 unit rows of normalised pixels (N, 3, S, S); gradients reach the pixels."""
        return self._unit(self._model.encode_image(pixels.to(self.dtype)))

    def text_features(self, ids: torch.Tensor) -> torch.Tensor:
        """(N, D) float32 unit rows of token ids (N, T)."""
        return self._unit(self._model.encode_text(ids))

    def token_embeddings(self, ids: torch.Tensor) -> torch.Tensor:
        """(N, T, W) input embeddings of token ids (N, T); W is the width of the text tower."""
        embeddings: torch.Tensor = self._embedding_table()(ids)
        return embeddings

    def text_features_from_embeddings(self, embeddings: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """(N, D) float32 unit rows of input embeddings (N, T, W); gradients reach the embeddings.

        Args:
            ids: (N, T) token ids, which say where a text ends and what is padding.
        """
        caller = threading.get_ident()

        def replace(_module: Any, _inputs: Any, looked_up: torch.Tensor) -> torch.Tensor:
            # Another thread may encode with the same model meanwhile, and keeps its own embeddings.
            return embeddings.to(looked_up.dtype) if threading.get_ident() == caller else looked_up

        handle = self._embedding_table().register_forward_hook(replace)
        try:
            return self.text_features(ids)
        finally:
            handle.remove()

    def _embedding_table(self) -> Any:
        text = getattr(self._model, "text", self._model)
        if hasattr(text, "token_embedding"):
            return text.token_embedding
        return text.transformer.get_input_embeddings()

    @staticmethod
    def _unit(features: torch.Tensor) -> torch.Tensor:
        from torch.nn.functional import normalize

        return normalize(features.float(), dim=-1)


def _named(argument: str | None) -> str:
    if not argument:
        raise UsageError("openclip needs a model, as in openclip:ViT-B-32/laion2b_s34b_b79k", where="--encoder")
    return argument


def _import_open_clip() -> Any:
    guard_torchvision()
    try:
        import open_clip
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "open_clip", extra="openclip", feature="the encoder openclip") from error
    return open_clip
