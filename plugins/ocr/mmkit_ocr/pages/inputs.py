"""Pages from what a command was given: pictures, TIFFs of many pages, PDFs, and folders, globs and archives of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO, Final

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, TiffImagePlugin

from mmkit.errors import BadInput, UsageError
from mmkit.hookspecs import ReaderEntry
from mmkit.media.detect import detect_bytes
from mmkit.media.images import MAX_PIXELS, MAX_PIXELS_VARIABLE, image_size, read_image
from mmkit.media.inputs import expand_inputs
from mmkit.media.pixels import to_rgb
from mmkit.media.source import name_of, open_source
from mmkit.plugins import registry
from mmkit.types import Failure, Item
from mmkit_ocr.pages.page import PageImage
from mmkit_ocr.pages.pdf import pdf_pages

__all__ = ["documents", "page_numbers", "pages_of"]

_PDF: Final = ReaderEntry((".pdf",), "image", "mmkit_ocr.pages.pdf:first_page")
_HEAD: Final = 1024
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_ORIENTATION: Final = 0x0112
#: Pages without colours may have this many times the pixels: they take a third of the memory, and are read at a half.
_TIMES_GREY: Final = 4
_TIFF: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def documents(arguments: Sequence[str]) -> Iterator[Item | Failure]:
    """The documents that arguments name; see ``mmkit.media.expand_inputs``, with PDFs beside pictures.

    ``-`` is a picture or PDF on stdin where stdin begins like one, else names, one a line.
    """
    readers = {**registry().readers, ".pdf": _PDF}
    for argument in arguments:
        if argument == "-":
            yield from _from_stdin(sys.stdin, readers)
        else:
            yield from expand_inputs([argument], modality="image", readers=readers)


def pages_of(
    item: Item,
    *,
    dpi: int = 300,
    numbers: frozenset[int] | None = None,
    password: str | None = None,
    text_layer: bool = False,
) -> Iterator[PageImage]:
    """The pages of one document, one after another, upright by their EXIF data where they have any.

    Args:
        dpi: at which PDF pages are drawn.
        numbers: of the pages that are wanted, from 1; None takes all.
        password: of a PDF.
        text_layer: also take what a PDF page says itself.

    Raises:
        BadInput: the document is missing, damaged, encrypted or no picture at all, or has more pixels than are read.
    """
    with open_source(item) as file:
        head = file.read(_HEAD)
        file.seek(0)
        if b"%PDF-" in head:
            pages = pdf_pages(file, name_of(item), dpi=dpi, numbers=numbers, password=password, text_layer=text_layer)
        elif head.startswith(_TIFF):
            pages = _tiff_pages(file, name_of(item), numbers)
        else:
            pages = _single_page(item, file, numbers)
        yield from pages


def page_numbers(text: str | None) -> frozenset[int] | None:
    """Page numbers such as ``1-3,7`` as a set; None for none given.

    Raises:
        UsageError: the text is no list of numbers and ranges.
    """
    if text is None:
        return None
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else True)) or int(first) < 1:
            raise UsageError(f"Expected pages such as 1-3,7, but received {text!r}", where="--pages")
        numbers.update(range(int(first), int(last if dash else first) + 1))
    return frozenset(numbers)


def _from_stdin(stdin: Any, readers: dict[str, ReaderEntry]) -> Iterator[Item | Failure]:
    stream = getattr(stdin, "buffer", stdin)
    peek = getattr(stream, "peek", None)
    head = peek(64)[:64] if peek is not None else b""
    if head.startswith(b"%PDF-") or detect_bytes(head) == "image":
        yield Item("image", "stdin", data=stream.read())
        return
    lines: Iterable[bytes] | Iterable[str] = stream
    yield from expand_inputs(["-"], modality="image", stdin=lines, readers=readers)


def _single_page(item: Item, file: BinaryIO, numbers: frozenset[int] | None) -> Iterator[PageImage]:
    if numbers is not None and 1 not in numbers:
        return
    width, height = image_size(item)
    if width * height > _limit() and file.read(len(_PNG)) == _PNG:
        file.seek(0)
        with _damaged(name_of(item), 1):
            page = _page_of(PngImagePlugin.PngImageFile(file), name_of(item), 1)
        yield page
        return
    # A JPEG over the limit is decoded at a half, a quarter or an eighth of its size; others are refused.
    side = min(width, height)
    while width * height > _limit() * (min(width, height) / side) ** 2 and side > min(width, height) // 8:
        side = max(1, side // 2)
    whole = read_image(item, min_side=side if side < min(width, height) else None)
    yield PageImage(name_of(item), 1, np.asarray(whole), _dpi(whole) * whole.width / width)


def _tiff_pages(file: BinaryIO, where: str, numbers: frozenset[int] | None) -> Iterator[PageImage]:
    """Frames of a TIFF. The pages before one that is damaged are good."""
    with _damaged(where, 1):
        image = TiffImagePlugin.TiffImageFile(file)
        count = image.n_frames
    for number in range(1, count + 1):
        if numbers is None or number in numbers:
            with _damaged(where, number):
                image.seek(number - 1)
                page = _page_of(image, where, number)
            yield replace(page, last=number == count)


def _page_of(image: Image.Image, where: str, number: int) -> PageImage:
    """A page of an opened picture; one over the limit of pixels is reduced to a half where it has no colours."""
    pixels, dpi = image.width * image.height, _dpi(image)
    if pixels > _limit() and (image.mode not in ("1", "L") or pixels > _TIMES_GREY * _limit()):
        raise BadInput(
            f"page {number} has {image.width:,} × {image.height:,} pixels, more than the limit of {_limit():,}",
            where=where,
            mend=f"make it smaller, or raise the limit with {MAX_PIXELS_VARIABLE}",
        )
    upright = ImageOps.exif_transpose(image) if image.getexif().get(_ORIENTATION, 1) != 1 else image
    if pixels > _limit():
        upright, dpi = upright.convert("L").reduce(2), dpi / 2
    return PageImage(where, number, np.asarray(to_rgb(upright)), dpi)


@contextmanager
def _damaged(where: str, number: int) -> Iterator[None]:
    """Any exception of a decoder means one thing to the reader: the page is damaged."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:  # decoders meet damaged files with any exception at all
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(f"page {number} is truncated or damaged ({reason})", where=where) from error


def _limit() -> int:
    given = os.environ.get(MAX_PIXELS_VARIABLE, "")
    return int(given) if given.isdecimal() and int(given) else MAX_PIXELS


def _dpi(image: Image.Image) -> float:
    try:
        dpi = float(image.info.get("dpi", (0, 0))[0])
    except (TypeError, ValueError, ZeroDivisionError, IndexError):
        return 0.0
    # Cameras and editors write 72 or 1 where they know nothing.
    return dpi if 90 <= dpi <= 4800 else 0.0
