"""Hashes of files and of whole models; what was hashed once is remembered until the file changes."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mmkit.config import settings

__all__ = ["file_sha256", "fingerprint", "memoised", "write_atomically"]

#: Smaller files are hashed faster than a memory of them is looked up.
_WORTH_REMEMBERING: Final = 1 << 20
#: A file changed this recently could change again without its time moving, so its hash is not kept.
_SETTLED_NS: Final = 2_000_000_000


def file_sha256(path: str | Path, *, cache_dir: Path | None = None) -> str:
    """The sha256 of a file's bytes, in hexadecimal.

    Args:
        cache_dir: where hashes are remembered by path, size and times; None reads the whole file each time.

    Raises:
        OSError: the file cannot be read.
    """

    def read() -> str:
        digest = hashlib.sha256()
        with Path(path).open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    return read() if cache_dir is None else memoised(path, "file", read, cache_dir=cache_dir)


def memoised(path: str | Path, kind: str, compute: Callable[[], str], *, cache_dir: Path) -> str:
    """``compute()``, or what it gave before for the same file in the same state.

    Args:
        kind: what is computed of the file, and by which version of the code.
    """
    real = Path(path).resolve()
    state = real.stat()
    if state.st_size < _WORTH_REMEMBERING:
        return compute()
    stamp = [state.st_size, state.st_mtime_ns, state.st_ctime_ns]
    key = hashlib.sha256(f"{kind}\0{real}".encode(errors="surrogateescape")).hexdigest()
    note = cache_dir / "hashes" / f"{key}.json"
    try:
        known = json.loads(note.read_text("utf-8"))
        if known["stamp"] == stamp and isinstance(known["value"], str):
            return str(known["value"])
    except (OSError, ValueError, KeyError, TypeError):
        # No note, or a damaged one: it is only a memory, and is written anew.
        pass
    value = compute()
    if time.time_ns() - max(state.st_mtime_ns, state.st_ctime_ns) > _SETTLED_NS:
        write_atomically(note, json.dumps({"stamp": stamp, "value": value}))
    return value


def write_atomically(path: Path, text: str) -> None:
    """Write a note that can be made again: whole or not at all, and silently not where nothing can be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    except OSError:
        return
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)


def fingerprint(*parts: bytes | str | Path, cache_dir: Path | None = None) -> str:
    """The sha256 over weights, preprocessing and text template, in hexadecimal.

    Args:
        parts: in a fixed order; a Path stands for the content of that file, never for its name.
        cache_dir: where the hashes of large files are remembered; None takes that of the settings.

    Raises:
        OSError: a file cannot be read.
    """
    remembered = settings().cache_dir if cache_dir is None else cache_dir
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            kind, content = b"file", file_sha256(part, cache_dir=remembered).encode()
        elif isinstance(part, str):
            kind, content = b"text", part.encode()
        else:
            kind, content = b"data", bytes(part)
        # Kind and length before each part, so that no two lists of parts run together to the same bytes.
        digest.update(kind + len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()
