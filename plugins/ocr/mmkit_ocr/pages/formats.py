"""Pages as plain text, as rows and as hOCR."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from mmkit_ocr.pages.page import Line, Page, Word
from mmkit_ocr.pages.quads import FloatArray, bounds, quad_size

__all__ = ["HOCR_END", "HOCR_START", "hocr_page", "page_rows", "page_text"]

HOCR_START: Final = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title></title>
  <meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
  <meta name="ocr-system" content="mmkit-ocr"/>
  <meta name="ocr-capabilities" content="ocr_page ocr_carea ocr_par ocr_line ocrx_word ocrp_wconf"/>
 </head>
 <body>
"""
HOCR_END: Final = " </body>\n</html>\n"

#: Pieces of a row that are farther apart than this many heights are set apart by more than a space.
_APART: Final = 2.0
#: What XML 1.0 cannot hold.
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def page_text(page: Page) -> str:
    """The page's text: a line a row, what stands far apart in a row set apart, a blank line between paragraphs."""
    paragraphs = []
    for _, group in groupby(page.lines, key=lambda line: line.paragraph):
        rows: list[str] = []
        before: Line | None = None
        for line in group:
            distance = None if before is None else _distance(before, line)
            if distance is None:
                rows.append(line.text)
            else:
                rows[-1] += (" " if distance < _APART else "    ") + line.text
            before = line
        paragraphs.append("\n".join(rows))
    return "\n\n".join(paragraphs) + "\n" if paragraphs else ""


def page_rows(page: Page) -> Iterator[dict[str, Any]]:
    """One record a line: place in the document, text, confidences and boxes, in reading order."""
    for number, line in enumerate(page.lines, start=1):
        yield {
            "source": page.image.source,
            "page": page.image.number,
            "line": number,
            "block": line.block,
            "paragraph": line.paragraph,
            **_record(line),
            "words": [_record(word) for word in line.words],
            "width": page.image.width,
            "height": page.image.height,
            "angle": page.angle,
        }


def hocr_page(page: Page, number: int) -> str:
    """The page as an ``ocr_page`` element of hOCR 1.2.

    Args:
        number: of the page in the hOCR document, from 1.
    """
    image = page.image
    title = f"image {_quoted(image.source)}; bbox 0 0 {image.width} {image.height}; ppageno {image.number - 1}" + (
        f"; scan_res {image.dpi:.0f} {image.dpi:.0f}" if image.dpi else ""
    )
    parts = [f"  <div class='ocr_page' id='page_{number}' title={quoteattr(title)}>"]
    for block, lines in groupby(page.lines, key=lambda line: line.block):
        inside = list(lines)
        parts.append(f"   <div class='ocr_carea' id='block_{number}_{block}' title=\"{_around(inside)}\">")
        for paragraph, group in groupby(inside, key=lambda line: line.paragraph):
            rows = list(group)
            parts.append(f"    <p class='ocr_par' id='par_{number}_{paragraph}' title=\"{_around(rows)}\">")
            parts += [_hocr_line(line, page.angle) for line in rows]
            parts.append("    </p>")
        parts.append("   </div>")
    return "\n".join([*parts, "  </div>\n"])


def _distance(before: Line, line: Line) -> float | None:
    """Between the end of one line and the beginning of one that goes on in its row, in heights; None elsewhere."""
    along = (before.quad[1] - before.quad[0]) / max(quad_size(before.quad)[0], 1e-6)
    down = np.array([-along[1], along[0]])
    height = max(quad_size(before.quad)[1], quad_size(line.quad)[1], 1e-6)
    # Two quads of a row share half of its height, and the second one lies beyond the first.
    moved = line.quad.mean(axis=0) - before.quad.mean(axis=0)
    gap = float((line.quad[0] - before.quad[1]) @ along)
    if abs(float(moved @ down)) > 0.5 * height or float(moved @ along) <= 0 or gap < -height:
        return None
    return gap / height


def _record(item: Line | Word) -> dict[str, Any]:
    return {
        "text": item.text,
        "confidence": round(item.confidence, 4),
        "characters": [round(value, 4) for value in item.characters],
        "box": [[round(float(x), 1), round(float(y), 1)] for x, y in item.quad],
    }


def _hocr_line(line: Line, angle: int) -> str:
    slope = -math.degrees(math.atan2(*(line.quad[1] - line.quad[0])[::-1].tolist()))
    title = f"bbox {_box(line.quad)}; x_size {quad_size(line.quad)[1]:.1f}; x_wconf {100 * line.confidence:.0f}"
    if abs(slope) > 1 or angle:
        title += f"; textangle {slope % 360:.1f}"
    words = " ".join(_hocr_word(word) for word in line.words)
    return f"     <span class='ocr_line' title=\"{title}\">{words}</span>"


def _hocr_word(word: Word) -> str:
    certain = " ".join(f"{100 * value:.0f}" for value in word.characters)
    title = f"bbox {_box(word.quad)}; x_wconf {100 * word.confidence:.0f}; x_confs {certain}"
    return f"<span class='ocrx_word' title=\"{title}\">{escape(_FORBIDDEN.sub('', word.text))}</span>"


def _box(quad: FloatArray) -> str:
    x0, y0, x1, y1 = bounds(quad)
    return f"{math.floor(max(x0, 0))} {math.floor(max(y0, 0))} {math.ceil(x1)} {math.ceil(y1)}"


def _around(lines: list[Line]) -> str:
    return f"bbox {_box(np.concatenate([line.quad for line in lines]))}"


def _quoted(name: str) -> str:
    return '"' + _FORBIDDEN.sub("", name).replace('"', "'") + '"'
