"""PP-OCR's line recogniser, from the model that the package rapidocr brings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from mmkit_ocr.pages.models import model_path, session
from mmkit_ocr.reading import Reading

__all__ = ["RapidOcr"]

_HEIGHT: Final = 48
_LEAST_WIDTH: Final = 160
_MOST_WIDTH: Final = 6000
#: Columns of pixels a batch: each costs 18,710 scores for every eight of them.
_BATCH_WIDTH: Final = 2560
#: Full-width forms of ASCII, which the model mixes into Latin lines.
_FULL_WIDTH: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}


class RapidOcr:
    """Reads lines.

    Raises:
        ModelUnavailable: rapidocr is not installed.
    """

    name = "rapidocr"
    lines = True

    def __init__(self, *, device: str = "auto") -> None:
        self._session = session(model_path("rec"), device=device)
        self._input = self._session.get_inputs()[0].name
        known = self._session.get_modelmeta().custom_metadata_map["character"].splitlines()
        # Column 0 of the scores is the blank of connectionist temporal classification, the last one the space.
        self._characters = ["", *known, " "]

    def read(self, crops: Sequence[NDArray[np.uint8]]) -> list[Reading]:
        """One Reading a crop; see ``mmkit_ocr.reading.Recogniser``."""
        readings: list[Reading] = [Reading("", 0.0, ())] * len(crops)
        widths = [min(_MOST_WIDTH, max(1, math.ceil(_HEIGHT * crop.shape[1] / crop.shape[0]))) for crop in crops]
        for batch in _batches(widths):
            whole = max(_LEAST_WIDTH, *(widths[index] for index in batch))
            values = np.zeros((len(batch), 3, _HEIGHT, whole), np.float32)
            for row, index in enumerate(batch):
                scaled = cv2.resize(np.ascontiguousarray(crops[index]), (widths[index], _HEIGHT))
                # The model was trained on blue, green, red.
                values[row, :, :, : widths[index]] = scaled[:, :, ::-1].transpose(2, 0, 1) / 127.5 - 1
            scores = self._session.run(None, {self._input: values})[0]
            best, confidence = scores.argmax(axis=2), scores.max(axis=2)
            for row, index in enumerate(batch):
                columns = whole / scores.shape[1] / widths[index]
                readings[index] = self._decoded(best[row], confidence[row], columns)
        return readings

    def _decoded(self, best: NDArray[np.int64], confidence: NDArray[np.float32], column: float) -> Reading:
        """Repeats and blanks left out; ``column`` is the width of a column of scores as a fraction of the crop's."""
        starts = np.flatnonzero((best != 0) & (np.diff(best, prepend=-1) != 0))
        text = "".join(self._characters[best[start]] for start in starts)
        if not text.strip():
            return Reading("", 0.0, ())
        if not any(ord(character) > 0x2E7F and ord(character) not in _FULL_WIDTH for character in text):
            text = text.translate(_FULL_WIDTH)
        ends = [start + 1 for start in starts]
        for number, start in enumerate(starts):
            while ends[number] < len(best) and best[ends[number]] == best[start]:
                ends[number] += 1
        spans = tuple(
            (min(1.0, float(start * column)), min(1.0, float(end * column)))
            for start, end in zip(starts, ends, strict=True)
        )
        characters = tuple(float(confidence[start]) for start in starts)
        return Reading(text, float(np.mean(characters)), characters, spans)


def _batches(widths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of crops of like width, as many as fit."""
    batch: list[int] = []
    for index in sorted(range(len(widths)), key=widths.__getitem__):
        if batch and (len(batch) + 1) * max(widths[index], _LEAST_WIDTH) > _BATCH_WIDTH:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
