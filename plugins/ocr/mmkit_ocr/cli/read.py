"""``mmkit ocr read``."""

from __future__ import annotations


def read() -> int:
    """Not ready."""
    return 1
