"""``mmkit ocr words``."""

from __future__ import annotations


def words() -> int:
    """Not ready."""
    return 1
