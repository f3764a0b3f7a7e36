"""Results to stdout, messages to stderr, failures to a file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mmkit.errors import EXIT_OK, EXIT_PARTIAL, UsageError
from mmkit.types import Failure

__all__ = ["check_free", "emit", "emit_json", "finish", "note", "shown_path", "table"]

_SHOWN_FAILURES: Final = 5


def check_free(path: Path, *, overwrite: bool) -> None:
    """Refuse a file to write before any work is done. Raises UsageError where it is there or its folder is not."""
    if path.exists() and not overwrite:
        raise UsageError("is there already", where=str(path), mend="give --overwrite to replace it")
    if not path.parent.is_dir():
        raise UsageError("its folder does not exist", where=str(path), mend=f"mkdir -p {path.parent}")


def emit(text: str) -> None:
    """One result line."""
    sys.stdout.write(f"{text}\n")


def emit_json(record: Mapping[str, Any]) -> None:
    """One JSON object on a line of its own; numbers that JSON lacks become null."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(_plain(record), ensure_ascii=not utf8, allow_nan=False) + "\n")


def note(text: str) -> None:
    """A message for the person at the terminal."""
    print(f"mmkit: {text}", file=sys.stderr)


def table(rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        emit("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def shown_path(text: str) -> str:
    """A path as a person would type it here: relative where it lies below the working folder."""
    if not os.path.isabs(text):
        return text
    relative = os.path.relpath(text)
    return text if relative.startswith("..") else relative


def finish(failures: Sequence[Failure], file: Path) -> int:
    """Record what failed, tell the first few on stderr, and give the exit code: 0, or 3 where anything failed."""
    if not failures:
        return EXIT_OK
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w", encoding="utf-8", errors="backslashreplace") as out:
        for failure in failures:
            out.write(json.dumps({"id": failure.id, "reason": failure.reason}, ensure_ascii=False) + "\n")
    for failure in failures[:_SHOWN_FAILURES]:
        note(f"failed: {shown_path(failure.id)}: {failure.reason}")
    more = f"; {len(failures) - _SHOWN_FAILURES} more" if len(failures) > _SHOWN_FAILURES else ""
    note(f"{len(failures)} of the inputs failed{more}; all are listed in {file}")
    return EXIT_PARTIAL


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)
