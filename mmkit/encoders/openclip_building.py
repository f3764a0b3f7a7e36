"""Building a model of open_clip from local files, and saying in one hash what it computes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmkit.config import Settings
from mmkit.encoders.openclip_checkpoints import Checkpoint
from mmkit.errors import ModelUnavailable
from mmkit.models import fingerprint, memoised

if TYPE_CHECKING:
    import torch

__all__ = ["architecture", "build_model", "build_tokenizer", "describe", "split_transform", "state_digest"]

#: Keys of a model's configuration that say where files come from, not what is computed.
_NOT_COMPUTED: Final = ("hf_model_name", "hf_tokenizer_name", "hf_model_pretrained", "timm_model_pretrained")


@contextmanager
def _root_logger_untouched() -> Iterator[None]:
    """open_clip logs through the root logger, which gives it a handler on stderr as a side effect."""
    before = list(logging.root.handlers)
    try:
        yield
    finally:
        for handler in [h for h in logging.root.handlers if h not in before]:
            logging.root.removeHandler(handler)


def build_model(checkpoint: Checkpoint) -> tuple[Any, Any]:
    """The model in float32 on the CPU and the transform of its pictures.

    Raises:
        ModelUnavailable: the weights do not fit the architecture.
    """
    import open_clip

    text = dict(checkpoint.config.get("text_cfg", {}))
    changed: dict[str, Any] = {}
    if checkpoint.text_config is not None:
        changed["text_cfg"] = {**text, "hf_model_name": str(checkpoint.text_config), "hf_model_pretrained": False}
    local = checkpoint.model.startswith("local-dir:")
    try:
        with _root_logger_untouched():
            model, _, transform = open_clip.create_model_and_transforms(
                checkpoint.model,
                pretrained=None if local else str(checkpoint.weights),
                precision="fp32",
                device="cpu",
                force_quick_gelu=checkpoint.quick_gelu,
                weights_only=True,
                **{f"image_{key}": value for key, value in checkpoint.preprocessing.items()},
                **changed,
            )
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ModelUnavailable(
            f"open_clip cannot load {checkpoint.weights} as {architecture(checkpoint)}: {reason[:300]}",
            where=f"openclip:{checkpoint.argument}",
            mend="check that the weights belong to this model",
        ) from error
    return model, transform


def split_transform(transform: Any) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """Resizing and cropping, which gives bytes, and the mean and spread that follow on the device."""
    import torch
    from torchvision.transforms import Compose, Normalize, ToTensor

    *geometry, to_tensor, last = transform.transforms
    if not (isinstance(to_tensor, ToTensor) and isinstance(last, Normalize)):
        raise ModelUnavailable(
            "this version of open_clip prepares pictures in an unknown way", mend="install open_clip_torch 3"
        )
    return Compose(geometry), torch.tensor(last.mean).float(), torch.tensor(last.std).float()


def build_tokenizer(checkpoint: Checkpoint) -> Any:
    """The tokenizer that belongs to the weights: from N texts to (N, T) int64 ids.

    Raises:
        ModelUnavailable: its files do not load.
    """
    import open_clip

    with _root_logger_untouched():
        if checkpoint.tokenizer is None:
            return open_clip.get_tokenizer(checkpoint.model)
        text = checkpoint.config.get("text_cfg", {})
        # As open_clip.get_tokenizer, but from local files, and a configuration cannot ask for its code to be run.
        options = {**text.get("tokenizer_kwargs", {}), "trust_remote_code": False}
        try:
            return open_clip.tokenizer.HFTokenizer(
                str(checkpoint.tokenizer),
                context_length=text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH),
                tokenizer_mode=text.get("tokenizer_mode"),
                **options,
            )
        except Exception as error:
            raise ModelUnavailable(
                f"its tokenizer in {checkpoint.tokenizer} does not load: {error}",
                where=f"openclip:{checkpoint.argument}",
            ) from error


def architecture(checkpoint: Checkpoint) -> str:
    """A short name of what is built, for messages and spaces."""
    return Path(checkpoint.model).name if checkpoint.model.startswith("local-dir:") else checkpoint.model


def state_digest(model: Any, checkpoint: Checkpoint, settings: Settings) -> str:
    """sha256 of the loaded tensors, the same for a tag, a copy of its file and another format of that file."""
    import hashlib

    import open_clip

    def compute() -> str:
        digest = hashlib.sha256()
        for name, tensor in sorted(model.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            digest.update(tensor.contiguous().numpy().reshape(-1).view("uint8").data)
        return digest.hexdigest()

    kind = f"open_clip {open_clip.__version__} {architecture(checkpoint)}"
    return memoised(checkpoint.weights, kind, compute, cache_dir=settings.cache_dir)


def describe(digest: str, model: Any, checkpoint: Checkpoint, *, template: str, settings: Settings) -> str:
    """sha256 over weights, architecture, preprocessing, tokenizer and text template."""

    def computed(config: Any) -> Any:
        if isinstance(config, dict):
            return {key: computed(value) for key, value in config.items() if key not in _NOT_COMPUTED}
        return config

    built = {**computed(dict(checkpoint.config)), "custom_text": None}
    built["quick_gelu"] = checkpoint.quick_gelu or bool(checkpoint.config.get("quick_gelu", False))
    files: list[Path | str] = ["open_clip's own tokenizer"]
    if checkpoint.tokenizer is not None:
        whole = checkpoint.tokenizer / "tokenizer.json"
        names = sorted(p for p in checkpoint.tokenizer.iterdir() if p.is_file() and p.suffix != ".safetensors")
        files = [whole] if whole.is_file() else list(names)
    if checkpoint.text_config is not None:
        files.append(checkpoint.text_config / "config.json")
    preprocessing = json.dumps(model.visual.preprocess_cfg, sort_keys=True)
    parts = (digest, preprocessing, json.dumps(built, sort_keys=True), template, *files)
    return fingerprint(*parts, cache_dir=settings.cache_dir)
