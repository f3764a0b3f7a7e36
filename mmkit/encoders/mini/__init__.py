"""`mini`: the bundled picture and text encoder, small enough to ship and quick on a CPU.

Importing this package imports neither torch nor numpy; its names load on first use.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mmkit.encoders.mini.model import MiniConfig, MiniModel
    from mmkit.encoders.mini.preprocessing import Preprocessing, normalise, preprocess
    from mmkit.encoders.mini.tokenizer import MiniTokenizer

__all__ = [
    "WEIGHTS",
    "MiniConfig",
    "MiniModel",
    "MiniTokenizer",
    "Preprocessing",
    "normalise",
    "preprocess",
]

WEIGHTS: Final = Path(__file__).parent / "weights"

_HOMES: Final = {
    "MiniConfig": "model",
    "MiniModel": "model",
    "MiniTokenizer": "tokenizer",
    "Preprocessing": "preprocessing",
    "normalise": "preprocessing",
    "preprocess": "preprocessing",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
