"""Both towers and their projectors as one model.

N items, P places of the picture grid, T tokens, D dimensions of the joint space.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from mmkit.encoders.mini.bert import BertConfig, BertEncoder, masked_mean
from mmkit.encoders.mini.efficientnet_lite import EfficientNetLite
from mmkit.encoders.mini.preprocessing import Preprocessing
from mmkit.encoders.mini.projectors import ImageProjector, TextProjector, grid_tokens

__all__ = ["WEIGHT_FILES", "MiniConfig", "MiniModel"]

# No file may grow past 40 MB, so the word embeddings lie beside the rest of the text tower.
WEIGHT_FILES: dict[str, tuple[str, ...]] = {
    "image.safetensors": ("image_tower.",),
    "text.safetensors": ("text_tower.layers.", "text_tower.norm.", "text_tower.positions."),
    "words.safetensors": ("text_tower.words.",),
    "projectors.safetensors": ("image_projector.", "text_projector.", "log_scale"),
}


@dataclass(frozen=True, slots=True)
class MiniConfig:
    """What `config.json` of a weights folder says about the model."""

    variant: str = "lite2"
    dim: int = 384
    image_inner: int = 768
    text_inner: int = 768
    max_tokens: int = 77
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    templates: tuple[str, ...] = ("a photo of a {}.",)

    @classmethod
    def read(cls, path: Path) -> MiniConfig:
        """The configuration in a JSON file; unknown keys are ignored."""
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = {name: raw[name] for name in cls.__dataclass_fields__ if name in raw}
        known["preprocessing"] = Preprocessing.from_config(raw.get("preprocessing", {}))
        known["templates"] = tuple(raw.get("templates", cls().templates))
        return cls(**known)


class MiniModel(nn.Module):
    """Pictures and texts to unit vectors of one space; a plain cosine compares them."""

    def __init__(self, config: MiniConfig | None = None) -> None:
        super().__init__()
        self.config = config or MiniConfig()
        self.image_tower = EfficientNetLite(self.config.variant)
        self.text_tower = BertEncoder(BertConfig())
        self.image_projector = ImageProjector(
            self.image_tower.pooled_channels,
            self.image_tower.last_channels + self.image_tower.middle_channels,
            self.config.dim,
            inner=self.config.image_inner,
        )
        self.text_projector = TextProjector(self.text_tower.config.width, self.config.dim, inner=self.config.text_inner)
        self.log_scale = nn.Parameter(torch.tensor(0.07).reciprocal().log())

    @classmethod
    def load(
        cls,
        directory: str | Path,
        *,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> MiniModel:
        """The model of a weights folder, ready for inference.

        Raises FileNotFoundError for a missing file and RuntimeError where names or shapes differ.
        """
        folder = Path(directory)
        model = cls(MiniConfig.read(folder / "config.json"))
        state: dict[str, Tensor] = {}
        for name in WEIGHT_FILES:
            state |= load_file(folder / name)
        model.load_state_dict(state)
        model = model.to(device=device, dtype=dtype).eval().requires_grad_(False)
        # The stubs of Module.to leave memory_format out.
        return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def dim(self) -> int:
        """Dimensions of the joint space."""
        return self.config.dim

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied by before a softmax."""
        return float(self.log_scale.detach().exp())

    def image_features(self, pixels: Tensor) -> Tensor:
        """Unit rows (N, D), float32, of pixels (N, 3, H, W) in the tower's normalisation."""
        features = self.image_tower(self._as_input(pixels))
        return self.image_projector(features.pooled, grid_tokens(features)).float()

    def image_tokens(self, pixels: Tensor) -> Tensor:
        """Unit rows (N, P, D), float32, one for each place of the grid, row by row."""
        features = self.image_tower(self._as_input(pixels))
        return self.image_projector.project_places(features.pooled, grid_tokens(features)).float()

    def text_features(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Unit rows (N, D), float32, of token ids (N, T) and their mask (N, T)."""
        return self.text_projector(self.text_tower(ids, mask), mask).float()

    def text_features_from_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """As `text_features`, from word embeddings (N, T, 384): gradients reach a learned prompt."""
        return self.text_projector(self.text_tower.encode_embeddings(embeddings, mask), mask).float()

    def text_tokens(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Unit rows (N, T, D), float32; rows of padding are zero."""
        states = self.text_tower(ids, mask)
        tokens = self.text_projector.project(F.normalize(states, dim=-1)).float()
        return tokens * mask[..., None].to(tokens.dtype)

    def sentence_vectors(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Unit rows (N, 384) of the text tower alone, before its projector."""
        return F.normalize(masked_mean(self.text_tower(ids, mask), mask), dim=-1)

    def _as_input(self, pixels: Tensor) -> Tensor:
        dtype = self.image_tower.stem.weight.dtype
        return pixels.to(dtype=dtype, memory_format=torch.channels_last)
