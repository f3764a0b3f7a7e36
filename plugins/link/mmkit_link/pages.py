"""Pieces of self-contained HTML pages: escaped text, a histogram, pictures as data URIs."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput, MmkitError
from mmkit.media.target import atomic_path

__all__ = ["bar", "histogram", "page", "picture", "row", "write_page"]

_STYLE: Final = """
body{font:15px/1.45 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;width:100%;margin:1rem 0}td,th{border-bottom:1px solid #ddd;padding:.35rem .5rem;
text-align:left;vertical-align:top}th{font-weight:600}img{max-width:160px;max-height:160px}
.same{background:#d9f2df}.left{background:#fde3d3}.right{background:#dbe6fb}.gone{color:#777}
.up{background:#3a9d5d}.down{background:#d0663f}.bar{display:inline-block;height:.8em}
mark{padding:0 .15em;border-radius:.2em;color:inherit}
@media (prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}td,th{border-color:#444}
.same{background:#1f4d2c}.left{background:#5a3420}.right{background:#253a63}}
"""
_SIDE: Final = 160
_WIDTH, _HEIGHT, _BINS = 720, 180, 40


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page of HTML parts."""
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def write_page(text: str, path: Path) -> None:
    """Write a page, all or nothing. Raises BadInput where the file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"cannot be written: {error.strerror}", where=str(path)) from error
    with atomic_path(path) as partial:
        partial.write_text(text, "utf-8", errors="replace")


def row(cells: Sequence[str], *, head: bool = False) -> str:
    """A table row of cells that are HTML already."""
    kind = "th" if head else "td"
    return "<tr>" + "".join(f"<{kind}>{cell}</{kind}>" for cell in cells) + "</tr>"


def bar(value: float, largest: float) -> str:
    """A bar as long as the value, of two colours for its sign; values near 0 keep their digits."""
    width = 140 * abs(value) / max(largest, 1e-9)
    kind = "up" if value >= 0 else "down"
    return f'<span class="bar {kind}" style="width:{width:.0f}px"></span> {value:+.2g}'


def histogram(scores: NDArray[np.float32], linked: NDArray[np.bool_], threshold: float) -> str:
    """Scores from 0 to 1 as an SVG on a logarithmic scale: linked pairs above the rest, the threshold as a line."""
    edges = np.linspace(0, 1, _BINS + 1)
    counts = [np.histogram(scores[mask], edges)[0] for mask in (linked, ~linked)]
    top = float(np.log1p(max(int((counts[0] + counts[1]).max(initial=0)), 1)))
    step, parts = _WIDTH / _BINS, []
    for number in range(_BINS):
        links, rest = int(counts[0][number]), int(counts[1][number])
        whole = _HEIGHT * float(np.log1p(links + rest)) / top
        green = whole * links / max(links + rest, 1)
        x = number * step
        tip = f"<title>{edges[number]:.3f} to {edges[number + 1]:.3f}: {links} linked, {rest} not</title>"
        parts.append(
            f'<g>{tip}<rect x="{x:.1f}" y="{_HEIGHT - whole:.1f}" width="{step - 1:.1f}" height="{whole:.1f}" '
            f'fill="#9aa5b1"/><rect x="{x:.1f}" y="{_HEIGHT - green:.1f}" width="{step - 1:.1f}" '
            f'height="{green:.1f}" fill="#3a9d5d"/></g>'
        )
    line = _WIDTH * min(max(threshold, 0), 1)
    parts.append(f'<line x1="{line:.1f}" x2="{line:.1f}" y1="0" y2="{_HEIGHT}" stroke="#d0663f" stroke-width="2"/>')
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="100%" role="img">{"".join(parts)}</svg>'


def picture(path: Path | None) -> str:
    """A small copy of a picture inside the page, or a word on why there is none."""
    from mmkit.media import read_image

    if path is None:
        return '<span class="gone">no picture</span>'
    try:
        image = read_image(path, min_side=_SIDE)
    except MmkitError as error:
        return f'<span class="gone">{html.escape(error.what)}</span>'
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<img alt="{html.escape(path.name)}" src="data:image/jpeg;base64,{data}">'
