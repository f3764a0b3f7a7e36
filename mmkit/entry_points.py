"""The entry points of what is installed, found by reading the few files that hold them.

``importlib.metadata`` finds the same, and its import alone takes a fifth of the time of ``mmkit --help``.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

__all__ = ["EntryPoint", "installed_entry_points"]

_METADATA: Final = (".dist-info", ".egg-info")


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A line ``name = module`` or ``name = module:attribute`` of a distribution."""

    name: str
    value: str
    distribution: str
    version: str

    def load(self) -> object:
        module, _, attribute = self.value.partition(":")
        loaded: object = import_module(module.strip())
        for part in filter(None, attribute.strip().split(".")):
            loaded = getattr(loaded, part)
        return loaded


def installed_entry_points(group: str) -> list[EntryPoint]:
    """The entry points of one group, of all distributions on ``sys.path``, by name.

    Of two copies of one distribution the first counts, as it does for imports.
    """
    found: dict[str, list[EntryPoint]] = {}
    for folder in sys.path:
        try:
            names = sorted(entry.name for entry in os.scandir(folder or ".") if entry.name.endswith(_METADATA))
        except OSError:
            continue
        for name in names:
            distribution, _, rest = name.rpartition(".")[0].partition("-")
            if distribution.lower() in found:
                continue
            try:
                lines = Path(folder, name, "entry_points.txt").read_text("utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            version = rest.partition("-")[0]
            found[distribution.lower()] = [
                EntryPoint(point, module, distribution.replace("_", "-"), version)
                for point, module in _section(lines, group)
            ]
    return sorted((point for points in found.values() for point in points), key=lambda point: (point.name, point.value))


def _section(text: str, group: str) -> list[tuple[str, str]]:
    """The ``name = value`` lines of one section of an ``entry_points.txt``."""
    pairs: list[tuple[str, str]] = []
    inside = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            inside = line == f"[{group}]"
        elif inside and "=" in line and not line.startswith("#"):
            name, _, value = (part.strip() for part in line.partition("="))
            if name and value:
                pairs.append((name, value.partition("[")[0].strip()))
    return pairs
