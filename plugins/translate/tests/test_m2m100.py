"""The network against transformers' M2M-100 with the same weights."""

from __future__ import annotations

import pytest
import torch

from mmkit.encoders.torchvision_guard import guard_torchvision
from mmkit.generation.search import beam_search

guard_torchvision()
transformers = pytest.importorskip("transformers")


@pytest.fixture
def other(network, vocabulary):  # type: ignore[no-untyped-def]
    from mmkit_translate.model.m2m100 import as_m2m100

    return as_m2m100(network, pad=vocabulary.pad)


@torch.inference_mode()
def test_states_and_beams_are_the_same(network, other, vocabulary):  # type: ignore[no-untyped-def]
    texts = ["A dog runs through the snow.", "Two men cook."]
    rows = [[*vocabulary.encode(text), vocabulary.eos] for text in texts]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [vocabulary.pad] * (longest - len(row)) for row in rows])
    mask = ids != vocabulary.pad
    memory = network.read(ids, mask)
    theirs = other.get_encoder()(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    assert torch.allclose(memory[mask], theirs[mask], atol=1e-4)

    mark = vocabulary.id("<de>")
    begin = torch.tensor([[vocabulary.eos, mark]] * 2)
    logits = network.decoder.logits(network.decoder(network.decoder.embed(begin), memory, mask))
    wanted = other(input_ids=ids, attention_mask=mask.long(), decoder_input_ids=begin).logits
    assert torch.allclose(logits, wanted, atol=1e-3)

    own = beam_search(
        network.decoder, network.decoder.embed(begin), eos=vocabulary.eos, max_length=12, memory=memory,
        memory_mask=mask, beam=3, banned=[vocabulary.pad],
    )  # fmt: skip
    written = other.generate(
        input_ids=ids, attention_mask=mask.long(), num_beams=3, forced_bos_token_id=mark, max_new_tokens=13,
        do_sample=False, bad_words_ids=[[vocabulary.pad]],
    )  # fmt: skip
    for hypotheses, row in zip(own, written.tolist(), strict=True):
        theirs_ids = [piece for piece in row[2:] if piece not in (vocabulary.eos, vocabulary.pad)]
        assert list(hypotheses[0].ids)[:11] == theirs_ids[:11]


@torch.inference_mode()
def test_all_beams_and_their_scores_are_the_same(network, other, vocabulary):  # type: ignore[no-untyped-def]
    texts = ["A dog runs through the snow.", "Two men cook.", "A child", "Three women in red run on the beach."]
    rows = [[*vocabulary.encode(text), vocabulary.eos] for text in texts]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [vocabulary.pad] * (longest - len(row)) for row in rows])
    mask = ids != vocabulary.pad
    begin = torch.tensor([[vocabulary.eos, vocabulary.id("<fr>")]] * len(rows))
    own = beam_search(
        network.decoder, network.decoder.embed(begin), eos=vocabulary.eos, max_length=30,
        memory=network.read(ids, mask), memory_mask=mask, beam=4, n_best=4,
    )  # fmt: skip
    # With the mark as part of the prompt both divide by the same lengths; pieces are banned before our softmax and
    # after theirs, so here none is.
    written = other.generate(
        input_ids=ids, attention_mask=mask.long(), decoder_input_ids=begin, num_beams=4, num_return_sequences=4,
        max_new_tokens=30, do_sample=False, return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip
    for number, hypotheses in enumerate(own):
        theirs = slice(4 * number, 4 * number + 4)
        for hypothesis, row in zip(hypotheses, written.sequences[theirs].tolist(), strict=True):
            end = row.index(vocabulary.eos, 2) if vocabulary.eos in row[2:] else len(row)
            assert list(hypothesis.ids) == row[2:end]
        scores = [hypothesis.score for hypothesis in hypotheses]
        assert scores == pytest.approx(written.sequences_scores[theirs].tolist(), abs=1e-4)
