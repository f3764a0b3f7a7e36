"""Steps for recipes: ocr.read and ocr.words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from mmkit.recipes.context import StepContext
    from mmkit_ocr.pages.page import Page

__all__ = ["fingerprint", "read", "words"]


def fingerprint(*, recogniser: str, **_: object) -> str:
    """Of the models that a step uses."""
    from mmkit.models.hashes import file_sha256
    from mmkit_ocr.pages.models import model_path
    from mmkit_ocr.pages.reader import DEFAULT_RECOGNISER
    from mmkit_ocr.recogniser.weights import BUNDLED

    name = recogniser or DEFAULT_RECOGNISER
    files = [model_path("det"), model_path("cls")]
    files += [model_path("rec")] if "rapidocr" in name.split("+") else []
    files += [BUNDLED] if "bundled" in name.split("+") else []
    return " ".join([name, *map(file_sha256, files)])


def read(
    context: StepContext,
    *,
    inputs: Sequence[Path],
    recogniser: str,
    crops: bool,
    visualize: bool,
    min_confidence: float,
    dpi: int,
) -> pa.Table:
    """A row a line, in reading order: id, source, page, line, block, paragraph, text, confidence, x0, y0, x1, y1, crop.

    ``crop`` is the path of the line's picture where ``crops`` is set, else empty; boxes are in pixels of the page.
    """
    import pyarrow as pa

    from mmkit_ocr.pages.inputs import documents, pages_of
    from mmkit_ocr.pages.output import Names
    from mmkit_ocr.pages.reader import page_reader
    from mmkit_ocr.pages.stream import read_documents

    reader = page_reader(_named(context, recogniser), device=context.device, min_confidence=min_confidence)
    names = Names()
    rows: list[dict[str, Any]] = []
    items = documents([str(path) for path in inputs])
    for done, finished in enumerate(read_documents(items, reader, lambda item: pages_of(item, dpi=dpi)), start=1):
        context.progress(done)
        if finished.failure is not None:
            context.failures.append(finished.failure)
        if finished.page is None:
            continue
        image = finished.page.image
        rows += _rows(context, finished.page, f"{names(image.source)}-p{image.number}", crops)
        if visualize:
            _draw(context, finished.page, f"{names(image.source)}-{image.number}.png")
    text, number, real = pa.string(), pa.int32(), pa.float32()
    schema = pa.schema(
        [("id", text), ("source", text), ("page", number), ("line", number), ("block", number), ("paragraph", number)]
        + [("text", text), ("confidence", real)]
        + [(name, real) for name in ("x0", "y0", "x1", "y1")]
        + [("crop", text)]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def words(context: StepContext, *, inputs: Sequence[Path], recogniser: str) -> pa.Table:
    """A row a word picture: id, source, text, confidence."""
    import numpy as np
    import pyarrow as pa

    from mmkit.errors import BadInput
    from mmkit.media import read_image
    from mmkit_ocr import reading
    from mmkit_ocr.pages.output import Names

    reader = reading.recogniser(_named(context, recogniser) or "bundled", device=context.device)
    names = Names()
    sources: list[str] = []
    crops = []
    for path in inputs:
        try:
            crops.append(np.asarray(read_image(path)))
            sources.append(str(path))
        except BadInput as error:
            context.fail(str(path), error.what)
    readings = reader.read(crops) if crops else []
    return pa.table(
        {
            "id": pa.array([names(source) for source in sources], pa.string()),
            "source": pa.array(sources, pa.string()),
            "text": pa.array([reading.text for reading in readings], pa.string()),
            "confidence": pa.array([reading.confidence for reading in readings], pa.float32()),
        }
    )


def _named(context: StepContext, name: str) -> str | None:
    """The name with paths in it relative to the recipe; None for the default."""
    from mmkit_ocr.reading import RECOGNISERS

    parts = [part if part in RECOGNISERS else str(context.root / part) for part in name.split("+") if part]
    return "+".join(parts) or None


def _rows(context: StepContext, page: Page, name: str, crops: bool) -> list[dict[str, Any]]:
    from mmkit.media import write_image
    from mmkit_ocr.pages.quads import bounds, cut

    rows = []
    for number, line in enumerate(page.lines, start=1):
        crop = ""
        if crops:
            path = context.artefact(f"crops/{name}-l{number}.png")
            write_image(cut(page.image.pixels, line.quad), path)
            crop = str(path)
        rows.append(
            {
                "id": f"{name}-l{number}",
                "source": page.image.source,
                "page": page.image.number,
                "line": number,
                "block": line.block,
                "paragraph": line.paragraph,
                "text": line.text,
                "confidence": line.confidence,
                **dict(zip(("x0", "y0", "x1", "y1"), bounds(line.quad), strict=True)),
                "crop": crop,
            }
        )
    return rows


def _draw(context: StepContext, page: Page, name: str) -> None:
    from mmkit.media import write_image
    from mmkit_ocr.pages.draw import page_drawing

    write_image(page_drawing(page), context.artefact(f"pages/{name}"))
