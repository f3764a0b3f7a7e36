"""Disk primitives: write a file so that it is there whole or not at all, and say plainly what the disk refused."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from mmkit.errors import StoreError
from mmkit.store.keys import escape_name

__all__ = ["LOCK", "MANIFEST", "SHARD_NAME", "disk_errors", "leftovers", "shown", "sweep", "write_atomically"]

MANIFEST: Final = "manifest.json"
LOCK: Final = ".lock"
SHARD_NAME: Final = re.compile(r"shard-(\d{6,18})\.arrow")
_TEMPORARY: Final = re.compile(r"(?:shard-\d{6,18}\.arrow|manifest\.json)\.tmp")

_MENDS: Final = {
    errno.ENOSPC: "free some space and run it again; the store is as it was after its last finished shard",
    errno.EDQUOT: "free some of your quota and run it again; the store is as it was after its last finished shard",
    errno.EACCES: "check the permissions, or use another directory",
    errno.EPERM: "check the permissions, or use another directory",
    errno.EROFS: "the file system is read-only: use another directory",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
}


def shown(path: Path) -> str:
    """A path as an error message can print it, whatever bytes it is made of."""
    return escape_name(str(path))


@contextmanager
def disk_errors(doing: str, where: Path) -> Iterator[None]:
    """Turns an ``OSError`` of the body into one ``StoreError`` that names ``doing`` and ``where``."""
    try:
        yield
    except OSError as error:
        mend = _MENDS.get(error.errno) if error.errno is not None else None
        raise StoreError(f"cannot {doing}: {error.strerror or error}", where=shown(where), mend=mend) from error


def write_atomically(path: Path, data: bytes | memoryview) -> str:
    """Writes ``data`` under a temporary name beside ``path``, syncs it, renames it, syncs the directory.

    Returns:
        sha256 of ``data`` as hexadecimal digits.

    Raises:
        OSError: the disk refused; then ``path`` is what it was, and the temporary file is gone if possible.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_directory(path.parent)
    return hashlib.sha256(data).hexdigest()


def _sync_directory(directory: Path) -> None:
    if sys.platform == "win32":  # a directory cannot be opened there, and NTFS journals the rename
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and FUSE file systems have no sync for directories.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def leftovers(directory: Path, keep: Collection[str]) -> list[str]:
    """Files an interrupted writer left: temporary ones, and shards that are not in ``keep``."""
    names = sorted(path.name for path in directory.iterdir())
    return [n for n in names if _TEMPORARY.fullmatch(n) or (SHARD_NAME.fullmatch(n) and n not in keep)]


def sweep(directory: Path, keep: Collection[str]) -> None:
    """Removes leftovers; one that cannot be removed (still mapped on Windows) waits for the next sweep."""
    with suppress(OSError):
        for name in leftovers(directory, keep):
            with suppress(OSError):
                (directory / name).unlink()
