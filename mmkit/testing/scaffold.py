"""Write a plugin that works: packaging, a command, an encoder, a step, and tests that inherit the suite."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import Final

from mmkit import __version__
from mmkit.errors import UsageError
from mmkit.plugins import CORE, registry

__all__ = ["write_plugin"]

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")


def write_plugin(name: str, folder: Path, *, overwrite: bool = False) -> Path:
    """Write the folder ``mmkit-NAME`` below ``folder``.

    Returns:
        The folder written.

    Raises:
        UsageError: the name is malformed or taken, or the folder is there already.
    """
    if not _NAME.match(name):
        raise UsageError(
            f"Expected a name of lower-case letters, digits and single hyphens, but received {name!r}", where="NAME"
        )
    if name == CORE or any(info.name == name for info in registry().plugins):
        raise UsageError(f"{name!r} is already the name of a plugin", mend="choose another name")
    if taken := [kind for kind in ("commands", "encoders") if name in getattr(registry(), kind)]:
        raise UsageError(f"{name!r} is already the name of one of the {taken[0]}", mend="choose another name")
    target = folder / f"mmkit-{name}"
    if target.exists() and not overwrite:
        raise UsageError("is there already", where=str(target), mend="give --overwrite, or another name")
    package = name.replace("-", "_")
    values = {"name": name, "package": package, "mmkit_version": __version__}
    for source, relative in _templates():
        place = target / (f"mmkit_{package}" if relative.parts[0] == "package" else relative.parts[0])
        place = place.joinpath(*relative.parts[1:]).with_suffix("")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(Template(source.read_text("utf-8")).safe_substitute(values), "utf-8")
    return target


def _templates() -> list[tuple[Path, Path]]:
    """Each template file, and where it goes below the plugin's folder."""
    root = Path(__file__).parent / "template"
    return [(file, file.relative_to(root)) for file in sorted(root.rglob("*.txt"))]
