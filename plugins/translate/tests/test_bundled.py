"""The bundled network as a translator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmkit_translate.model.bundled import Bundled
from mmkit_translate.model.quantised import quantised
from mmkit_translate.opening import open_translator
from mmkit_translate.translating import Search, check_pair

from mmkit.errors import ModelUnavailable, UsageError

SEARCH = Search(beam=3, n_best=2)
ENGLISH = ["A dog runs through the snow.", "Two men cook.", "A girl reads a book.", "The red car is old."]


def translate(bundled: Bundled, texts: list[str], search: Search = SEARCH, vectors: np.ndarray | None = None):
    return bundled.translate(texts, target="de", sources=["en"] * len(texts), search=search, vectors=vectors)


def test_a_batch_is_as_one_by_one(bundled: Bundled):
    together = translate(bundled, ENGLISH)
    assert [len(row) for row in together] == [2] * len(ENGLISH)
    for text, row in zip(ENGLISH, together, strict=True):
        (alone,) = translate(bundled, [text])
        assert [one.text for one in alone] == [one.text for one in row]
        assert [one.score for one in alone] == pytest.approx([one.score for one in row], abs=1e-4)
        assert row[0].score >= row[1].score
    small = translate(bundled, ENGLISH, Search(beam=3, n_best=2, batch_tokens=1))
    assert [row[0].text for row in small] == [row[0].text for row in together]


def test_nothing_and_strange_things_are_translated_to_something(bundled: Bundled):
    assert translate(bundled, []) == []
    found = translate(bundled, ["😀 \u0000 x", "word " * 5000, "漢字", ""], Search(beam=1))
    assert len(found) == 4
    assert all("\n" not in row[0].text for row in found)


def test_the_prefix_is_what_it_is_given(bundled: Bundled):
    texts = ENGLISH[:2]
    own = bundled.text_vectors(texts)
    assert own.shape == (2, 384) and np.allclose(np.linalg.norm(own, axis=1), 1, atol=1e-5)
    plain = translate(bundled, texts)
    assert plain == translate(bundled, texts, vectors=own)
    nothing = translate(bundled, texts, Search(beam=3, n_best=2, prefix="none"))
    assert nothing != plain
    # A row of zeros is no picture: the text's own vector counts.
    assert translate(bundled, texts, vectors=np.zeros_like(own)) == plain


def test_a_prompt_without_knowledge_has_a_prefix_of_zeros(bundled: Bundled):
    prompt = bundled.network.prompt(torch.zeros(2, 384), torch.tensor([0, 1]))
    assert prompt.shape == (2, 12, 32)
    assert not prompt[:, 1:11].any() and prompt[:, 11].any()
    assert torch.equal(prompt[0, 0], prompt[1, 0]) and not torch.equal(prompt[0, 11], prompt[1, 11])


def test_eight_bits_change_little(bundled: Bundled):
    small = quantised(bundled.network)
    ids = torch.tensor([[9, 10, 11, bundled.vocabulary.eos]])
    mask = torch.ones_like(ids, dtype=torch.bool)
    one, other = bundled.network.read(ids, mask), small.read(ids, mask)
    assert torch.nn.functional.cosine_similarity(one, other, dim=-1).min() > 0.99
    found = translate(Bundled(small, bundled.vocabulary), ENGLISH, Search(beam=2))
    assert len(found) == len(ENGLISH)


def test_a_file_comes_back_as_it_was(bundled: Bundled, weights: Path):
    again = open_translator(str(weights))
    assert translate(again, ENGLISH) == translate(bundled, ENGLISH)  # type: ignore[arg-type]


def test_what_cannot_be_opened_is_one_clear_line(tmp_path: Path, weights: Path):
    with pytest.raises(ModelUnavailable, match="no translator is called"):
        open_translator("nothing")
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        open_translator(str(tmp_path / "missing.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        open_translator(str(weights))
    with pytest.raises(UsageError, match="8-bit"):
        open_translator(str(tmp_path), int8=True)


def test_pairs_that_are_not_there_are_listed(bundled: Bundled):
    check_pair(bundled, "en", "cs")
    check_pair(bundled, None, "cs")
    for source, target in (("en", "xx"), ("xx", "en")):
        with pytest.raises(UsageError, match="en, de, fr, cs"):
            check_pair(bundled, source, target)
    with pytest.raises(UsageError, match="two languages"):
        check_pair(bundled, "en", "en")
