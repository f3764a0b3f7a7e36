"""Short texts in Chinese characters and kana: variants, misread characters, words without spaces."""

from __future__ import annotations

import random

import numpy as np
import pytest
from mmkit_link.glyphs import glyph_similarities, looks
from mmkit_link.kinds import kind_of
from mmkit_link.records import Records
from mmkit_link.results import link_records
from mmkit_link.variants import fold_variants
from mmkit_link.words import fold, words


def alike(one: str, other: str) -> float:
    return float(glyph_similarities([one, other], np.array([0]), np.array([1]))[0])


def test_forms_before_the_reform_fold_to_those_of_today():
    assert fold("關西鐵鋼") == fold("関西鉄鋼") == "関西鉄鋼"
    assert fold("渡邊") == fold("渡邉") == "渡辺"
    assert fold_variants("曰日") == "曰日"


def test_the_form_of_a_firm_is_written_out():
    assert fold("㈱關西") == fold("（株）関西") == fold("株式会社関西")


def test_a_folded_text_folds_to_itself():
    every = "".join(chr(code) for code in range(0x4E00, 0xA000))
    assert fold(fold(every)) == fold(every)


def test_words_of_chinese_characters_are_each_two_of_them():
    assert words("関西製鋼 abc社1") == ["関西", "西製", "製鋼", "abc", "社", "1"]
    assert words("東 plain") == ["東", "plain"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["関西製鋼", "東洋紡績", "Sony"], "cjk"),
        (["大阪市北区中之島" * 8, "東京都港区芝" * 9], "text"),
        (["昭和29年2月", "明治二年"], "cjk"),
    ],
)
def test_columns_of_chinese_characters_are_told_from_others(values, kind):
    assert kind_of(values) == kind


def test_characters_that_look_alike_are_near():
    # A small kana for a character, a stroke less, and one that is nothing like it.
    assert alike("鉄工所", "鉄ェ所") > alike("鉄工所", "鉄綿所")
    assert alike("日本", "曰本") > 0.8 > alike("日本", "韓本")
    # A speck read as a stroke costs less than a lost character.
    assert alike("関西製鋼", "関西製鋼一") > alike("関西製鋼", "関西製鋼所")


def test_similarity_is_symmetric_equal_is_one_and_empty_is_unknown():
    assert alike("関西", "関西") == 1 and alike("関西製鋼", "東西製") == pytest.approx(alike("東西製", "関西製鋼"))
    assert alike("", "関西") == alike("", "") == -1
    # Characters without a picture are like themselves alone.
    assert alike("𝄞", "𝄞") == 1 and alike("𝄞", "𝄢") == 0
    assert len(glyph_similarities([], np.zeros(0, int), np.zeros(0, int))) == 0


def test_rows_at_once_equal_the_table_filled_cell_by_cell():
    seen, rng = looks(), random.Random(0)

    def one_by_one(one: str, other: str) -> float:
        left, right = seen.read(one), seen.read(other)
        table = np.zeros((len(one) + 1, len(other) + 1))
        table[1:, 0], table[0, 1:] = np.cumsum(seen.gap[left]), np.cumsum(seen.gap[right])
        for row, column in np.ndindex(len(one), len(other)):
            wrong = 1 - max(0.0, (float(seen.sketch[left[row]] @ seen.sketch[right[column]]) - 0.3) / 0.7)
            table[row + 1, column + 1] = min(
                table[row, column + 1] + seen.gap[left[row]],
                table[row + 1, column] + seen.gap[right[column]],
                table[row, column] + (0 if one[row] == other[column] else wrong),
            )
        return 1 - table[-1, -1] / max(len(one), len(other))

    texts = ["".join(rng.choices("関西製鋼工ェ一、ab", k=rng.randrange(1, 12))) for _ in range(60)]
    one, other = np.arange(30), np.arange(30, 60)
    expected = [one_by_one(texts[left], texts[right]) for left, right in zip(one, other, strict=True)]
    np.testing.assert_allclose(glyph_similarities(texts, one, other), expected, atol=1e-5)


def test_misread_firm_names_find_their_firm():
    rng = random.Random(0)
    first, second = "関東西日本京阪神富士山川田", "製鋼紡績鉄工電機化学木材運輸"
    names = sorted({"".join(rng.choices(first, k=2) + rng.choices(second, k=2)) for _ in range(60)})
    misread = str.maketrans("日工木士川田関電", "曰ェ本土丨由閂竜")
    left = Records(tuple(map(str, range(len(names)))), {"name": tuple(names)})
    right = Records(left.ids, {"name": tuple(name.translate(misread) for name in names)})
    links = link_records(left, right, threshold=0.0).table
    correct = sum(
        one == other for one, other in zip(*(links.column(side).to_pylist() for side in ("left", "right")), strict=True)
    )
    assert correct >= 0.9 * len(names)
