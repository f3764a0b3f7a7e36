"""Pipeline: decode, batch, encode and write, overlapped; and the jobs that are built on it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mmkit.pipeline.classify import TextClassifier, build_classifier
    from mmkit.pipeline.embedding import embed, to_items
    from mmkit.pipeline.evaluate import evaluate_retrieval, evaluate_zero_shot
    from mmkit.pipeline.index import IndexReport, index_items
    from mmkit.pipeline.stream import EncodedBatch, encode_stream

__all__ = [
    "EncodedBatch",
    "IndexReport",
    "TextClassifier",
    "build_classifier",
    "embed",
    "encode_stream",
    "evaluate_retrieval",
    "evaluate_zero_shot",
    "index_items",
    "to_items",
]

_HOME: Final = {
    "EncodedBatch": "stream",
    "IndexReport": "index",
    "TextClassifier": "classify",
    "build_classifier": "classify",
    "embed": "embedding",
    "encode_stream": "stream",
    "evaluate_retrieval": "evaluate",
    "evaluate_zero_shot": "evaluate",
    "index_items": "index",
    "to_items": "embedding",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
