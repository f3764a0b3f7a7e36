from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmkit_ocr.rendering.fonts import Font, load_fonts
from mmkit_ocr.rendering.masks import HEIGHT, WIDTH, WordMasks
from mmkit_ocr.rendering.words import Words

from mmkit.errors import UsageError


@pytest.fixture
def fonts(full_font_folder: Path) -> list[Font]:
    return list(load_fonts([full_font_folder]))


@pytest.fixture
def odd_fonts(odd_fonts_folder: Path) -> dict[str, Font]:
    return {font.path.stem: font for font in load_fonts([odd_fonts_folder])}


class Fixed:
    """A source that names the same words again and again."""

    def __init__(self, *words: str) -> None:
        self._words = words

    def sample(self, count: int, rng: np.random.Generator) -> list[str]:
        return [self._words[index % len(self._words)] for index in range(count)]


def test_every_mask_holds_ink_and_has_a_text(fonts: list[Font]) -> None:
    masks, texts = WordMasks(Words(["harbour", "Inn"]), fonts, 0).draw(60)

    assert masks.shape == (60, HEIGHT, WIDTH)
    assert masks.dtype == np.uint8
    assert len(texts) == 60
    assert all(texts)
    assert (masks.reshape(60, -1).max(1) > 128).all()


def test_the_ink_fills_its_mask_in_one_direction(fonts: list[Font]) -> None:
    masks, _ = WordMasks(Fixed("a", "harbourmaster"), fonts, 0).draw(40)
    rows, columns = masks.max(2) > 0, masks.max(1) > 0

    assert ((rows[:, 0] & rows[:, -1]) | (columns[:, 0] & columns[:, -1])).all()


def test_the_same_seed_draws_the_same_and_another_does_not(fonts: list[Font]) -> None:
    words = Words(["harbour", "Inn", "MARKET"])
    first, texts = WordMasks(words, fonts, 5).draw(20)
    again, same_texts = WordMasks(words, fonts, 5).draw(20)
    other, _ = WordMasks(words, fonts, 6).draw(20)

    assert (first == again).all()
    assert texts == same_texts
    assert (first != other).any()


def test_a_font_of_capitals_is_labelled_in_capitals(odd_fonts: dict[str, Font]) -> None:
    _, texts = WordMasks(Fixed("harbour"), [odd_fonts["capitals"]], 0).draw(5)

    assert texts == ["HARBOUR"] * 5


def test_words_that_no_font_can_draw_are_replaced(odd_fonts: dict[str, Font]) -> None:
    masks, texts = WordMasks(Fixed("a@b", "plain"), [odd_fonts["signless"]], 0).draw(6)

    assert texts == ["plain"] * 6
    assert (masks.reshape(6, -1).max(1) > 128).all()


def test_words_that_no_font_can_draw_at_all_are_an_error(odd_fonts: dict[str, Font]) -> None:
    with pytest.raises(UsageError, match="lack the characters"):
        WordMasks(Fixed("a@b"), [odd_fonts["signless"]], 0).draw(6)


def test_the_drawn_text_can_be_told_from_the_mask(fonts: list[Font]) -> None:
    """The nearest drawing of a known letter names it, although sizes, strokes and outlines differ."""
    letters = list("AEKMQSTX47")
    known, labels = WordMasks(Fixed(*letters), fonts, 1).draw(100)
    asked, truth = WordMasks(Fixed(*letters), fonts, 2).draw(20)
    distance = np.abs(known[None].astype(np.int16) - asked[:, None]).mean((2, 3))

    read = [labels[index] for index in distance.argmin(1)]

    assert np.mean([one == other for one, other in zip(read, truth, strict=True)]) > 0.9


def test_no_font_is_an_error() -> None:
    with pytest.raises(UsageError, match="no font"):
        WordMasks(Fixed("a"), [], 0)
