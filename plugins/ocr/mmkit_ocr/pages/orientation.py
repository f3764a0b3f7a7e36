"""Which way up a page lies: the shapes of its lines tell the axis, a classifier and the recogniser the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from mmkit_ocr.pages.detect import Regions
from mmkit_ocr.pages.lines import TALL, turned
from mmkit_ocr.pages.models import model_path, session
from mmkit_ocr.pages.quads import cut, quad_size
from mmkit_ocr.reading import Recogniser

__all__ = ["Orientation"]

_HEIGHT: Final = 48
_WIDTH: Final = 192
_LINES: Final = 16
#: Lines that the recogniser reads both ways where the classifier is not sure.
_READ_TWICE: Final = 6
#: The share of lines upside down, below which a page is upright and above which it is not.
_SURE: Final = 0.25


class Orientation:
    """Finds by how many quarters of a circle a page is turned.

    Raises:
        ModelUnavailable: rapidocr, whose classifier this is, is not installed.
    """

    def __init__(self, recogniser: Recogniser, *, device: str = "auto") -> None:
        self._recogniser = recogniser
        self._session = session(model_path("cls"), device=device)
        self._input = self._session.get_inputs()[0].name

    def turns(self, pixels: NDArray[np.uint8], regions: Regions) -> int:
        """Quarters of a circle, clockwise, by which the text of a page is turned: 0 to 3.

        Args:
            pixels: (H, W, 3) uint8.
            regions: what was found on it.
        """
        sizes = np.array([quad_size(quad) for quad in regions.quads]).reshape(-1, 2)
        wide, tall = sizes[:, 0] >= TALL * sizes[:, 1], sizes[:, 1] >= TALL * sizes[:, 0]
        if not (wide | tall).any():
            return 0
        axis = int(sizes[tall, 1].sum() > sizes[wide, 0].sum())
        kept = np.flatnonzero(tall if axis else wide)
        longest = kept[np.argsort(-sizes[kept].max(axis=1), kind="stable")][:_LINES]
        crops = [cut(pixels, turned(regions.quads[index], axis)) for index in longest]
        share = float(self._upside_down(crops).mean())
        if axis == 0 and share <= _SURE:
            return 0
        crops = crops[:_READ_TWICE]
        upright, reverse = (self._certainty([np.rot90(crop, turn) for crop in crops]) for turn in (0, 2))
        return axis + 2 * int(reverse > upright)

    def _upside_down(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.bool_]:
        values = np.zeros((len(crops), 3, _HEIGHT, _WIDTH), np.float32)
        for row, crop in enumerate(crops):
            # The beginning of a long line, which the model would see squeezed otherwise.
            start = np.ascontiguousarray(crop[:, : crop.shape[0] * _WIDTH // _HEIGHT])
            width = min(_WIDTH, max(1, math.ceil(_HEIGHT * start.shape[1] / start.shape[0])))
            scaled = cv2.resize(start, (width, _HEIGHT))
            values[row, :, :, :width] = scaled[:, :, ::-1].transpose(2, 0, 1) / 127.5 - 1
        scores = self._session.run(None, {self._input: values})[0]
        return np.asarray(scores[:, 1] > scores[:, 0])

    def _certainty(self, crops: Sequence[NDArray[np.uint8]]) -> float:
        """How certain the recogniser is of lines, by their characters."""
        from mmkit_ocr.pages.ink import word_spans

        if not self._recogniser.lines:
            crops = [
                np.ascontiguousarray(crop[:, math.floor(start * crop.shape[1]) : math.ceil(end * crop.shape[1])])
                for crop in crops
                for start, end in word_spans(crop)[:4]
            ]
        readings = self._recogniser.read([np.ascontiguousarray(crop) for crop in crops])
        return float(sum(sum(reading.characters) - 0.5 * len(reading.characters) for reading in readings))
