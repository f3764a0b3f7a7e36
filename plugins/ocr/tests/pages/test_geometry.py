"""Quads, ink and word boxes."""

from __future__ import annotations

import numpy as np
import pytest
from mmkit_ocr.pages.ink import word_spans
from mmkit_ocr.pages.quads import clockwise, cut, part_of, quad_size, turned_back
from mmkit_ocr.pages.words import line_of_words, line_read_whole
from mmkit_ocr.reading import Reading
from pages_kitchen import box, drawn
from PIL import Image, ImageDraw, ImageFont


def strip(text: str, *, ink: str = "black", paper: str = "white") -> np.ndarray:
    image = Image.new("RGB", (420, 48), paper)
    ImageDraw.Draw(image).text((10, 6), text, ink, ImageFont.load_default(30))
    return np.asarray(image)


def test_corners_in_any_order_become_a_quad_that_begins_at_the_upper_left():
    quad = box(10, 20, 90, 40)
    for order in ([2, 0, 3, 1], [1, 2, 3, 0], [3, 1, 0, 2]):
        assert np.array_equal(clockwise(quad[order]), quad)


def test_a_cut_of_an_upright_quad_is_the_picture_itself():
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    assert np.abs(cut(pixels, box(5, 7, 45, 27)).astype(int) - pixels[7:27, 5:45]).max() <= 1


def test_a_slanted_line_is_cut_out_straight():
    straight = drawn(["straight and level"], width=600, height=120)
    slanted = np.asarray(straight.rotate(12, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC))
    angle, centre = np.radians(-12), np.array([slanted.shape[1], slanted.shape[0]]) / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    quad = ((box(0, 0, 600, 120) - (300, 60)) @ turn.T + centre).astype(np.float32)
    seen = cut(slanted, quad)
    assert seen.shape == (120, 600, 3)
    assert np.abs(seen.astype(int) - np.asarray(straight)).mean() < 4


def test_a_quad_outside_of_the_picture_is_blank_paper():
    assert cut(np.zeros((10, 10, 3), np.uint8), box(50, 50, 60, 55)).min() == 255


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_quads_of_a_turned_picture_lead_back_to_the_same_pixels(turns: int):
    pixels = np.random.default_rng(1).integers(0, 255, (40, 70, 3), np.uint8)
    turned = np.ascontiguousarray(np.rot90(pixels, turns))
    quad = box(4, 6, 24, 16)
    assert np.abs(cut(turned, quad).astype(int) - cut(pixels, turned_back(quad, turns, 70, 40))).max() <= 1


def test_parts_of_a_quad_tile_it():
    quad = np.array([[0, 0], [100, 20], [98, 40], [-2, 20]], np.float32)
    left, right = part_of(quad, 0, 0.25), part_of(quad, 0.25, 1)
    assert np.allclose(left[1], right[0]) and np.allclose(left[2], right[3])
    assert quad_size(left)[0] == pytest.approx(quad_size(quad)[0] / 4, rel=1e-5)


@pytest.mark.parametrize(("ink", "paper"), [("black", "white"), ("white", "#223344"), ("#707070", "#b0b0b0")])
def test_words_are_parted_at_gaps_whatever_the_colours(ink: str, paper: str):
    assert len(word_spans(strip("three  small  words", ink=ink, paper=paper))) == 3


def test_a_rule_below_does_not_join_words():
    image = Image.fromarray(strip("two  words"))
    ImageDraw.Draw(image).line((0, 44, 420, 44), "black", 2)
    assert len(word_spans(np.asarray(image))) == 2


def test_paper_that_grows_darker_hides_no_word():
    shade = np.linspace(1.0, 0.45, 420)[None, :, None]
    assert len(word_spans((strip("from  light  to  shade") * shade).astype(np.uint8))) == 4


def test_a_blank_crop_has_no_words():
    assert word_spans(np.full((30, 200, 3), 250, np.uint8)) == []
    assert word_spans(np.zeros((1, 1, 3), np.uint8)) == []


def test_a_line_read_whole_is_cut_where_its_words_stand():
    crop = strip("one two")
    text = "one two"
    reading = Reading(text, 0.8, (0.8,) * 7, tuple((0.02 + n * 0.04, 0.06 + n * 0.04) for n in range(7)))
    line = line_read_whole(reading, crop, box(0, 0, 420, 48))
    assert line is not None and [word.text for word in line.words] == ["one", "two"]
    first, second = (word.quad for word in line.words)
    inked = np.flatnonzero(crop[..., 0].min(axis=0) < 128)
    # The gap between the words, measured on the picture itself.
    gap = np.flatnonzero(np.diff(inked) > 5)
    assert first[1, 0] == pytest.approx(inked[gap[0]], abs=3) and second[0, 0] == pytest.approx(
        inked[gap[0] + 1], abs=3
    )
    assert first[0, 0] == pytest.approx(inked[0], abs=4)


def test_a_space_is_as_certain_as_the_less_certain_neighbour():
    line = line_read_whole(Reading("a b", 0.9, (0.4, 1.0, 0.9)), strip("a b"), box(0, 0, 420, 48))
    assert line is not None and line.characters == (0.4, 0.4, 0.9)
    assert len(line.characters) == len(line.text)


def test_nothing_read_is_no_line():
    assert line_of_words([], box(0, 0, 1, 1)) is None
    assert line_read_whole(Reading("  ", 0.1, (0.1, 0.1)), strip(""), box(0, 0, 420, 48)) is None


def test_words_far_apart_are_parted_even_where_no_space_was_read():
    crop = np.concatenate([strip("one")[:, :120], strip("")[:, 20:100], strip("two")[:, :120]], axis=1)
    letters = [(0.03, 0.08), (0.09, 0.14), (0.15, 0.2), (0.67, 0.72), (0.73, 0.78), (0.79, 0.84)]
    line = line_read_whole(Reading("onetwo", 0.9, (0.9,) * 6, tuple(letters)), crop, box(0, 0, 320, 48))
    assert line is not None and line.text == "one two"
