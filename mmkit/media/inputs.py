"""What a command's inputs stand for: paths, globs, directories, stdin, archives and tables, as a stream of items."""

# Names stay strings here: a Path for each would double the cost of a large directory.
# ruff: noqa: PTH112, PTH114, PTH116, PTH122
from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmkit.errors import BadInput
from mmkit.media.archives import archive_items, is_archive
from mmkit.media.columns import table_items
from mmkit.media.content import content_of, plain_bytes
from mmkit.media.detect import detect_modality
from mmkit.media.source import printable
from mmkit.media.text import read_lines
from mmkit.media.walk import glob_paths, is_glob, walk_files
from mmkit.types import Failure, Item, Modality

if TYPE_CHECKING:
    from mmkit.hookspecs import ReaderEntry

__all__ = ["content_of", "expand_inputs", "plain_bytes"]

# Spelled here and not imported: table_batches loads pyarrow, and most inputs are no tables.
_TABLE: Final = re.compile(r"\.(parquet|arrow|feather|(csv|tsv|jsonl|ndjson)(\.gz)?)$", re.IGNORECASE)
_NAMES: Final[Mapping[Modality, str]] = {
    "image": "a picture",
    "audio": "a sound",
    "motion": "a motion",
    "text": "a text",
    "record": "a record",
}
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def expand_inputs(
    arguments: Sequence[str],
    *,
    modality: Modality | None = None,
    column: str | None = None,
    stdin: Iterable[bytes] | Iterable[str] | None = None,
    recursive: bool = True,
    readers: Mapping[str, ReaderEntry] | None = None,
) -> Iterator[Item | Failure]:
    """The items that arguments name, lazily and in their order; what cannot be had is a Failure, never an exception.

    - a path is that file; a text file gives one text a line;
    - a glob (``*``, ``?``, ``[...]``, ``**``) gives the media, archives and, with a column, tables it matches;
    - a directory gives the media in it, sorted, hidden ones left out; texts only with ``modality="text"``;
    - ``-`` is stdin: one text a line with ``modality="text"``, else one path a line;
    - a tar archive gives its members (``archive_items``), a table its rows (``table_items``).

    A file that is no medium is passed over in a directory or a glob, and a Failure when it is named. With
    ``modality="motion"`` every .npy and .npz that is named is an item, and every table of numbers that is found.

    Args:
        modality: take only items of this one; by default whatever each file is.
        column: the column of a table to encode.
        stdin: lines to read in place of sys.stdin.
        recursive: enter the directories of a directory.
        readers: readers of plugins by suffix (lower case, with the dot).
    """
    inputs = _Inputs(modality, column, recursive, readers)
    for argument in arguments:
        yield from inputs.stdin(stdin) if argument == "-" else inputs.argument(os.fspath(argument))


@dataclass(frozen=True, slots=True)
class _Inputs:
    modality: Modality | None
    column: str | None
    recursive: bool
    readers: Mapping[str, ReaderEntry] | None

    def argument(self, argument: str) -> Iterator[Item | Failure]:
        # A file whose very name looks like a pattern is that file.
        if not is_glob(argument) or _exists(argument):
            yield from self.named(argument)
            return
        matched = False
        for path in glob_paths(argument):
            matched = True
            if isinstance(path, Failure):
                yield path
            elif os.path.isdir(path):
                # With "**" the files below are matched themselves.
                yield from () if "**" in argument else self.directory(path)
            elif is_archive(path) or (self.column is not None and _TABLE.search(path)):
                yield from self.named(path)
            else:
                yield from self.found(path)
        if not matched:
            yield Failure(printable(argument), "no file matches the pattern")

    def named(self, path: str) -> Iterator[Item | Failure]:
        """A path that the user named: whatever is wrong with it is told."""
        name = printable(path)
        problem = _problem(path)
        if problem:
            yield Failure(name, problem)
        elif os.path.isdir(path):
            yield from self.directory(path)
        elif is_archive(path):
            yield from archive_items(path, modality=self.modality, readers=self.readers)
        elif _TABLE.search(path):
            yield from table_items(path, column=self.column, modality=self.modality, readers=self.readers)
        else:
            yield from self.file(path, name)

    def file(self, path: str, name: str) -> Iterator[Item | Failure]:
        found = detect_modality(path, readers=self.readers, asked=self.modality)
        suffix = os.path.splitext(path)[1].lower()
        if found is None and self.modality == "text":
            found = "text"  # named as text, whatever its suffix
        if found is None and self.modality == "motion" and suffix in (".npy", ".npz"):
            found = "motion"  # named as motion: the encoder's reader says what is wrong with it
        if found is None and suffix == ".svg":
            yield Failure(name, "is an SVG drawing, which is not read; convert it to PNG first")
        elif found is None:
            yield Failure(name, f"is not {self._wanted()} that mmkit knows")
        elif self.modality not in (None, found):
            yield Failure(name, f"Expected {self._wanted()}, but received {found}")
        elif found == "text":
            yield from _text_lines(path, name)
        else:
            yield Item(found, name, path=Path(path))

    def directory(self, folder: str) -> Iterator[Item | Failure]:
        for path in walk_files(folder, recursive=self.recursive):
            yield from (path,) if isinstance(path, Failure) else self.found(path)

    def found(self, path: str) -> Iterator[Item | Failure]:
        """A file of a directory or a glob: passed over unless it is a medium that is wanted."""
        found = detect_modality(path, readers=self.readers, asked=self.modality)
        # Notes and licences lie beside pictures, so text is taken only when it is asked for.
        if found is None or found != (self.modality or found) or (found == "text" and self.modality != "text"):
            return
        name = printable(path)
        problem = _problem(path)
        if problem:
            yield Failure(name, problem)
        elif found == "text":
            yield from _text_lines(path, name)
        else:
            yield Item(found, name, path=Path(path))

    def stdin(self, lines: Iterable[bytes] | Iterable[str] | None) -> Iterator[Item | Failure]:
        source: Any = sys.stdin if lines is None else lines
        source = getattr(source, "buffer", source)  # bytes, so that names that are not UTF-8 pass
        for number, line in enumerate(source, start=1):
            raw = (line if isinstance(line, bytes) else os.fsencode(line)).rstrip(b"\r\n")
            if number == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            if not raw.strip():
                continue
            if self.modality == "text":
                yield _text(raw, f"stdin:{number}")
            else:
                yield from self.named(os.fsdecode(raw))

    def _wanted(self) -> str:
        return "a picture, sound, motion or text" if self.modality is None else _NAMES[self.modality]


def _exists(path: str) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:
        return False


def _problem(path: str) -> str | None:
    """Why a path is neither a directory nor a regular file, in one line; None if it is."""
    if _URL.match(path):
        return "is a URL; mmkit reads local files only, so download it first"
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return "is a broken link" if os.path.islink(path) else "no such file"
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    return None if stat.S_ISDIR(mode) or stat.S_ISREG(mode) else "is not a regular file"


def _text(raw: bytes, name: str) -> Item | Failure:
    try:
        return Item.from_text(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Failure(name, f"is not UTF-8 (byte 0x{raw[error.start]:02x})")


def _text_lines(path: str, name: str) -> Iterator[Item | Failure]:
    try:
        for line in read_lines(path):
            if line.strip():
                yield Item.from_text(line)
    except BadInput as error:
        yield Failure(error.where or name, error.what)
