"""One writer at a time: a lock on a file that the operating system drops when its process dies."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final
from weakref import WeakSet

from mmkit.errors import StoreError
from mmkit.store.files import LOCK, disk_errors, shown

__all__ = ["WriterLock"]

if sys.platform == "win32":
    import msvcrt

    # Windows locks are mandatory: a byte far behind the text leaves the owner's process id readable.
    _LOCKED_BYTE: Final = 1 << 20

    def _try_lock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        # flock, not lockf: it also holds against a second writer in the same process.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class WriterLock:
    """The right to write a store directory, held from ``acquire`` to ``release`` or to the end of the process.

    The lock file stays when the lock is released: removing it would let two writers hold two different files.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        return self._descriptor is not None

    def acquire(self) -> None:
        """Takes the lock, or raises StoreError at once if another writer has it."""
        path = self._directory / LOCK
        with disk_errors("open the store for writing", self._directory):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _try_lock(descriptor)
        except (BlockingIOError, PermissionError) as error:
            owner = _owner(descriptor)
            os.close(descriptor)
            raise StoreError(
                f"another writer{owner} has this store open",
                where=shown(self._directory),
                mend="wait for it to finish; reading is possible meanwhile",
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise StoreError(
                f"this file system cannot lock files: {error.strerror or error}",
                where=shown(self._directory),
                mend="keep the store on a local disk while writing it",
            ) from error
        self._descriptor = descriptor
        _held.add(self)
        with suppress(OSError):  # the number is a courtesy to the reader of the message above
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())

    def release(self) -> None:
        """Gives the lock back; does nothing when it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        _held.discard(self)
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> WriterLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


_held: WeakSet[WriterLock] = WeakSet()


def _release_in_child() -> None:
    # A forked worker shares the open file, so the lock would outlive a killed parent as long as the worker lives.
    for lock in list(_held):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)


def _owner(descriptor: int) -> str:
    with suppress(OSError, ValueError):
        return f" (process {int(os.read(descriptor, 20))})"
    return ""
