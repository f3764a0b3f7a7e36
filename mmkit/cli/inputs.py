"""Texts and names from the command line and from stdin, where bytes that are not UTF-8 may stand."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from mmkit.media.source import printable
from mmkit.types import Failure, Item

__all__ = ["stdin_lines", "text_item"]


def stdin_lines() -> list[str]:
    """The lines of stdin without their ends; bytes that are not UTF-8 pass, as they do in arguments."""
    source: Iterable[bytes | str] = getattr(sys.stdin, "buffer", sys.stdin)
    return [os.fsdecode(line).rstrip("\r\n") for line in source]


def text_item(text: str) -> Item | Failure:
    """A text, or the Failure of one that is not UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return Failure(printable(text), "is no file, and no text: it is not UTF-8")
    return Item.from_text(text)
