"""Where the ink of a line's picture stands: the gaps between its columns separate letters and words."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["columns_of_ink", "gaps", "word_spans"]

#: Lines are looked at in this height.
HEIGHT: Final = 48
#: A gap between words is at least this fraction of the height of the ink, and this many times the line's usual gap;
#: one of the last fraction always parts words. Chosen on 32 of FUNSD's training pages.
_WORD_GAP: Final = 0.25
_TIMES_USUAL: Final = 2.4
_SURELY_WORD_GAP: Final = 0.6
#: Rules and underlines are at least this many heights long.
_RULE: Final = 2.5
#: Grey levels between ink and paper, below which a crop counts as blank.
_CONTRAST: Final = 24


def columns_of_ink(crop: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], float]:
    """Which columns of a line hold ink, and how high the ink is.

    Args:
        crop: (H, W, 3) uint8, one line, dark on light or light on dark.

    Returns:
        (w,) bool for the line scaled to a height of 48, and the height of the band of ink in those pixels.
    """
    grey = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_RGB2GRAY)
    width = max(1, round(grey.shape[1] * HEIGHT / grey.shape[0]))
    way = cv2.INTER_AREA if grey.shape[0] > HEIGHT else cv2.INTER_LINEAR
    grey = cv2.resize(grey, (width, HEIGHT), interpolation=way)
    low, middle, high = np.percentile(grey, (2, 50, 98))
    if high - low < _CONTRAST:
        return np.zeros(width, np.bool_), float(HEIGHT)
    if middle - low < high - middle:
        grey = 255 - grey
    # Against the paper around it, which may be lit unevenly: strokes are thinner than this window.
    paper = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, np.ones((HEIGHT // 2, HEIGHT // 2), np.uint8))
    _, dark = cv2.threshold(cv2.subtract(paper, grey), 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    inked = np.asarray(dark, np.bool_)
    rule = np.ones((1, round(_RULE * HEIGHT)), np.uint8)
    if width > rule.shape[1]:
        rules = cv2.dilate(cv2.morphologyEx(dark, cv2.MORPH_OPEN, rule), np.ones((3, 1), np.uint8))
        inked &= np.asarray(rules) == 0
    rows = inked.mean(axis=1)
    filled = np.flatnonzero(rows > 0.25 * rows.max()) if rows.max() > 0 else np.zeros(0, np.int64)
    band = float(filled[-1] - filled[0] + 1) if len(filled) else float(HEIGHT)
    # A column with a pixel or two is dirt, or the tail of a line above.
    return inked[HEIGHT // 12 : HEIGHT - HEIGHT // 12].sum(axis=0) >= 2, band


def gaps(ink: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The runs of columns without ink that have ink on both sides, as (start, end)."""
    inked = np.flatnonzero(ink)
    wide = np.flatnonzero(np.diff(inked) > 1)
    return [(int(inked[index]) + 1, int(inked[index + 1])) for index in wide]


def word_spans(crop: NDArray[np.uint8]) -> list[tuple[float, float]]:
    """Where the words of a line begin and end, as fractions of its width; none in a blank one.

    A gap parts words where it is wide for the height of the letters and for the gaps between them, which differ
    between close print and typewriting.
    """
    ink, band = columns_of_ink(crop)
    inked = np.flatnonzero(ink)
    if not len(inked):
        return []
    found = gaps(ink)
    usual = float(np.median([end - start for start, end in found])) if found else 0.0
    least = min(_SURELY_WORD_GAP * band, max(_WORD_GAP * band, _TIMES_USUAL * usual))
    wide = [gap for gap in found if gap[1] - gap[0] >= least]
    starts = [int(inked[0]), *(end for _, end in wide)]
    ends = [*(start for start, _ in wide), int(inked[-1]) + 1]
    return [(start / len(ink), end / len(ink)) for start, end in zip(starts, ends, strict=True)]
