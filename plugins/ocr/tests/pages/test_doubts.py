"""Second looks at doubtful words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from mmkit_ocr.pages.doubts import second_looks
from mmkit_ocr.pages.page import Line, Word
from mmkit_ocr.pages.reader import page_reader
from mmkit_ocr.reading import Reading
from pages_kitchen import Widths, line

from mmkit.errors import UsageError

PAGE = np.full((100, 400, 3), 255, np.uint8)


class Says:
    """Reads every crop as one text of one confidence."""

    name, lines = "says", False

    def __init__(self, text: str, confidence: float) -> None:
        self._reading = Reading(text, confidence, (confidence,) * len(text))
        self.asked = 0

    def read(self, crops: Sequence[np.ndarray]) -> list[Reading]:
        self.asked += len(crops)
        return [self._reading] * len(crops)


def sure(each: Line, *confidences: float) -> Line:
    words = (
        Word(word.text, confidence, (confidence,) * len(word.text), word.quad)
        for word, confidence in zip(each.words, confidences, strict=True)
    )
    return replace(each, words=tuple(words))


def test_only_doubtful_words_are_read_again_and_the_surer_reading_counts():
    given = [sure(line("Pilter rod", 10, 10, 200, 30), 0.8, 0.99), sure(line("clear", 10, 40, 200, 60), 0.97)]
    second = Says("Filter", 0.9)
    read = second_looks(second, PAGE, given)
    assert [each.text for each in read] == ["Filter rod", "clear"] and second.asked == 1
    assert read[0].characters == (0.9,) * 7 + (0.99,) * 3
    assert np.array_equal(read[0].words[0].quad, given[0].words[0].quad)
    assert second_looks(Says("Falter", 0.7), PAGE, given)[0].text == "Pilter rod"
    assert second_looks(Says("", 0.0), PAGE, given)[0].text == "Pilter rod"


def test_words_that_a_reader_of_words_may_not_know_are_left_alone():
    second = Says("Grusse", 0.99)
    read = second_looks(second, PAGE, [sure(line("Grüße 東京 " + "x" * 40, 10, 10, 300, 30), 0.5, 0.5, 0.5)])
    assert second.asked == 0 and read[0].text.startswith("Grüße 東京")
    assert second_looks(second, PAGE, []) == []


def test_two_names_make_a_reader_with_a_second_look(monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []

    def recogniser(name: str, device: str = "auto") -> Widths:
        asked.append(name)
        return Widths(lines=name == "rapidocr")

    monkeypatch.setattr("mmkit_ocr.reading.recogniser", recogniser)
    reader = page_reader("rapidocr+own.safetensors", device="cpu")
    assert asked == ["rapidocr", "own.safetensors"] and reader.second is not None
    assert page_reader("bundled", device="cpu").second is None


def test_an_unknown_recogniser_is_told():
    with pytest.raises(UsageError, match="no-such"):
        page_reader("rapidocr+no-such", device="cpu")
