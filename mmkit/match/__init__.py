"""Compare embeddings: exact and approximate search, one-to-one assignment, clustering.

    match(queries, gallery, k=10) -> Matches         the k best gallery rows of every query
    search_blocks(queries, blocks, k) -> Matches     the same over a stream of blocks, for galleries beyond memory
    ExactIndex(gallery).search(queries, k)           prepared once, searched often
    assign(scores) -> pairs, scores                  one-to-one
    cluster(vectors, threshold) -> labels            groups of near-duplicates
    Scorer, SCORERS, resolve_scorer                  how two embeddings are compared

Everything loads on first use: importing this package costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mmkit.match.assignment import assign
    from mmkit.match.clusters import cluster
    from mmkit.match.exact import ExactIndex, search_blocks
    from mmkit.match.retrieve import match
    from mmkit.match.scorers import SCORERS, Scorer, resolve_scorer

__all__ = [
    "SCORERS",
    "ExactIndex",
    "Scorer",
    "assign",
    "cluster",
    "match",
    "resolve_scorer",
    "search_blocks",
]

_HOME: Final = {
    "SCORERS": "scorers",
    "ExactIndex": "exact",
    "Scorer": "scorers",
    "assign": "assignment",
    "cluster": "clusters",
    "match": "retrieve",
    "resolve_scorer": "scorers",
    "search_blocks": "exact",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Room(ModuleType):
    # ``mmkit.match`` is promised as a function, and importing this package binds the same name to the module:
    # a callable module keeps both promises whatever was imported first.
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return __getattr__("match")(*args, **kwargs)


sys.modules[__name__].__class__ = _Room
