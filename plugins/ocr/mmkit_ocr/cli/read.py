"""``mmkit ocr read``: the text of pages."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmkit.cli.options import DeviceOption, FailuresOption, JsonOption, OverwriteOption, StrictOption
from mmkit.errors import UsageError

if TYPE_CHECKING:
    from mmkit_ocr.pages.output import Output
    from mmkit_ocr.pages.page import Page

_FORMATS = ("text", "jsonl", "hocr", "pdf")


def read(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="PATHS...",
            help="Pictures, TIFFs of many pages, PDFs, folders, globs, .tar; '-' for stdin (a picture, or names).",
            show_default=False,
        ),
    ],
    format: Annotated[
        str, typer.Option("--format", "-f", metavar="KIND", help="text, jsonl, hocr or pdf (searchable).")
    ] = "text",
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE|DIR", help="One file, or a folder with one file a document."),
    ] = None,
    visualize: Annotated[
        Path | None, typer.Option("--visualize", metavar="DIR", help="Draw boxes, order and text of each page there.")
    ] = None,
    recognizer: Annotated[
        str | None,
        typer.Option(
            "--recognizer",
            "-r",
            metavar="NAME",
            help="bundled, rapidocr, tesseract, a file, or two: FIRST+SECOND.",
        ),
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option("--min-confidence", min=0.0, max=1.0, help="Leave lines below it out; default 0.6."),
    ] = None,
    pages: Annotated[str | None, typer.Option("--pages", metavar="LIST", help="Only these pages: 1-3,7.")] = None,
    dpi: Annotated[int, typer.Option("--dpi", min=50, max=1200, help="Resolution at which PDF pages are drawn.")] = 300,
    password: Annotated[str | None, typer.Option("--password", metavar="TEXT", help="Of encrypted PDFs.")] = None,
    text_layer: Annotated[
        bool, typer.Option("--text-layer", help="Take the text that a PDF page brings, where it brings any.")
    ] = False,
    upright: Annotated[
        bool, typer.Option("--upright", help="Take pages as they lie; do not look for turned ones.")
    ] = False,
    overwrite: OverwriteOption = False,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> int:
    """Read the text of pages, line by line in reading order.

    Boxes are four corners, clockwise from where the text begins, in pixels of the page as it was given, which may lie
    on its side or upside down.

    \b
    Examples:
      mmkit ocr read letter.jpg
      mmkit ocr read scans/ --format jsonl -o lines.jsonl --visualize seen/
      mmkit ocr read contract.pdf --format pdf -o searchable.pdf
      mmkit ocr read book.tif --pages 3-5 --format hocr -o book.hocr
      scanimage --format png | mmkit ocr read -
    """
    from mmkit.cli.output import finish, note
    from mmkit.cli.progress import Progress
    from mmkit.config import settings
    from mmkit_ocr.pages.inputs import documents, page_numbers, pages_of
    from mmkit_ocr.pages.reader import MIN_CONFIDENCE, page_reader
    from mmkit_ocr.pages.stream import read_documents

    kind = _kind(format, json)
    numbers = page_numbers(pages)
    target = _target(output, kind, overwrite)
    chosen = settings(device=device)
    reader = page_reader(
        recognizer,
        device=chosen.device,
        min_confidence=MIN_CONFIDENCE if min_confidence is None else min_confidence,
        upright=upright,
    )
    failed, seen = [], 0
    with ExitStack() as stack:
        out = stack.enter_context(target)
        draw = _drawer(visualize, overwrite) if visualize is not None else None
        progress = stack.enter_context(Progress("reading pages"))
        finished = read_documents(
            documents(inputs),
            reader,
            lambda item: pages_of(item, dpi=dpi, numbers=numbers, password=password, text_layer=text_layer),
            strict=strict,
        )
        for done in finished:
            seen += 1
            if done.page is not None:
                out.add(done.page)
                if draw is not None:
                    draw(done.page)
            elif done.failure is not None:
                failed.append(done.failure)
            progress.advance()
    if not seen:
        note("nothing to read was found in the inputs")
    return finish(failed, failures or Path("failures.jsonl"))


def _kind(format: str, json: bool) -> str:
    if format not in _FORMATS:
        raise UsageError(f"Expected one of {', '.join(_FORMATS)}, but received {format!r}", where="--format")
    if json and format not in ("text", "jsonl"):
        raise UsageError(f"--json and --format {format} exclude each other", mend="give one of them")
    return "jsonl" if json else format


def _target(output: str | None, kind: str, overwrite: bool) -> Output:
    """Where the pages go; refused before any work is done where that cannot be."""
    from mmkit.cli.output import check_free
    from mmkit_ocr.pages.output import FileOutput, FolderOutput, StreamOutput

    if output is None:
        if kind == "pdf":
            raise UsageError("a PDF does not go to the terminal", where="--format", mend="name a file with -o FILE.pdf")
        utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        return StreamOutput(sys.stdout, kind, ascii=not utf8)
    path = Path(output)
    if path.is_dir() or output.endswith(os.sep) or not path.suffix:
        return FolderOutput(path, kind, overwrite=overwrite)
    check_free(path, overwrite=overwrite)
    return FileOutput(path, kind)


def _drawer(folder: Path, overwrite: bool) -> Callable[[Page], None]:
    from mmkit.errors import BadInput
    from mmkit.media import write_image
    from mmkit_ocr.pages.draw import page_drawing
    from mmkit_ocr.pages.output import Names

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"cannot be made: {error.strerror or error}", where=str(folder)) from error
    names = Names()

    def draw(page: Page) -> None:
        path = folder / f"{names(page.image.source)}-{page.image.number}.png"
        if path.exists() and not overwrite:
            raise UsageError("is there already", where=str(path), mend="give --overwrite to replace it")
        write_image(page_drawing(page), path)

    return draw
