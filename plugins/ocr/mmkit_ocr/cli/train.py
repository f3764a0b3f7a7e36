"""``mmkit ocr train``."""

from __future__ import annotations


def train() -> int:
    """Not ready."""
    return 1
