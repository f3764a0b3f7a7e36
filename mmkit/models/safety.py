"""What may be loaded as weights: safetensors, or a torch file that holds nothing but tensors."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Final

from mmkit.errors import ModelUnavailable

__all__ = ["PICKLED", "SAFE", "check_safe_weights", "safetensors_header"]

SAFE: Final = ".safetensors"
#: Pickles inside; loaded with ``weights_only`` alone.
PICKLED: Final = (".pt", ".pth", ".bin")
_HEADER_LIMIT: Final = 100_000_000
_MEND: Final = "convert it to safetensors on a machine where you trust it"


def check_safe_weights(path: str | Path) -> None:
    """Refuse weights whose loading could run code; nothing is unpickled to find out.

    Raises:
        ModelUnavailable: no such file, another suffix, a damaged header, a TorchScript archive, or a pickle that
            names anything but tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelUnavailable("there is no such file of weights", where=str(path))
    if path.suffix == SAFE:
        safetensors_header(path)
    elif path.suffix in PICKLED:
        _check_pickled(path)
    else:
        raise ModelUnavailable(
            f"Expected weights as {SAFE}, or {', '.join(PICKLED)} with tensors alone, but received "
            f"{path.suffix or 'no suffix'}",
            where=str(path),
            mend=_MEND,
        )


def safetensors_header(path: Path) -> dict[str, dict[str, object]]:
    """The tensors that a safetensors file says it holds: name -> dtype, shape and offsets.

    Raises:
        ModelUnavailable: the header is damaged or does not fit the file's size.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if size < 8 or length > min(size - 8, _HEADER_LIMIT):
                raise ValueError("its header is longer than the file")
            header = json.loads(stream.read(length))
        if not isinstance(header, dict):
            raise ValueError("its header is not a table")
        header.pop("__metadata__", None)
        end = max((int(tensor["data_offsets"][1]) for tensor in header.values()), default=0)
        if 8 + length + end != size:
            raise ValueError(f"its header promises {8 + length + end} bytes, and it has {size}")
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise ModelUnavailable(
            f"it is not a whole safetensors file: {error}", where=str(path), mend="fetch it again"
        ) from error
    return header


def _check_pickled(path: Path) -> None:
    import torch

    if not zipfile.is_zipfile(path):
        # The format before torch 1.6 cannot be listed without reading it, and weights_only reads tensors alone.
        try:
            torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise _refused(path, "it is not a file of tensors alone") from error
        return
    with zipfile.ZipFile(path) as archive:
        if any(name.endswith("/constants.pkl") or "/code/" in name for name in archive.namelist()):
            raise _refused(path, "it is a TorchScript archive, which holds code")
    try:
        unsafe = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception as error:
        raise _refused(path, "it is not a file that torch.save wrote") from error
    if unsafe:
        raise _refused(path, f"it is a pickle that would call {unsafe[0]}")


def _refused(path: Path, what: str) -> ModelUnavailable:
    return ModelUnavailable(f"refused to load it: {what}", where=str(path), mend=_MEND)
