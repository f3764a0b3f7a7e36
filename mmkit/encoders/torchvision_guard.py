"""Lets torchvision be imported where its compiled operators do not load, as beside a CPU-only torch.

torchvision registers fake versions of its operators at import and fails with ``operator torchvision::nms does not
exist`` where the compiled ones are absent. Declaring the two that it insists on mends the import; nothing here
needs them to compute. Call ``guard_torchvision`` before importing open_clip or sentence_transformers.
"""

from __future__ import annotations

import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

__all__ = ["guard_torchvision"]

_SCHEMAS: Final = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_lock: Final = threading.Lock()
#: A Library takes its operators with it when it is collected, so it lives as long as the process.
_kept: Final[list[Any]] = []


def guard_torchvision() -> bool:
    """Declare torchvision's missing operators where its compiled ones are absent; any further call does nothing.

    Returns:
        Whether the declarations stand in for compiled operators.
    """
    with _lock:
        if _kept:
            return True
        if "torchvision" in sys.modules:
            return False
        spec = find_spec("torchvision")
        if spec is None or not spec.submodule_search_locations:
            return False
        import torch

        library_class: Any = torch.library.Library
        if _compiled_operators(torch, Path(spec.submodule_search_locations[0])):
            return False
        library = library_class("torchvision", "FRAGMENT")
        for schema in _SCHEMAS:
            library.define(schema)
        _kept.append(library)
        return True


def _compiled_operators(torch: Any, package: Path) -> bool:
    """Whether ``torchvision::nms`` is there, after trying to load what torchvision itself would."""
    if hasattr(torch.ops.torchvision, "nms"):
        return True
    for library in sorted(package.glob("_C*")):
        if library.suffix not in (".so", ".pyd", ".dylib", ".dll"):
            continue
        try:
            torch.ops.load_library(str(library))
        except (OSError, ImportError):
            continue
        return hasattr(torch.ops.torchvision, "nms")
    return False
