"""The licence that a repository of the hub states in the front matter of its README."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["licence_in"]


def licence_in(folder: Path) -> str:
    """The stated licence of a model in ``folder``, or ``unknown``."""
    try:
        text = (folder / "README.md").read_text("utf-8", errors="replace")
    except OSError:
        return "unknown"
    front = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
    stated = re.search(r"^license:\s*['\"]?([\w.-]+)", front[1], re.MULTILINE) if front else None
    return stated[1] if stated else "unknown"
