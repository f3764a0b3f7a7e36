"""Files of directories and globs, streamed: sorted, hidden ones left out, every real directory once."""

# Names stay strings here: a Path for each would double the cost of a large directory.
# ruff: noqa: PTH112, PTH116, PTH118, PTH206
from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fnmatch import translate
from itertools import islice
from typing import Final

from mmkit.media.source import printable
from mmkit.types import Failure

__all__ = ["glob_paths", "is_glob", "walk_files"]

#: A directory's names are sorted in runs of this many, so that a huge one yields its first file at once.
RUN: Final = 1 << 16

_MAGIC: Final = re.compile(r"[*?[]")


def walk_files(root: str, *, recursive: bool = True) -> Iterator[str | Failure]:
    """The files below a directory, sorted within each directory (in runs of 65,536 names).

    Symbolic links to directories are followed, but a real directory is entered once, so loops end.
    A directory that cannot be read is a Failure.
    """
    yield from _walk(root, recursive, set())


def is_glob(pattern: str) -> bool:
    return _MAGIC.search(pattern) is not None


def glob_paths(pattern: str) -> Iterator[str | Failure]:
    """The existing paths that a pattern of ``*``, ``?``, ``[...]`` and ``**`` matches.

    As in a shell, hidden names match only a part of the pattern that begins with a dot, and ``**`` stands for any
    number of directories.
    """
    drive, rest = os.path.splitdrive(pattern)
    absolute = rest.startswith(os.sep)
    parts = [part for part in rest.split(os.sep) if part]
    # "**/**" finds what "**" finds.
    parts = [part for number, part in enumerate(parts) if part != "**" or parts[number - 1 : number] != ["**"]]
    found = _match(drive + os.sep if absolute else drive, parts, set())
    if parts.count("**") < 2:
        yield from found
        return
    seen: set[str | Failure] = set()  # two "**" can reach one path in two ways
    for path in found:
        if path not in seen:
            seen.add(path)
            yield path


def _walk(folder: str, recursive: bool, entered: set[tuple[int, int]]) -> Iterator[str | Failure]:
    for entry in _entries(folder, entered):
        if isinstance(entry, Failure):
            yield entry
        elif not _is_dir(entry):
            yield entry.path
        elif recursive:
            yield from _walk(entry.path, recursive, entered)


def _entries(folder: str, entered: set[tuple[int, int]]) -> Iterator[os.DirEntry[str] | Failure]:
    """The visible entries of a directory that was not entered before."""
    try:
        status = os.stat(folder or os.curdir)
        identity = (status.st_dev, status.st_ino)
        if identity in entered:
            return
        entered.add(identity)
        with os.scandir(folder or os.curdir) as scan:
            visible = (entry for entry in scan if not entry.name.startswith("."))
            while run := sorted(islice(visible, RUN), key=lambda entry: entry.name):
                yield from run
    except OSError as error:
        yield Failure(printable(folder), f"directory cannot be read: {error.strerror or error}")


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that points at itself
        return False


def _match(base: str, parts: list[str], entered: set[tuple[int, int]]) -> Iterator[str | Failure]:
    """Paths under ``base`` that the remaining parts match; ``entered`` belongs to the nearest ``**`` above."""
    if not parts:
        yield base
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _match_any_depth(base, rest, entered)
    elif not is_glob(part):
        path = os.path.join(base, part)
        if os.path.lexists(path):
            yield from _match(path, rest, set())
    else:
        fits = re.compile(translate(part)).match
        for name in _names(base, hidden=part.startswith(".")):
            if isinstance(name, Failure):
                yield name
            elif fits(name) and (not rest or os.path.isdir(os.path.join(base, name))):
                yield from _match(os.path.join(base, name), rest, set())


def _match_any_depth(base: str, rest: list[str], entered: set[tuple[int, int]]) -> Iterator[str | Failure]:
    """``**``: what the rest matches here, then in every directory below; at the end of a pattern, every file."""
    if not rest:
        yield from _walk(base, True, entered)
        return
    yield from _match(base, rest, set())
    for entry in _entries(base, entered):
        if not isinstance(entry, Failure) and _is_dir(entry):
            path = os.path.join(base, entry.name)
            yield from _match_any_depth(path, rest, entered)


def _names(folder: str, *, hidden: bool) -> Iterator[str | Failure]:
    try:
        with os.scandir(folder or os.curdir) as scan:
            names = (entry.name for entry in scan if hidden or not entry.name.startswith("."))
            while run := sorted(islice(names, RUN)):
                yield from run
    except OSError as error:
        yield Failure(printable(folder), f"directory cannot be read: {error.strerror or error}")
