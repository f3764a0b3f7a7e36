"""Many word pictures on one, each over its text, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    import numpy as np

__all__ = ["contact_sheet"]

_GAP: Final = 6
_LINE: Final = 16


def contact_sheet(pictures: Sequence[np.ndarray], texts: Sequence[str], *, columns: int = 8) -> Image.Image:
    """Pictures (N of them, all (H, W, 3) uint8) in rows of `columns`, left to right, each above its text.

    Raises ValueError when there is no picture, or not one text for each.
    """
    if not pictures or len(pictures) != len(texts):
        raise ValueError(
            f"Expected a text for each of at least one picture, but received {len(pictures)}, {len(texts)}"
        )
    height, width = pictures[0].shape[:2]
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    cell = (width + _GAP, height + _LINE + _GAP)
    sheet = Image.new("RGB", (columns * cell[0] + _GAP, rows * cell[1] + _GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for index, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        x, y = _GAP + index % columns * cell[0], _GAP + index // columns * cell[1]
        sheet.paste(Image.fromarray(picture), (x, y))
        pen.text((x, y + height), text, fill="black", font=font)
    return sheet
