"""Paths of a recipe: relative to its folder, never out of it, and globs that follow no loop."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from mmkit.recipes.problems import shown

__all__ = ["GivenText", "PathProblem", "expand", "links_out", "locate", "walk_files", "within"]

_MAGIC: Final = re.compile(r"[*?\[]")


class GivenText(str):
    """Text that begins with what the user gave with ``-p``: as a path it may lead anywhere, from where the user is."""

    __slots__ = ()


class PathProblem(ValueError):
    """Why a path is refused, as a phrase."""


def locate(text: str, root: Path, cwd: Path) -> Path:
    """The absolute path that ``text`` names, without asking whether it exists.

    Raises:
        PathProblem: it is empty, holds a NUL, or would leave ``root``.
    """
    if not text or "\0" in text:
        raise PathProblem("an empty path" if not text else "a NUL character in a path")
    if isinstance(text, GivenText):
        try:
            return cwd / Path(str(text)).expanduser()
        except RuntimeError as error:
            raise PathProblem(f"the home folder of {shown(text)} is not known") from error
    windows = PureWindowsPath(text)
    if PurePosixPath(text).is_absolute() or windows.drive or windows.root or text.startswith("~"):
        raise PathProblem(
            f"{shown(text)} is not relative to the recipe's folder; "
            "put it in [params] and give the path with -p, or copy the file beside the recipe"
        )
    if ".." in windows.parts:
        raise PathProblem(f"{shown(text)} leaves the recipe's folder; give such a path with -p")
    return root / text


def within(path: Path, root: Path) -> bool:
    """Whether ``path``, symbolic links resolved, lies in ``root``."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):
        return False


def expand(text: str, root: Path, cwd: Path) -> list[Path]:
    """The files and folders that a path or glob names, sorted; at least one.

    ``*``, ``?`` and ``[…]`` match within a name, ``**`` any number of folders; names that begin with a dot are only
    matched by a pattern that does; linked folders are entered by name, never by ``**``.

    Raises:
        PathProblem: nothing is there, or it lies outside ``root`` and the user did not give it.
    """
    path = locate(text, root, cwd)
    place = cwd if isinstance(text, GivenText) else root
    if os.path.lexists(path):
        found = [path]
    elif _MAGIC.search(text):
        # The names of the folders that the pattern starts in are not part of it.
        found = sorted(_matches(path, len(place.parts) if path.is_relative_to(place) else 0))
        if not found:
            raise PathProblem(f"{shown(text)} matches nothing in {shown(str(place), 200)[1:-1]}")
    else:
        raise PathProblem(f"{shown(text)} is not in {shown(str(place), 200)[1:-1]}")
    if not isinstance(text, GivenText):
        for one in found:
            _refuse_outside(one, root)
    return found


def _refuse_outside(path: Path, root: Path) -> None:
    if not within(path, root):
        name = shown(str(path.relative_to(root)))
        raise PathProblem(f"{name} is a link out of the recipe's folder; give such a path with -p")


def _matches(pattern: Path, literal: int) -> set[Path]:
    parts = pattern.parts
    fixed = next((i for i, part in enumerate(parts) if i >= literal and _MAGIC.search(part)), len(parts))
    found: set[Path] = set()
    # A place is visited once for each part of the pattern, so that many ``**`` stay polynomial.
    seen: set[tuple[Path, int]] = set()
    pending = [(Path(*parts[:fixed]), fixed)]
    while pending:
        place, index = pending.pop()
        if (place, index) in seen:
            continue
        seen.add((place, index))
        if index == len(parts):
            found.add(place)
            continue
        part = parts[index]
        if part == "**":
            pending.append((place, index + 1))
            pending.extend((Path(e.path), index) for e in _entries(place) if _is_real_folder(e) and e.name[0] != ".")
        elif not _MAGIC.search(part):
            if os.path.lexists(place / part):
                pending.append((place / part, index + 1))
        else:
            pending.extend((Path(e.path), index + 1) for e in _entries(place) if _name_matches(e.name, part))
    return found - {Path(*parts[:fixed])}


def _name_matches(name: str, pattern: str) -> bool:
    if name.startswith(".") and not pattern.startswith("."):
        return False
    return fnmatch.fnmatchcase(name, pattern)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (OSError, ValueError):
        return []


def _is_real_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def walk_files(path: Path) -> Iterator[Path]:
    """``path`` itself if it is no folder, else every file below it, sorted; linked folders are not entered."""
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path, followlinks=False):
        folders.sort()
        for name in sorted(names):
            yield Path(folder, name)


def links_out(path: Path, root: Path) -> Path | None:
    """The first link below the folder ``path`` that leads out of ``root``, if there is one."""
    for folder, folders, names in os.walk(path, followlinks=False):
        for name in sorted([*folders, *names]):
            one = Path(folder, name)
            if one.is_symlink() and not within(one, root):
                return one
    return None
