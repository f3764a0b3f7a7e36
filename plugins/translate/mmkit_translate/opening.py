"""A translator by its name: ``bundled``, ``hf:org/name``, a file of weights or a folder of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mmkit.errors import ModelUnavailable, UsageError

if TYPE_CHECKING:
    from mmkit.config import Settings
    from mmkit_translate.translating import Translator

__all__ = ["open_translator"]


def open_translator(name: str = "bundled", *, settings: Settings | None = None, int8: bool = False) -> Translator:
    """The translator called ``name``.

    Args:
        int8: weights of 8 bits, on a CPU, for our own models.

    Raises:
        ModelUnavailable: there is none, or it cannot be had.
        UsageError: 8 bits were asked of a model that has them not.
    """
    from mmkit.config import settings as current_settings
    from mmkit.encoders.device import resolve_device
    from mmkit_translate.model.bundled import open_bundled
    from mmkit_translate.models.hub import open_hub

    chosen = settings or current_settings()
    device = str(resolve_device(chosen.device))
    if name == "bundled":
        return open_bundled(device=device, int8=int8)
    path = Path(name).expanduser()
    if not name.startswith("hf:") and path.suffix == ".safetensors":
        return open_bundled(path, device=device, int8=int8)
    if int8:
        raise UsageError("8-bit weights are there for the bundled model and your own", where="--int8")
    if name.startswith("hf:"):
        from mmkit.models import resolve

        return open_hub(resolve(name, settings=chosen).path, name=name, device=device)
    if not path.is_dir():
        raise ModelUnavailable(
            f"no translator is called {name!r}", mend="give bundled, hf:ORG/NAME, a .safetensors file or a folder"
        )
    return open_hub(path, name=name, device=device)
