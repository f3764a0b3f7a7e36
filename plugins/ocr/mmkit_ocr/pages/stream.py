"""Documents in, pages out: one is decoded, one looked over and one read at a time, beside each other, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from mmkit.errors import BadInput, MmkitError
from mmkit.types import Failure, Item
from mmkit_ocr.pages.page import Page, PageImage
from mmkit_ocr.pages.reader import Found, PageReader

__all__ = ["Finished", "read_documents"]

#: Pages held by each of the parts: one that it works on, and one that waits for it.
_AHEAD: Final = 2


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a page, or of a document.

    Attributes:
        page: the page; None where it, or its document, could not be read.
        failure: why not.
    """

    page: Page | None = None
    failure: Failure | None = None


def read_documents(
    items: Iterable[Item | Failure],
    reader: PageReader,
    open_pages: Callable[[Item], Iterator[PageImage]],
    *,
    strict: bool = False,
) -> Iterator[Finished]:
    """Read documents page by page. What cannot be read is a failure in its place, and the rest goes on.

    Args:
        open_pages: the pages of one document, lazily.
        strict: raise at the first failure instead.

    Raises:
        BadInput: under ``strict``.
    """
    with ThreadPoolExecutor(1, "mmkit-ocr-decode") as decoder, ThreadPoolExecutor(1, "mmkit-ocr-find") as finder:
        decoded = _ahead(decoder, _decoded(items, open_pages))
        waiting: deque[Future[Found | Failure]] = deque()
        for image in decoded:
            waiting.append(finder.submit(_found, reader, image))
            if len(waiting) >= _AHEAD:
                yield _read(reader, waiting.popleft().result(), strict)
        while waiting:
            yield _read(reader, waiting.popleft().result(), strict)


def _decoded(
    items: Iterable[Item | Failure], open_pages: Callable[[Item], Iterator[PageImage]]
) -> Iterator[PageImage | Failure]:
    for item in items:
        if isinstance(item, Failure):
            yield item
            continue
        try:
            yield from open_pages(item)
        except BadInput as error:
            yield Failure(item.id, _reason(error))
        except OSError as error:
            yield Failure(item.id, f"cannot be read: {error.strerror or error}")


def _ahead(pool: ThreadPoolExecutor, pages: Iterator[PageImage | Failure]) -> Iterator[PageImage | Failure]:
    """The pages, the next one decoded while the caller has the last."""
    pending = pool.submit(next, pages, None)
    while (page := pending.result()) is not None:
        pending = pool.submit(next, pages, None)
        yield page


def _found(reader: PageReader, image: PageImage | Failure) -> Found | Failure:
    return image if isinstance(image, Failure) else reader.find(image)


def _read(reader: PageReader, found: Found | Failure, strict: bool) -> Finished:
    if not isinstance(found, Failure):
        return Finished(reader.read(found))
    if strict:
        raise BadInput(found.reason, where=found.id)
    return Finished(failure=found)


def _reason(error: MmkitError) -> str:
    return " ".join((f"{error.what}; {error.mend}" if error.mend else error.what).split())
