"""What a folder of published weights holds: tensors, statistics and a language model, each with one clear error.

T frames, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor

from mmkit.encoders.torchvision_guard import guard_torchvision
from mmkit.errors import ModelUnavailable
from mmkit_motion.features import to_features

if TYPE_CHECKING:
    from mmkit_motion.reading import Clip

__all__ = ["language_model", "normalised_features", "read_array", "read_weights"]

_FRAMES: Final = 196


def read_weights(path: Path) -> dict[str, Tensor]:
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


def read_array(path: Path) -> Tensor:
    if not path.is_file():
        raise ModelUnavailable("no such file", where=str(path), mend="it comes with the model's own data statistics")
    try:
        if path.suffix == ".npy":
            return torch.from_numpy(np.load(path, allow_pickle=False)).float()
        value = torch.load(path, map_location="cpu", weights_only=True)
        return torch.as_tensor(value).float()
    except Exception as error:  # damaged files raise whatever they like
        raise ModelUnavailable(f"cannot be read ({error})", where=str(path)) from error


def normalised_features(clip: Clip, mean: Tensor, std: Tensor) -> Tensor:
    """(T, F) features, cut to 196 frames and to a multiple of 4."""
    rows = torch.from_numpy(to_features(clip.joints))
    if mean.shape != rows.shape[1:] or std.shape != rows.shape[1:]:
        raise ModelUnavailable(f"Expected mean and std of {rows.shape[1]} numbers, but received {tuple(mean.shape)}")
    rows = (rows - mean) / (std + 1e-12)
    if len(rows) < 4:
        rows = torch.cat([rows, rows[-1:].expand(4 - len(rows), -1)])
    return rows[: min(len(rows), _FRAMES) // 4 * 4]


def language_model(folder: Path, *, model: bool) -> tuple[Any, Any]:
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
