"""``mmkit ocr export``."""

from __future__ import annotations


def export() -> int:
    """Not ready."""
    return 1
