"""Text files: UTF-8, or UTF-16 and UTF-32 where a byte order mark says so; one text a line."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from typing import Final

from mmkit.errors import BadInput
from mmkit.media.source import Source, name_of, open_source
from mmkit.types import Item

__all__ = ["decoded_lines", "read_lines", "read_text"]

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(source: Source) -> str:
    r"""The whole text of a source, without a byte order mark, its line ends as ``\n``.

    Raises:
        BadInput: missing, unreadable, empty, or not UTF-8.
    """
    if isinstance(source, Item) and source.text is not None:
        return source.text
    return "\n".join(read_lines(source))


def read_lines(source: Source) -> Iterator[str]:
    """The lines of a text file without their ends, one by one.

    Raises:
        BadInput: missing, unreadable, empty, or not UTF-8; the line is named.
    """
    where = name_of(source)
    with open_source(source) as file:
        head = file.read(4)
        file.seek(0)
        wide = next((codec for mark, codec in _MARKS if head.startswith(mark)), None)
        if wide is None:
            yield from decoded_lines(file, where)
            return
        number = 1
        try:
            for line in TextIOWrapper(file, encoding=wide):
                yield line.rstrip("\n")
                number += 1
        except UnicodeError as error:
            raise BadInput(f"is not {wide.upper()} throughout", where=f"{where}:{number}") from error


def decoded_lines(lines: Iterable[bytes], where: str) -> Iterator[str]:
    """UTF-8 lines, decoded one by one so that an error names its line.

    Raises:
        BadInput: a line is not UTF-8, or holds NUL as only binary files do.
    """
    for number, raw in enumerate(lines, start=1):
        if number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        if b"\0" in raw:
            raise BadInput("holds NUL bytes and is not text", where=f"{where}:{number}")
        try:
            yield raw.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            byte = raw[error.start]
            raise BadInput(
                f"is not UTF-8 (byte 0x{byte:02x})", where=f"{where}:{number}", mend="save the file as UTF-8"
            ) from error
