"""mmkit: one embed/match interface for pictures, sound, motion, text and records.

The whole programming interface is the handful of names in ``__all__``; each is loaded on first use,
so that ``import mmkit`` imports neither torch nor numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mmkit.encoders import encoder
    from mmkit.match import match
    from mmkit.pipeline import embed
    from mmkit.recipes import run_recipe
    from mmkit.store import Store
    from mmkit.types import Item

__all__ = ["Item", "Store", "__version__", "embed", "encoder", "match", "run_recipe"]

__version__ = "0.1.0"

_HOME: Final = {
    "Item": "mmkit.types",
    "Store": "mmkit.store",
    "embed": "mmkit.pipeline",
    "encoder": "mmkit.encoders",
    "match": "mmkit.match",
    "run_recipe": "mmkit.recipes",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'mmkit' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
