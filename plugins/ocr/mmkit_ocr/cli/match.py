"""``mmkit ocr match``."""

from __future__ import annotations


def match() -> int:
    """Not ready."""
    return 1
