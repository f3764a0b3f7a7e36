"""Finding text: PP-OCR's detector (differentiable binarisation, Liao et al. 2020), in tiles where a page is large."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from mmkit_ocr.pages.models import model_path, session
from mmkit_ocr.pages.quads import FloatArray, clockwise, quad_size

__all__ = ["Detector", "Regions"]

#: Pixels that the detector is shown at least and at most; a page between them is taken as it is.
LEAST_PIXELS: Final = 1.6e6
MOST_PIXELS: Final = 3.2e6
#: A small page is enlarged, and a large one reduced, by no more than this.
MOST_ENLARGED: Final = 2.0
MOST_REDUCED: Final = 0.25
#: Lines lower than this, as the detector saw them, are looked for again in a larger picture.
LOW_LINE: Final = 18.0

_TILE: Final = 1536
_OVERLAP: Final = 192
_STRIDE: Final = 32
_MARGIN: Final = 16
#: Grey levels between paper and ink, and what is left of the paper around it.
_CONTRAST: Final = 32
_AROUND: Final = 64

_THRESHOLD: Final = 0.3
_BOX_THRESHOLD: Final = 0.5
_UNCLIP: Final = 1.6
_SMALLEST: Final = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Where text was found.

    Attributes:
        quads: (N, 4, 2) float32 in pixels of the page, as text from left to right.
        scores: (N,) float32, 0 to 1.
    """

    quads: FloatArray
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.quads)


class Detector:
    """Finds lines of text in a picture of any size with bounded memory.

    Raises:
        ModelUnavailable: rapidocr, whose model this is, is not installed.
    """

    def __init__(self, *, device: str = "auto") -> None:
        self._session = session(model_path("det"), device=device)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, pixels: NDArray[np.uint8]) -> Regions:
        """The regions of text of one picture.

        Args:
            pixels: (H, W, 3) uint8 RGB.
        """
        if int(pixels.min()) == int(pixels.max()):
            return Regions(np.zeros((0, 4, 2), np.float32), np.zeros(0, np.float32))
        scale = _first_scale(pixels.shape[0], pixels.shape[1])
        found = self._at(pixels, scale)
        # Small print on a large page: the heights tell, or nothing at all was found.
        while scale < 1:
            height = float(np.median([min(quad_size(quad)) for quad in found.quads])) * scale if len(found) else 0.0
            if height >= LOW_LINE:
                break
            scale = min(1.0, scale * 2)
            found = self._at(pixels, scale)
        return found

    def _at(self, pixels: NDArray[np.uint8], scale: float) -> Regions:
        probability = self._probability(pixels, scale)
        return _regions(probability, pixels.shape[1] / probability.shape[1], pixels.shape[0] / probability.shape[0])

    def _probability(self, pixels: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
        """(h, w) uint8, 255 where text is certain, of the picture scaled by ``scale``."""
        height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
        whole = np.zeros((height, width), np.uint8)
        for top, bottom in _tiles(height):
            for left, right in _tiles(width):
                region = pixels[
                    math.floor(top / height * pixels.shape[0]) : math.ceil(bottom / height * pixels.shape[0]),
                    math.floor(left / width * pixels.shape[1]) : math.ceil(right / width * pixels.shape[1]),
                ]
                if int(region.min()) == int(region.max()):
                    continue
                way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
                tile = np.asarray(cv2.resize(region, (right - left, bottom - top), interpolation=way), np.uint8)
                rows, columns = _inked(tile)
                place = whole[top:bottom, left:right][rows, columns]
                np.maximum(place, self._tile(tile[rows, columns]), out=place)
        return whole

    def _tile(self, tile: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = tile.shape[:2]
        # A margin, because text at the very edge is found worse.
        bottom = -(height + 2 * _MARGIN) % _STRIDE + _MARGIN
        right = -(width + 2 * _MARGIN) % _STRIDE + _MARGIN
        padded = cv2.copyMakeBorder(tile, _MARGIN, bottom, _MARGIN, right, cv2.BORDER_REPLICATE)
        # The model was trained on blue, green, red.
        values = padded[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1
        found = self._session.run(None, {self._input: values})[0][0, 0]
        inside = np.asarray(found[_MARGIN : _MARGIN + height, _MARGIN : _MARGIN + width], np.float32)
        return np.rint(inside * 255).astype(np.uint8)


def _inked(tile: NDArray[np.uint8]) -> tuple[slice, slice]:
    """The rows and columns about everything that is not paper: a line lost on a large blank sheet is overlooked."""
    grey = tile.mean(axis=2)
    ink = np.abs(grey - np.median(grey)) > _CONTRAST
    return _about(np.flatnonzero(ink.any(axis=1))), _about(np.flatnonzero(ink.any(axis=0)))


def _about(filled: NDArray[np.int64]) -> slice:
    return slice(max(0, int(filled[0]) - _AROUND), int(filled[-1]) + _AROUND) if len(filled) else slice(None)


def _first_scale(height: int, width: int) -> float:
    pixels = float(height * width)
    if pixels < LEAST_PIXELS:
        return min(MOST_ENLARGED, math.sqrt(LEAST_PIXELS / pixels))
    return min(1.0, max(MOST_REDUCED, math.sqrt(MOST_PIXELS / pixels)))


def _tiles(size: int) -> Iterator[tuple[int, int]]:
    """Spans that cover ``size`` pixels, each at most a tile, overlapping."""
    if size <= _TILE + _OVERLAP * 2:
        yield 0, size
        return
    count = math.ceil((size - _OVERLAP) / (_TILE - _OVERLAP))
    step = (size - _TILE) / (count - 1)
    for number in range(count):
        start = round(number * step)
        yield start, start + _TILE


def _regions(probability: NDArray[np.uint8], scale_x: float, scale_y: float) -> Regions:
    """Boxes around the connected parts of a map of probabilities, enlarged to what the model shrank them from."""
    mask = cv2.dilate((probability > _THRESHOLD * 255).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    quads, scores = [], []
    for contour in contours:
        (x, y), (width, height), angle = cv2.minAreaRect(contour)
        if min(width, height) < _SMALLEST:
            continue
        score = _mean_inside(probability, np.asarray(cv2.boxPoints(((x, y), (width, height), angle)), np.float32))
        if score < _BOX_THRESHOLD:
            continue
        # The offset of a polygon by area × ratio / perimeter (section 3.3), which keeps a rectangle one.
        grown = 2 * width * height * _UNCLIP / (2 * (width + height))
        corners = cv2.boxPoints(((x, y), (width + grown, height + grown), angle))
        # The centre of the first pixel lies half a pixel from the picture's edge.
        corners = (corners + 0.5) * (scale_x, scale_y)
        limit = (probability.shape[1] * scale_x, probability.shape[0] * scale_y)
        quads.append(clockwise(np.clip(corners, 0, limit).astype(np.float32)))
        scores.append(score)
    if not quads:
        return Regions(np.zeros((0, 4, 2), np.float32), np.zeros(0, np.float32))
    return Regions(np.stack(quads), np.array(scores, np.float32))


def _mean_inside(probability: NDArray[np.uint8], corners: NDArray[np.float32]) -> float:
    x0, y0 = (max(0, math.floor(value)) for value in corners.min(axis=0))
    x1, y1 = (math.ceil(value) + 1 for value in corners.max(axis=0))
    part = probability[y0:y1, x0:x1]
    inside = np.zeros(part.shape, np.uint8)
    cv2.fillPoly(inside, [np.rint(corners - (x0, y0)).astype(np.int32)], 1)
    return float(cv2.mean(part, inside)[0]) / 255
