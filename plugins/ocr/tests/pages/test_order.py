"""Reading order, blocks and paragraphs."""

from __future__ import annotations

import random

import numpy as np
from mmkit_ocr.pages.order import in_reading_order
from mmkit_ocr.pages.page import Line
from pages_kitchen import box, line


def texts(lines: list[Line]) -> list[str]:
    return [each.text for each in lines]


def shuffled(lines: list[Line], seed: int = 0) -> list[Line]:
    lines = list(lines)
    random.Random(seed).shuffle(lines)
    return lines


def column(name: str, x: float, y: float, count: int, *, width: float = 250, step: float = 30) -> list[Line]:
    return [line(f"{name}{n}", x, y + n * step, x + width, y + n * step + 20) for n in range(count)]


def test_two_columns_below_a_heading_are_read_one_after_the_other():
    heading, foot = line("heading", 100, 10, 500, 40), line("foot", 50, 400, 550, 420)
    left, right = column("l", 20, 60, 8), column("r", 320, 70, 8)
    wanted = [heading, *left, *right, foot]
    for seed in range(3):
        assert texts(in_reading_order(shuffled(wanted, seed))) == texts(wanted)
    blocks = [each.block for each in in_reading_order(wanted)]
    assert blocks == [1] + [2] * 8 + [3] * 8 + [4]


def test_three_columns_whose_lines_are_level():
    wanted = [*column("a", 0, 0, 6, width=180), *column("b", 200, 0, 6, width=180), *column("c", 400, 0, 6, width=180)]
    assert texts(in_reading_order(shuffled(wanted))) == texts(wanted)


def test_rows_of_a_table_are_read_across():
    rows = [
        [line(f"item{n}", 20, n * 30, 90, n * 30 + 20), line(f"{n}.50", 400, n * 30, 440, n * 30 + 20)]
        for n in range(8)
    ]
    wanted = [cell for row in rows for cell in row]
    assert texts(in_reading_order(shuffled(wanted))) == texts(wanted)
    assert {each.block for each in in_reading_order(wanted)} == {1}


def test_a_page_that_lies_askew_is_read_as_if_it_were_level():
    wanted = [*column("l", 20, 60, 10), *column("r", 320, 60, 10)]
    angle = np.radians(4)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    askew = [Line(each.text, 0.9, each.characters, (each.quad @ turn.T).astype(np.float32)) for each in wanted]
    assert texts(in_reading_order(shuffled(askew))) == texts(wanted)


def test_wide_space_and_indents_begin_paragraphs():
    lines = [
        *column("a", 20, 0, 3),
        *column("b", 20, 150, 2),
        line("indented", 50, 210, 270, 230),
        line("last", 20, 240, 270, 260),
    ]
    assert [each.paragraph for each in in_reading_order(lines)] == [1, 1, 1, 2, 2, 3, 3]


def test_lines_that_run_upwards_come_last():
    upwards = Line("margin", 0.9, (0.9,) * 6, np.roll(box(2, 50, 20, 300), -3, axis=0))
    level = column("a", 40, 0, 10)
    assert texts(in_reading_order([upwards, *level])) == [*texts(level), "margin"]


def test_no_lines_and_one_line():
    assert in_reading_order([]) == []
    assert texts(in_reading_order([line("alone", 0, 0, 10, 10)])) == ["alone"]
