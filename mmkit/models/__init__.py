"""Models: their cards, where their files come from, and how those files are checked.

Importing this package imports neither torch nor numpy; its names load on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mmkit.models.cards import Measurement, ModelCard, TrainingData, broken_cards, model_card, model_cards
    from mmkit.models.hashes import file_sha256, fingerprint, memoised
    from mmkit.models.hub import not_available
    from mmkit.models.safety import check_safe_weights
    from mmkit.models.sources import ResolvedModel, path, pull, resolve
    from mmkit.models.verification import verify

__all__ = [
    "Measurement",
    "ModelCard",
    "ResolvedModel",
    "TrainingData",
    "broken_cards",
    "check_safe_weights",
    "file_sha256",
    "fingerprint",
    "memoised",
    "model_card",
    "model_cards",
    "not_available",
    "path",
    "pull",
    "resolve",
    "verify",
]

_HOMES: Final = {
    "Measurement": "cards",
    "ModelCard": "cards",
    "ResolvedModel": "sources",
    "TrainingData": "cards",
    "broken_cards": "cards",
    "check_safe_weights": "safety",
    "file_sha256": "hashes",
    "fingerprint": "hashes",
    "memoised": "hashes",
    "model_card": "cards",
    "model_cards": "cards",
    "not_available": "hub",
    "path": "sources",
    "pull": "sources",
    "resolve": "sources",
    "verify": "verification",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
