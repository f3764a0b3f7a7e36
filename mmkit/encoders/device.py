"""From the names of devices and number types to what torch takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmkit.errors import UsageError

if TYPE_CHECKING:
    import torch

__all__ = ["resolve_device", "resolve_dtype"]


def resolve_device(name: str) -> torch.device:
    """The device for ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        UsageError: the name is unknown, or this machine has no such device.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and not number.isdecimal()):
        raise UsageError(f"Expected auto, cpu, cuda, cuda:N or mps, but received {name!r}", where="--device")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(number or 0) >= count:
            raise UsageError(
                f"{name} is not here: torch sees {count} CUDA devices", where="--device", mend="use --device cpu"
            )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("mps is not here: torch sees no Apple GPU", where="--device", mend="use --device cpu")
    return torch.device(name)


def resolve_dtype(name: str, device: torch.device) -> torch.dtype:
    """The number type for ``auto`` (float32 on a CPU, bfloat16 on a GPU) or its own name."""
    import torch

    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]
