"""``mmkit ocr eval``."""

from __future__ import annotations


def evaluate() -> int:
    """Not ready."""
    return 1
