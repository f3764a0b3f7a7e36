"""Where bytes come from: an item, a path or the bytes themselves, opened with clear refusals."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from mmkit.errors import BadInput
from mmkit.types import Item

__all__ = ["Source", "name_of", "open_source", "printable", "suffix_of"]

#: What every reader of this room takes.
Source: TypeAlias = Item | str | os.PathLike[str] | bytes

_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\ud800-\udfff]")
_LFS: Final = b"version https://git-lfs.github.com/spec/"


def printable(name: str) -> str:
    r"""A file name with the bytes that are not UTF-8, and control characters, written as ``\xNN``."""

    def escape(match: re.Match[str]) -> str:
        code = ord(match.group())
        if 0xDC80 <= code <= 0xDCFF:  # the surrogates that os.fsdecode makes of bytes
            return f"\\x{code - 0xDC00:02x}"
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

    return _UNPRINTABLE.sub(escape, name)


def name_of(source: Source) -> str:
    """How a source is called in an error."""
    if isinstance(source, Item):
        return printable(source.id)
    return "bytes" if isinstance(source, bytes) else printable(os.fspath(source))


def suffix_of(source: Source) -> str:
    """The lower-case suffix of a source's name, or of its id; "" where it has none."""
    if isinstance(source, bytes):
        return ""
    name = (source.path or source.id) if isinstance(source, Item) else source
    return Path(name).suffix.lower()


@contextmanager
def open_source(source: Source) -> Iterator[BinaryIO]:
    """A seekable binary file of a source that holds at least one byte.

    Raises:
        BadInput: there is no such file, it cannot be read, is a directory or a device, is empty, or is a Git LFS
            pointer; or the item holds no bytes.
    """
    where = name_of(source)
    data = source.data if isinstance(source, Item) else source if isinstance(source, bytes) else None
    if data is not None:
        file: BinaryIO = io.BytesIO(data)
    else:
        path = source.path if isinstance(source, Item) else Path(os.fspath(source))  # type: ignore[arg-type]
        if path is None:
            raise BadInput("Expected an item with a path or bytes, but it has neither", where=where)
        file = _open_file(path, where)
    with file:
        head = file.read(len(_LFS))
        if not head:
            raise BadInput("is empty (0 bytes)", where=where)
        if head == _LFS:
            raise BadInput("is a Git LFS pointer, not the file itself", where=where, mend="run: git lfs pull")
        file.seek(0)
        yield file


def _open_file(path: Path, where: str) -> BinaryIO:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise BadInput("is a directory, not a file", where=where)
        if not stat.S_ISREG(mode):  # opening a pipe would wait for its writer, for ever
            raise BadInput("is not a regular file", where=where)
        return open(path, "rb")
    except FileNotFoundError:
        raise BadInput("no such file", where=where) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(f"cannot be read: {reason}", where=where) from error
