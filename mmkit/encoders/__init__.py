"""Encoders: the contract, the registry, the bundled default, open_clip and sentence-transformers."""

from __future__ import annotations

from mmkit.encoders.base import CostedEncoder, Encoder, TokenEncoder, require
from mmkit.encoders.registry import encoder, encoder_entry

__all__ = ["CostedEncoder", "Encoder", "TokenEncoder", "encoder", "encoder_entry", "require"]
