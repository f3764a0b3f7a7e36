"""Content hashes of input files, kept by size and time of change so that a large input is read once."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from mmkit.recipes.paths import walk_files

__all__ = ["FileHash", "FileHashes", "InputDigest", "sha256_file"]

#: A file changed this recently may change again within the resolution of its time stamp: it is not remembered.
_SETTLED_NS: Final = 2_000_000_000
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class FileHash:
    """One file and the sha256 of its content in hex, or ``unreadable`` or ``not a file``."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class InputDigest:
    """All files of one parameter: ``digest`` is the sha256 over their names and contents."""

    digest: str
    files: tuple[FileHash, ...]


def sha256_file(path: Path) -> str:
    """The sha256 of a file's content in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


class FileHashes:
    """The table of known hashes, a small SQLite file; a broken or locked table only costs time."""

    def __init__(self, table: Path) -> None:
        self._table = table
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> FileHashes:
        try:
            self._table.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._open()
        except sqlite3.DatabaseError:
            # It only remembers what can be computed again, so a damaged one is thrown away.
            self._table.unlink(missing_ok=True)
            try:
                self._connection = self._open()
            except sqlite3.Error:
                self._connection = None
        except OSError:
            self._connection = None
        return self

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._table, timeout=2.0)
        try:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS hashes (path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, sha256 TEXT)"
            )
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            try:
                self._connection.commit()
            except sqlite3.Error:
                pass
            self._connection.close()
            self._connection = None

    def digest(self, paths: Iterable[Path]) -> InputDigest:
        """Hash files and, of folders, every file below them."""
        files = tuple(FileHash(file, self._of(file)) for path in paths for file in walk_files(path))
        total = hashlib.sha256()
        for file in files:
            total.update(os.fsencode(file.path) + b"\0" + file.sha256.encode() + b"\n")
        return InputDigest(total.hexdigest(), files)

    def _of(self, path: Path) -> str:
        try:
            status = path.stat()
            # A pipe or a device would never end.
            if not stat.S_ISREG(status.st_mode):
                return "not a file"
            known = self._known(path, status)
            if known is not None:
                return known
            sha256 = sha256_file(path)
        except OSError:
            # The step meets the same file and records why it cannot be read.
            return "unreadable"
        self._remember(path, status, sha256)
        return sha256

    def _known(self, path: Path, status: os.stat_result) -> str | None:
        if self._connection is None:
            return None
        try:
            row = self._connection.execute(
                "SELECT sha256 FROM hashes WHERE path = ? AND size = ? AND mtime_ns = ?",
                (os.fsencode(path), status.st_size, status.st_mtime_ns),
            ).fetchone()
        except sqlite3.Error:
            return None
        return str(row[0]) if row else None

    def _remember(self, path: Path, status: os.stat_result, sha256: str) -> None:
        if self._connection is None or time.time_ns() - status.st_mtime_ns < _SETTLED_NS:
            return
        try:
            self._connection.execute(
                "INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)",
                (os.fsencode(path), status.st_size, status.st_mtime_ns, sha256),
            )
        except sqlite3.Error:
            return
