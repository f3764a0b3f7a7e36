"""Where bytes go: files that are whole or not there."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from mmkit.errors import BadInput
from mmkit.media.source import printable

__all__ = ["atomic_path"]

#: A temporary name, with the number of the process that writes it.
_PARTIAL: Final = re.compile(r"\..+\.(\d+)\.part(\.[^.]*)?")
#: Seconds for which a temporary file may be one that another machine is writing.
_FRESH: Final = 60.0
#: Directories that were looked through for what killed processes left.
_swept: set[Path] = set()


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place when the block ends well, so no half file is left.

    What killed processes left under such names in that directory is removed, once a process.

    Raises:
        BadInput: the directory does not exist or cannot be written.
    """
    target = Path(path)
    _sweep(target.parent.absolute())
    partial = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        yield partial
        partial.replace(target)
    except OSError as error:
        where = printable(os.fspath(target))
        raise BadInput(f"cannot be written: {error.strerror or error}", where=where) from error
    finally:
        partial.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove the temporary files of processes that are no more; those of the last minute may be another machine's."""
    if folder in _swept or os.name != "posix":
        return
    _swept.add(folder)
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.startswith(".")]
    except OSError:
        return  # the block's own failure will say why
    for name in names:
        found = _PARTIAL.fullmatch(name)
        if found is None or _runs(int(found[1])):
            continue
        with suppress(OSError):
            if time.time() - (folder / name).stat().st_mtime > _FRESH:
                (folder / name).unlink()


def _runs(process: int) -> bool:
    """Whether a process of that number exists on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # another user's, or no number of a process: not ours to judge
    return True
