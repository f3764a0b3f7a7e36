"""Where pages go: to a stream, to one file, or to a file a document in a folder; all of a file, or nothing."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, TYPE_CHECKING, Final, Protocol

from mmkit.errors import BadInput, UsageError
from mmkit.media.target import atomic_path
from mmkit_ocr.pages.formats import HOCR_END, HOCR_START, hocr_page, page_rows, page_text
from mmkit_ocr.pages.page import Page

if TYPE_CHECKING:
    from mmkit_ocr.pages.searchable import SearchablePdf

__all__ = ["FORMATS", "FileOutput", "FolderOutput", "Names", "Output", "StreamOutput"]

#: The formats, and the suffixes of their files.
FORMATS: Final = {"text": ".txt", "jsonl": ".jsonl", "hocr": ".hocr", "pdf": ".pdf"}


class Output(Protocol):
    """Takes pages one after another; used with ``with``."""

    def add(self, page: Page) -> None:
        """Take a page."""

    def __enter__(self) -> Output: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class StreamOutput:
    """Text, JSON Lines or hOCR as a stream.

    Args:
        kind: ``text``, ``jsonl`` or ``hocr``.
        ascii: escape all other letters in JSON, for a terminal that lacks them.
    """

    def __init__(self, stream: IO[str], kind: str, *, ascii: bool = False) -> None:
        self._stream = stream
        self._kind = kind
        self._ascii = ascii
        self._pages = 0

    def __enter__(self) -> StreamOutput:
        if self._kind == "hocr":
            self._stream.write(HOCR_START)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._kind == "hocr" and error is None:
            self._stream.write(HOCR_END)

    def add(self, page: Page) -> None:
        """Write a page."""
        self._pages += 1
        if self._kind == "hocr":
            self._stream.write(hocr_page(page, self._pages))
        elif self._kind == "jsonl":
            for row in page_rows(page):
                self._stream.write(json.dumps(row, ensure_ascii=self._ascii) + "\n")
        else:
            # A form feed between pages, as pdftotext and tesseract have it.
            self._stream.write(("\f" if self._pages > 1 else "") + page_text(page))


class FileOutput:
    """One file of a format for all pages, there whole or not at all.

    Raises:
        BadInput: the file cannot be written.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self._path = path
        self._kind = kind
        self._stack = ExitStack()
        self._stream: StreamOutput | None = None
        self._pdf: SearchablePdf | None = None

    def __enter__(self) -> FileOutput:
        with ExitStack() as stack:
            partial = stack.enter_context(atomic_path(self._path))
            if self._kind == "pdf":
                from mmkit_ocr.pages.searchable import SearchablePdf

                # So that a folder that cannot be written is told before any page is read.
                partial.touch()
                self._pdf = SearchablePdf(partial)
            else:
                file = stack.enter_context(open(partial, "w", encoding="utf-8", errors="backslashreplace"))
                self._stream = stack.enter_context(StreamOutput(file, self._kind))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            if self._pdf is not None:
                self._pdf.close()

    def add(self, page: Page) -> None:
        """Take a page."""
        (self._pdf or self._stream).add(page)  # type: ignore[union-attr]


class Names:
    """Names of files after documents: the document's own without its suffix, numbered where two would be the same."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def __call__(self, source: str) -> str:
        """The name for a document."""
        if source not in self._of:
            stem = PurePosixPath(source.replace("\\", "/")).stem or "page"
            taken, name, number = set(self._of.values()), stem, 1
            while name in taken:
                number += 1
                name = f"{stem}-{number}"
            self._of[source] = name
        return self._of[source]


class FolderOutput:
    """A file a document in a folder.

    Args:
        folder: made where it does not exist.

    Raises:
        UsageError: a file is there already and may not be replaced.
        BadInput: a file cannot be written.
    """

    def __init__(self, folder: Path, kind: str, *, overwrite: bool) -> None:
        self._folder = folder
        self._kind = kind
        self._overwrite = overwrite
        self._names = Names()
        self._source: str | None = None
        self._stack = ExitStack()
        self._file: FileOutput | None = None

    def __enter__(self) -> FolderOutput:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"cannot be made: {error.strerror or error}", where=str(self._folder)) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(self, page: Page) -> None:
        """Take a page; pages of one document come one after another."""
        if page.image.source != self._source or self._file is None:
            self._stack.close()
            self._source = page.image.source
            path = self._folder / f"{self._names(self._source)}{FORMATS[self._kind]}"
            if path.exists() and not self._overwrite:
                raise UsageError("is there already", where=str(path), mend="give --overwrite to replace it")
            self._file = self._stack.enter_context(FileOutput(path, self._kind))
        self._file.add(page)
