"""Finished outputs of steps on disk, each under the key of everything it depends on.

Layout below the root::

    entries/<key>.json    what is known of a finished output; written last and atomically, so it is there or not
    outputs/<folder>/     table.arrow, files/ (what the step wrote), failures.jsonl
    last/<place>.json     the key parts of a step's latest output, to tell why it runs again
    hashes.sqlite         content hashes of input files

A step writes into a folder of its own under ``outputs``, never renamed, so that paths a step puts into its table
stay true. Until an entry names the folder it is nothing. A folder that another run may be reading is never removed:
``sweep`` takes what has had no entry for a day, left by killed runs or replaced.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from mmkit.recipes.tables import atomically

__all__ = ["Cache", "Entry", "FILES", "TABLE"]

TABLE: Final = "table.arrow"
FILES: Final = "files"
_ABANDONED_SECONDS: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished output.

    Attributes:
        key: sha256 of ``parts``.
        parts: what the output depends on, by name.
        folder: its folder's name under ``outputs``.
        files: size and time of change (ns) of every file in it, so that an output changed by hand is not reused.
        outside: folders that the step wrote elsewhere because the user named them.
        rows: of the table.
        failures: items the step could not process.
        seconds: what the step took.
    """

    key: str
    parts: Mapping[str, str]
    folder: str
    files: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    outside: tuple[str, ...] = ()
    rows: int = 0
    failures: int = 0
    seconds: float = 0.0


class Cache:
    """The cache of recipe steps below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def hashes(self) -> Path:
        return self.root / "hashes.sqlite"

    def folder(self, entry: Entry) -> Path:
        """Where the output of ``entry`` lies."""
        return self.root / "outputs" / entry.folder

    def new_folder(self, key: str) -> Path:
        """A fresh folder for a step to write into."""
        folder = self.root / "outputs" / f"{key[:16]}-{uuid.uuid4().hex[:8]}"
        (folder / FILES).mkdir(parents=True)
        return folder

    def find(self, key: str) -> Entry | None:
        """The finished output of ``key``, if it is there and untouched."""
        entry = self._read_entry(self._pointer(key))
        if entry is None or entry.key != key or not all(map(os.path.isdir, entry.outside)):
            return None
        folder = self.folder(entry)
        try:
            # Only what the entry lists counts: a run killed while it added a Parquet file must not cost the output.
            unchanged = all(_state(folder / name) == state for name, state in entry.files.items())
        except (OSError, ValueError):
            return None
        return entry if unchanged and TABLE in entry.files else None

    def publish(self, entry: Entry) -> Entry:
        """Make a finished output findable.

        Where another run has made the same output meanwhile, that one is returned and this one dropped: a step of
        the other run may be reading it.
        """
        folder = self.folder(entry)
        there = self.find(entry.key)
        if there is not None and there.folder != entry.folder:
            shutil.rmtree(folder, ignore_errors=True)
            return there
        entry = replace(entry, files=_listing(folder))
        self._write(self._pointer(entry.key), asdict(entry))
        return entry

    def forget(self, key: str) -> None:
        """Have the output of ``key`` made again, even if this run breaks off; ``sweep`` removes the old one."""
        self._pointer(key).unlink(missing_ok=True)

    def last_parts(self, place: str) -> dict[str, str] | None:
        """The key parts that the step at ``place`` last finished with."""
        data = _read_json(self._last(place))
        if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
            return None
        return data

    def note_last(self, place: str, parts: Mapping[str, str]) -> None:
        """Keep the key parts that the step at ``place`` finished with."""
        if self.last_parts(place) != parts:
            self._write(self._last(place), dict(parts))

    def sweep(self) -> None:
        """Remove folders that no entry names and that nothing has written to for a day."""
        named = {e.folder for e in map(self._read_entry, (self.root / "entries").glob("*.json")) if e is not None}
        before = time.time() - _ABANDONED_SECONDS
        for folder in (self.root / "outputs").glob("*-*"):
            if folder.name not in named and _newest(folder) < before:
                shutil.rmtree(folder, ignore_errors=True)

    def clear(self, *, older_than_days: float = 0.0) -> int:
        """Remove outputs that are older than so many days, and say how many there were."""
        before = time.time() - older_than_days * 86400
        removed = 0
        for pointer in (self.root / "entries").glob("*.json"):
            entry = self._read_entry(pointer)
            if pointer.stat().st_mtime > before:
                continue
            pointer.unlink(missing_ok=True)
            if entry is not None:
                shutil.rmtree(self.folder(entry), ignore_errors=True)
            removed += 1
        return removed

    def _pointer(self, key: str) -> Path:
        return self.root / "entries" / f"{key}.json"

    def _last(self, place: str) -> Path:
        return self.root / "last" / f"{hashlib.sha256(os.fsencode(place)).hexdigest()[:32]}.json"

    def _write(self, path: Path, data: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomically(path, lambda temporary: temporary.write_text(json.dumps(data), encoding="utf-8"))

    def _read_entry(self, pointer: Path) -> Entry | None:
        data = _read_json(pointer)
        try:
            files = {str(name): (int(size), int(mtime)) for name, (size, mtime) in data["files"].items()}
            entry = Entry(**{**data, "files": files, "outside": tuple(data["outside"])})
        except (TypeError, KeyError, ValueError, AttributeError):
            return None
        # The folder is joined to a path and may be removed, so it is a bare name or nothing.
        return entry if entry.folder and Path(entry.folder).name == entry.folder else None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    listing = {}
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            listing[path.relative_to(folder).as_posix()] = _state(path)
    return listing


def _state(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_size, status.st_mtime_ns


def _newest(folder: Path) -> float:
    try:
        return max(p.lstat().st_mtime for p in (folder, *folder.rglob("*")))
    except OSError:
        return time.time()
