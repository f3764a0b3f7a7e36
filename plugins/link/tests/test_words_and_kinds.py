from __future__ import annotations

import pytest
from mmkit_link.kinds import kind_of, parse_date, parse_number
from mmkit_link.words import codes, fold, numbers, words


def test_folding_drops_accents_and_widths_but_keeps_voiced_kana():
    assert fold("Ｃafé ÅNGSTRÖM") == "cafe angstrom"
    assert fold("ガ") == "ガ" != fold("カ")


def test_codes_are_model_numbers_and_no_measures():
    text = fold("Sony DVD-2930CI 1080p 10-bit player, 27in, LDS4821WW and 4x4")
    assert codes(text) == ["dvd2930ci", "lds4821ww"]


def test_numbers_compare_as_amounts():
    assert numbers("version 7.0 of 2007, mp3") == ["7", "2007"]


def test_words_split_at_everything_but_letters_and_digits():
    assert words("semi-integrated_dishwasher (24')") == ["semi", "integrated", "dishwasher", "24"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["12.5", "$1,299.00", "80 EUR"], "number"),
        (["1", "17", "200"], "number"),
        (["1999", "2004", "1987"], "date"),
        (["2001-02-03", "12/31/1999", "19991231"], "date"),
        (["0049123", "7712345", "8812345"], "code"),
        (["LDS4821WW", "PSLX350H", "AM53BK"], "code"),
        (["+49 (0) 30 123456", "030-987 654", "0171/123 45 67"], "phone"),
        (["Sony Turntable", "Bose Speaker"], "name"),
        (["a long text " * 9, "another long text " * 9], "text"),
        ([], "name"),
    ],
)
def test_kinds_are_told_from_values(values, kind):
    assert kind_of(["", *values, ""]) == kind


def test_parsing_refuses_what_is_not_there():
    assert parse_number("n/a") is None and parse_number("1-2") is None
    assert parse_date("2001-02-31") is None and parse_date("9999") is None
    assert parse_number("-1,234.5") == -1234.5
    assert parse_date("31.12.1999") == parse_date("12/31/1999") == pytest.approx(1999.995, abs=0.005)
