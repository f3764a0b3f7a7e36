"""What was given on the command line: a text, a file of lines, subtitles or a table."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mmkit.errors import BadInput, UsageError
from mmkit.media.tables import table_kind
from mmkit.media.text import read_lines

__all__ = ["Given", "given", "read_all_lines"]

_FILES = (".txt", ".srt", ".text", ".md")


@dataclass(frozen=True, slots=True)
class Given:
    """One thing to translate.

    Attributes:
        kind: what ``lines`` are; a ``table`` has none.
        name: of the file; "" for a text, ``-`` for stdin.
    """

    kind: Literal["lines", "subtitles", "table"]
    name: str = ""
    lines: Sequence[str] = field(default=())


def given(inputs: Sequence[str]) -> Given:
    """One input, or several texts and files of lines one after another.

    Raises:
        BadInput: a file is missing or not text; its line is named.
        UsageError: a table or subtitles stand beside something else.
    """
    kinds = [_kind(text) for text in inputs]
    for text, kind in zip(inputs, kinds, strict=True):
        if kind in ("table", "subtitles"):
            if len(inputs) > 1:
                raise UsageError("stands beside other inputs; give it alone", where=text)
            return Given(kind, text, () if kind == "table" else read_all_lines(text))
    lines: list[str] = []
    for text, kind in zip(inputs, kinds, strict=True):
        lines += read_all_lines(text) if kind == "file" else [text]
    return Given("lines", inputs[0] if len(inputs) == 1 and kinds[0] == "file" else "", lines)


def read_all_lines(name: str) -> list[str]:
    """All lines of a file, or of stdin for ``-``; none of an empty one. Raises BadInput, see ``given``."""
    if name != "-":
        return [] if Path(name).is_file() and not Path(name).stat().st_size else list(read_lines(Path(name)))
    data = sys.stdin.buffer.read() if hasattr(sys.stdin, "buffer") else sys.stdin.read().encode()
    if not data:
        return []
    try:
        return list(read_lines(data))
    except BadInput as error:
        raise BadInput(error.what, where=(error.where or "").replace("bytes", "stdin"), mend=error.mend) from error


def _kind(text: str) -> Literal["text", "file", "table", "subtitles"]:
    if text == "-":
        return "file"
    looks_like_file = " " not in text and (table_kind(text) is not None or text.lower().endswith(_FILES))
    if not os.path.exists(text):
        if looks_like_file:
            raise BadInput("there is no such file", where=text)
        return "text"
    if table_kind(text) is not None:
        return "table"
    return "subtitles" if text.lower().endswith(".srt") else "file"
