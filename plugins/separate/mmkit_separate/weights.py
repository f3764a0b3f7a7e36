"""A separator's or a tower's folder: config.json says how it is built, model.safetensors holds its weights.

Nothing in such a folder is unpickled or run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmkit.errors import ModelUnavailable

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["BUNDLED", "FOLDER", "build", "load_folder", "locate", "read_config", "save_folder"]

FOLDER: Final = Path(__file__).parent / "weights"
#: Name -> folder of the separators that ship.
BUNDLED: Final = {"film": FOLDER / "film", "clipsep": FOLDER / "clipsep", "clipsep-nit": FOLDER / "clipsep-nit"}
_MEND: Final = "name a bundled separator (film, clipsep, clipsep-nit) or a folder that mmkit separate train wrote"


def locate(model: str | Path) -> Path:
    """The folder of a bundled separator's name or of a path. Raises ModelUnavailable where there is none."""
    folder = BUNDLED.get(str(model)) or Path(model)
    if not (folder / "config.json").is_file():
        raise ModelUnavailable("is no separator: it has no config.json", where=str(model), mend=_MEND)
    return folder


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json says. Raises ModelUnavailable where it is missing or lacks a field."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        missing = {"architecture", "arguments", "resolution", "space", "fingerprint", "labels"} - set(config)
    except (OSError, ValueError, TypeError) as error:
        raise ModelUnavailable(f"cannot be read: {error}", where=str(folder / "config.json")) from error
    if missing:
        raise ModelUnavailable(f"lacks {', '.join(sorted(missing))}", where=str(folder / "config.json"))
    return dict(config)


def _architectures() -> dict[str, Callable[..., nn.Module]]:
    from mmkit_separate.networks.clipsep import ClipSep
    from mmkit_separate.networks.film_unet import FilmUNet
    from mmkit_separate.networks.tower import SoundTower

    return {"film": FilmUNet, "clipsep": ClipSep, "tower": SoundTower}


def build(architecture: str, arguments: Mapping[str, Any]) -> nn.Module:
    """A network with fresh weights. Raises ModelUnavailable for a name or arguments that are not known."""
    known = _architectures()
    if architecture not in known:
        raise ModelUnavailable(f"no architecture is called {architecture!r}", mend=f"known: {', '.join(known)}")
    try:
        return known[architecture](**arguments)
    except (TypeError, ValueError) as error:
        raise ModelUnavailable(f"{architecture} cannot be built: {error}") from error


def load_folder(folder: Path, device: torch.device) -> tuple[dict[str, Any], nn.Module, dict[str, torch.Tensor]]:
    """Config, network in evaluation mode, and the further tensors of a folder: ``extra.NAME`` of its file.

    Raises:
        ModelUnavailable: files are missing or damaged, or do not fit each other.
    """
    from safetensors.torch import load_file

    from mmkit.models import check_safe_weights

    config = read_config(folder)
    file = folder / "model.safetensors"
    check_safe_weights(file)
    network = build(config["architecture"], config["arguments"])
    try:
        stored = load_file(file)
        tensors = {name: value.float() if value.is_floating_point() else value for name, value in stored.items()}
        extra = {name.removeprefix("extra."): tensors.pop(name) for name in list(tensors) if name.startswith("extra.")}
        network.load_state_dict(tensors)
    except Exception as error:  # safetensors' own error, torch's RuntimeError and KeyError: all mean the same here
        raise ModelUnavailable(f"does not fit its config: {str(error).splitlines()[0]}", where=str(file)) from error
    network.eval().requires_grad_(False)
    return config, network.to(device), {name: value.to(device) for name, value in extra.items()}


def save_folder(
    folder: Path, config: Mapping[str, Any], network: nn.Module, extra: Mapping[str, torch.Tensor] | None = None
) -> None:
    """Write what ``load_folder`` reads, floats in half precision."""
    import torch
    from safetensors.torch import save_file

    from mmkit.media.target import atomic_path

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {**network.state_dict(), **{f"extra.{name}": value for name, value in (extra or {}).items()}}
    half = {n: (v.to(torch.float16) if v.is_floating_point() else v).contiguous().cpu() for n, v in tensors.items()}
    with atomic_path(folder / "model.safetensors") as partial:
        save_file(half, str(partial))
    with atomic_path(folder / "config.json") as partial:
        partial.write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
