"""A captioner's folder: config.json, vocabulary.json and model.safetensors. Nothing in it is unpickled or run.

config.json names the space whose vectors the captioner reads; another encoder's are refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmkit.errors import ModelUnavailable, SpaceMismatch

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from mmkit.types import EncoderSpec
    from mmkit_caption.model import CaptionModel

__all__ = ["BUNDLED", "DEFAULT", "Loaded", "check_space", "load_folder", "locate", "read_config", "save_folder"]

_FOLDER: Final = Path(__file__).parent / "weights"
DEFAULT: Final = "caption-mini"
#: Name -> folder of the captioners that ship.
BUNDLED: Final = {DEFAULT: _FOLDER}
_NEEDED: Final = frozenset({"space", "fingerprint", "encoder", "shape"})


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A captioner ready to write.

    Attributes:
        extra: tensors beside the network's: ``mean.text`` and ``mean.image`` (D,), ``support`` (S, D).
    """

    config: dict[str, Any]
    model: CaptionModel
    vocabulary: Any
    extra: dict[str, Tensor] = field(default_factory=dict)


def locate(model: str | Path) -> Path:
    """The folder of a bundled captioner's name or of a path. Raises ModelUnavailable where there is none."""
    folder = BUNDLED.get(str(model)) or Path(model)
    if not (folder / "config.json").is_file():
        raise ModelUnavailable(
            "is no captioner: it has no config.json",
            where=str(model),
            mend=f"name a bundled one ({', '.join(BUNDLED)}) or a folder that mmkit caption train wrote",
        )
    return folder


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json says. Raises ModelUnavailable where it is missing or lacks a field."""
    file = folder / "config.json"
    try:
        config = dict(json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ModelUnavailable(f"cannot be read: {error}", where=str(file)) from error
    if missing := _NEEDED - set(config):
        raise ModelUnavailable(f"lacks {', '.join(sorted(missing))}", where=str(file))
    return config


def check_space(config: dict[str, Any], spec: EncoderSpec, *, where: str) -> None:
    """Refuse vectors that the captioner was not trained on.

    Raises:
        SpaceMismatch: naming both spaces, or saying that the space is right and its weights are others.
    """
    if config["space"] != spec.space:
        raise SpaceMismatch(
            f"reads vectors of the space {config['space']!r}, and {spec.name} makes those of {spec.space!r}",
            where=where,
            mend=f"use --encoder {config['encoder']}, or train one: mmkit caption train --encoder {spec.name}",
        )
    if config["fingerprint"] != spec.fingerprint:
        raise SpaceMismatch(
            f"reads the vectors of {config['encoder']}, and {spec.name} has other weights (space {config['space']!r})",
            where=where,
            mend="use that version of the encoder, or train the captioner anew: mmkit caption train",
        )


def load_folder(folder: Path, device: torch.device) -> Loaded:
    """The captioner of a folder, in evaluation mode.

    Raises:
        ModelUnavailable: files are missing or damaged, or do not fit each other.
    """
    from safetensors.torch import load_file

    from mmkit.generation.vocabulary import Vocabulary
    from mmkit.models import check_safe_weights
    from mmkit_caption.model import CaptionModel, Shape

    config = read_config(folder)
    file = folder / "model.safetensors"
    check_safe_weights(file)
    decoder = None
    width = None
    try:
        if config.get("decoder", "own") == "own":
            vocabulary: Any = Vocabulary.load(folder / "vocabulary.json")
        else:
            from mmkit_caption.causal import load_causal

            decoder, vocabulary, width = load_causal(config["decoder"], folder)
        model = CaptionModel(Shape.read(config["shape"]), decoder, width=width)
        tensors = {name: value.float() for name, value in load_file(file).items() if not name.startswith("extra.")}
        extra = {n.removeprefix("extra."): v for n, v in load_file(file).items() if n.startswith("extra.")}
        missing, unknown = model.load_state_dict(tensors, strict=False)
        lost = [name for name in missing if decoder is None or not name.startswith("decoder.")]
        if lost or unknown:
            raise KeyError((lost or unknown)[0])
    except ModelUnavailable:
        raise
    except Exception as error:  # safetensors' own error, torch's RuntimeError, KeyError: all mean the same here
        raise ModelUnavailable(f"does not fit its config: {str(error).splitlines()[0]}", where=str(file)) from error
    model.eval().requires_grad_(False)
    return Loaded(config, model.to(device), vocabulary, {name: value.to(device) for name, value in extra.items()})


def save_folder(
    folder: Path,
    config: dict[str, Any],
    model: CaptionModel,
    vocabulary: Any,
    extra: dict[str, Tensor] | None = None,
) -> None:
    """Write what ``load_folder`` reads, floats in half precision; a decoder of transformers in a folder of its own.

    Raises:
        ModelUnavailable: a weight is not finite; what was there stays.
    """
    import torch
    from safetensors.torch import save_file

    from mmkit.media.target import atomic_path
    from mmkit.training.checkpoint import all_finite

    if not all_finite(model):
        raise ModelUnavailable("the weights are not finite, so they are not written", where=str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    own = config.get("decoder", "own") == "own"
    kept = {name: value for name, value in model.state_dict().items() if own or not name.startswith("decoder.")}
    tensors = {**kept, **{f"extra.{name}": value for name, value in (extra or {}).items()}}
    half = {n: (v.to(torch.float16) if v.is_floating_point() else v).contiguous().cpu() for n, v in tensors.items()}
    if own:
        vocabulary.save(folder / "vocabulary.json")
    else:
        model.decoder.save(folder / "decoder", vocabulary)
    with atomic_path(folder / "model.safetensors") as partial:
        save_file(half, str(partial))
    with atomic_path(folder / "config.json") as partial:
        partial.write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
