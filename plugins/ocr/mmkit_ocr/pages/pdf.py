"""Pages of PDFs: drawn by PDFium, and the text layer that they may bring."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray

from mmkit.errors import BadInput
from mmkit.media.source import name_of, open_source
from mmkit.types import Item
from mmkit_ocr.pages.page import Line, PageImage, Word
from mmkit_ocr.pages.words import line_of_words

__all__ = ["first_page", "pdf_pages"]

#: PDFium is not safe for use by several threads.
_LOCK: Final = threading.RLock()
_POINTS: Final = 72
#: A page is drawn with at most this many pixels, at a lower dpi where it must.
_MOST_PIXELS: Final = 1 << 26


def pdf_pages(
    file: BinaryIO,
    where: str,
    *,
    dpi: int,
    numbers: frozenset[int] | None = None,
    password: str | None = None,
    text_layer: bool = False,
) -> Iterator[PageImage]:
    """The pages of a PDF, drawn one at a time.

    Args:
        file: seekable; must stay open while pages are taken.
        where: the document's name.
        dpi: pixels an inch, lower where a page would have more than 67 million pixels.
        numbers: of the pages wanted, from 1; None takes all.
        text_layer: also take the page's own text, where it has any.

    Raises:
        BadInput: the document is broken or encrypted, or a page cannot be drawn.
    """
    with _LOCK:
        document = _opened(file, where, password)
        count = len(document)
    if count == 0:
        raise BadInput("holds no pages", where=where)
    try:
        for number in range(1, count + 1):
            if numbers is None or number in numbers:
                with _LOCK:
                    page = _drawn(document, number, where, dpi, text_layer, last=number == count)
                yield page
    finally:
        with _LOCK:
            document.close()


def first_page(item: Item) -> NDArray[np.uint8]:
    """The first page of a PDF as (H, W, 3) uint8 RGB at 150 dpi.

    Raises:
        BadInput: as for ``pdf_pages``.
    """
    with open_source(item) as file:
        return next(pdf_pages(file, name_of(item), dpi=150)).pixels


def _opened(file: BinaryIO, where: str, password: str | None) -> Any:
    try:
        return pdfium.PdfDocument(file, password=password)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            wrong = "is encrypted" if password is None else "is encrypted, and this is not its password"
            raise BadInput(wrong, where=where, mend="give its password with --password") from error
        raise BadInput("is not a PDF that can be read: it is truncated or damaged", where=where) from error


def _drawn(document: Any, number: int, where: str, dpi: int, text_layer: bool, *, last: bool) -> PageImage:
    try:
        page = document[number - 1]
        try:
            width, height = page.get_size()
            scale = min(dpi / _POINTS, math.sqrt(_MOST_PIXELS / max(width * height, 1)))
            pixels = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False).to_numpy()
            lines = _own_lines(page, pixels, scale) if text_layer else None
        finally:
            page.close()
    except pdfium.PdfiumError as error:
        raise BadInput(f"page {number} is damaged and cannot be drawn", where=where) from error
    return PageImage(where, number, np.array(pixels[:, :, :3]), scale * _POINTS, lines, last)


def _own_lines(page: Any, pixels: NDArray[np.uint8], scale: float) -> tuple[Line, ...] | None:
    """The lines of a page's text layer, with certainty 1; None where it has none."""
    text = page.get_textpage()
    lines: list[Line] = []
    try:
        words: list[Word] = []
        letters: list[tuple[str, tuple[float, float, float, float]]] = []
        for index in range(text.count_chars()):
            letter = text.get_text_range(index, 1)
            if letter.strip():
                letters.append((letter, text.get_charbox(index, loose=True)))
                continue
            words += _own_word(letters, page, scale)
            letters = []
            if "\n" in letter or "\r" in letter:
                lines += _own_line(words)
                words = []
        lines += _own_line([*words, *_own_word(letters, page, scale)])
    finally:
        text.close()
    return tuple(lines) or None


def _own_word(letters: list[tuple[str, tuple[float, float, float, float]]], page: Any, scale: float) -> list[Word]:
    if not letters:
        return []
    boxes = np.array([box for _, box in letters], np.float64)
    left, bottom = boxes[:, :2].min(axis=0)
    right, top = boxes[:, 2:].max(axis=0)
    x0, y0, x1, y1 = page.get_mediabox() if page.get_cropbox() is None else page.get_cropbox()
    corners = np.array(
        [[left - x0, y1 - top], [right - x0, y1 - top], [right - x0, y1 - bottom], [left - x0, y1 - bottom]]
    )
    width, height = x1 - x0, y1 - y0
    for _ in range(page.get_rotation() // 90):
        corners = np.stack([height - corners[:, 1], corners[:, 0]], axis=1)
        width, height = height, width
    middle = corners.mean(axis=0)
    if not (0 <= middle[0] <= width and 0 <= middle[1] <= height):
        return []
    text = "".join(letter for letter, _ in letters)
    return [Word(text, 1.0, (1.0,) * len(text), (corners * scale).astype(np.float32))]


def _own_line(words: list[Word]) -> list[Line]:
    if not words:
        return []
    first, last = words[0].quad, words[-1].quad
    line = line_of_words(words, np.stack([first[0], last[1], last[2], first[3]]))
    return [line] if line is not None else []
