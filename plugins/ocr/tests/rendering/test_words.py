from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmkit_ocr.rendering.fonts import ASCII
from mmkit_ocr.rendering.words import MAX_LENGTH, Words, read_words, system_words

from mmkit.errors import UsageError


def test_every_word_can_be_drawn_and_read() -> None:
    words = Words(["harbour", "Incomprehensibilities", "o'clock"]).sample(4000, np.random.default_rng(0))

    assert len(words) == 4000
    assert all(1 <= len(word) <= MAX_LENGTH for word in words)
    assert all(set(word) <= set(ASCII) for word in words)
    assert all(any(character.isalnum() for character in word) for word in words)


def test_the_sample_holds_all_kinds() -> None:
    words = Words(["harbour", "market"]).sample(4000, np.random.default_rng(0))

    assert {"harbour", "Harbour", "HARBOUR"} <= set(words)
    assert any(word.isdigit() for word in words)
    assert any(word.startswith("$") for word in words)
    assert any(word.startswith("www.") for word in words)
    assert any(word[1:-1].count("/") == 2 for word in words)
    assert len(set("".join(words))) > len(ASCII) - 12


def test_without_made_up_words_only_the_list_is_drawn() -> None:
    words = Words(["harbour"], made_up=0).sample(300, np.random.default_rng(0))

    assert all("harbour" in word.lower() for word in words)


def test_a_short_list_is_drawn_as_often_as_a_long_one() -> None:
    words = Words(["zzz"], [f"a{number}" for number in range(999)], made_up=0).sample(2000, np.random.default_rng(0))

    assert 0.4 < np.mean(["zzz" in word.lower() for word in words]) < 0.6


def test_the_same_generator_state_names_the_same_words() -> None:
    words = Words(["harbour", "market"])

    assert words.sample(50, np.random.default_rng(3)) == words.sample(50, np.random.default_rng(3))


def test_reading_a_list_leaves_out_what_cannot_be_drawn(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("straße inn inn\n" + "x" * 26 + "\nmarket\n", encoding="utf-8")

    assert read_words(path) == ["inn", "market"]


def test_there_is_always_a_list_to_begin_with() -> None:
    assert len(system_words()) > 100


def test_empty_lists_are_an_error() -> None:
    with pytest.raises(UsageError, match="no word to draw"):
        Words([], [])
