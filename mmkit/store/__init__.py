"""The embedding store on disk: a directory of Arrow shards under one manifest, safe to kill at any moment.

Names are imported on first use, so ``import mmkit.store`` loads neither numpy nor pyarrow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mmkit.store.checks import Problem as Problem
    from mmkit.store.checks import VerifyReport as VerifyReport
    from mmkit.store.keys import content_key as content_key
    from mmkit.store.keys import escape_name as escape_name
    from mmkit.store.keys import unescape_name as unescape_name
    from mmkit.store.manifest import SpecFields as SpecFields
    from mmkit.store.store import Store as Store
    from mmkit.store.writer import StoreWriter as StoreWriter

_HOMES: Final = {
    "Problem": "checks",
    "SpecFields": "manifest",
    "Store": "store",
    "StoreWriter": "writer",
    "VerifyReport": "checks",
    "content_key": "keys",
    "escape_name": "keys",
    "unescape_name": "keys",
}

__all__ = [
    "Problem",
    "SpecFields",
    "Store",
    "StoreWriter",
    "VerifyReport",
    "content_key",
    "escape_name",
    "unescape_name",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
