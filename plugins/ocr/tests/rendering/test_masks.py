from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmkit_ocr.rendering.fonts import Font, load_fonts
from mmkit_ocr.rendering.masks import HEIGHT, WIDTH, WordMasks
from mmkit_ocr.rendering.words import Words


@pytest.fixture
def fonts(fonts_folder: Path) -> list[Font]:
    return list(load_fonts([fonts_folder]))


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
    tall = (masks.max(2) > 0).sum(1)
    wide = (masks.max(1) > 0).sum(1)

    assert ((tall >= HEIGHT - 4) | (wide >= WIDTH - 4)).all()


def test_the_same_seed_draws_the_same_and_another_does_not(fonts: list[Font]) -> None:
    words = Words(["harbour", "Inn", "MARKET"])
    first, texts = WordMasks(words, fonts, 5).draw(20)
    again, same_texts = WordMasks(words, fonts, 5).draw(20)
    other, _ = WordMasks(words, fonts, 6).draw(20)

    assert (first == again).all()
    assert texts == same_texts
    assert (first != other).any()


def test_a_font_of_capitals_is_labelled_in_capitals(fonts: list[Font]) -> None:
    capitals = [font for font in fonts if font.capitals]

    _, texts = WordMasks(Fixed("harbour"), capitals, 0).draw(5)

    assert texts == ["HARBOUR"] * 5


def test_a_word_goes_to_a_font_that_has_its_signs(fonts: list[Font]) -> None:
    signless = [font for font in fonts if font.path.stem == "signless"]

    _, texts = WordMasks(Fixed("a@b", "plain"), signless, 0).draw(6)

    assert texts == ["plain"] * 6


def test_the_drawn_text_can_be_told_from_the_mask(fonts: list[Font]) -> None:
    """Each of the fixture's letters is a pattern of its own: the nearest drawing of a known letter names it."""
    full = [font for font in fonts if font.path.stem == "full"]
    letters = list("abcdefgh")
    known, labels = WordMasks(Fixed(*letters), full, 1).draw(160)
    asked, truth = WordMasks(Fixed(*letters), full, 2).draw(40)
    distance = np.abs(known[None].astype(int) - asked[:, None]).mean((2, 3))

    read = [labels[index] for index in distance.argmin(1)]

    assert np.mean([one == other for one, other in zip(read, truth, strict=True)]) > 0.9


def test_no_font_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one usable font"):
        WordMasks(Fixed("a"), [], 0)
