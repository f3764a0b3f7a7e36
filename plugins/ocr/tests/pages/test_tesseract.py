"""Tesseract behind the contract of recognisers, where it is installed."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from mmkit_ocr.recognisers.tesseract import Tesseract
from pages_kitchen import drawn

from mmkit.errors import ModelUnavailable

pytestmark = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")


def test_lines_are_read_in_order_with_characters_and_spans():
    crops = [np.asarray(drawn([text]))[35:85, 35:500] for text in ("first of them", "and the second")]
    crops.insert(1, np.full((20, 60, 3), 255, np.uint8))
    first, blank, second = Tesseract().read(crops)
    assert (first.text, blank.text, second.text) == ("first of them", "", "and the second")
    assert len(first.characters) == len(first.spans) == len(first.text) and first.confidence > 0.7
    starts = [start for start, _ in first.spans]
    assert starts == sorted(starts) and 0 <= starts[0] < first.spans[-1][1] <= 1


def test_no_crops_are_no_readings_and_an_unknown_language_is_told():
    assert Tesseract().read([]) == []
    with pytest.raises(ModelUnavailable, match="xx_none"):
        Tesseract("xx_none").read([np.zeros((20, 20, 3), np.uint8)])
