from __future__ import annotations

import pytest
import torch
from mmkit_ocr.recogniser.charset import BOS, CHARACTERS, EOS, MAX_LENGTH, PAD, SLOTS, known, to_numbers, to_text
from mmkit_ocr.recogniser.decoder import cloze_mask, forward_mask, permutation_masks
from mmkit_ocr.recogniser.decoding import ctc_draft, other_case, read_forward, refine, word_likelihoods
from torch.nn import functional as F


def test_words_survive_their_numbers() -> None:
    words = ["a", "Hotel", "x" * MAX_LENGTH, "!~"]
    assert [to_text(row) for row in to_numbers(words)] == words
    assert to_numbers(["ab"])[0, 2:4].tolist() == [EOS, PAD]


@pytest.mark.parametrize("word", ["x" * (MAX_LENGTH + 1), "naïve", "two words"])
def test_words_that_cannot_be_spelt_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match="Expected at most"):
        to_numbers([word])


def test_unknown_characters_are_left_out() -> None:
    assert known("Caf\u00e9 1\n") == "Caf1"


def test_masks_expose_exactly_the_preceding_characters() -> None:
    masks = permutation_masks(6, torch.Generator().manual_seed(1))
    assert masks[:, :, 0].all()
    seen = masks[:, :MAX_LENGTH, 1:]
    # Under every order slot i sees as many characters as stand before it: each count from 0 to 24 once.
    assert (seen.sum(2).sort(1).values == torch.arange(MAX_LENGTH)).all()
    assert torch.equal(masks[0], forward_mask())
    for drawn, mirror in ((0, 1), (2, 3), (4, 5)):
        other = ~torch.eye(MAX_LENGTH, dtype=torch.bool)
        assert torch.equal(seen[drawn] ^ seen[mirror], other)
    # The end comes last in a drawn order and first in the reverse of reading order.
    assert masks[2, MAX_LENGTH, 1:].all()
    assert not masks[1, MAX_LENGTH, 1:].any()


def test_cloze_hides_only_the_own_character() -> None:
    hidden = (~cloze_mask()[:MAX_LENGTH, 1:]).nonzero()
    assert hidden.tolist() == [[slot, slot] for slot in range(MAX_LENGTH)]


def test_reading_with_kept_keys_equals_teacher_forcing(network) -> None:  # type: ignore[no-untyped-def]
    memory = torch.randn(3, SLOTS, 64)
    logits = read_forward(network.decoder, memory)
    best = logits.argmax(-1)
    forced = network.decoder(memory, best, forward_mask()[None])[:, 0]
    for row in range(3):
        ends = (best[row] == EOS).nonzero()
        length = int(ends[0]) + 1 if len(ends) else SLOTS
        assert torch.allclose(logits[row, :length], forced[row, :length], atol=1e-5)


def test_all_orders_at_once_equal_one_by_one(network) -> None:  # type: ignore[no-untyped-def]
    memory, numbers = torch.randn(2, SLOTS, 64), torch.from_numpy(to_numbers(["hotel", "A1"]))
    masks = permutation_masks(4, torch.Generator().manual_seed(0))
    together = network.decoder(memory, numbers, masks)
    for order in range(4):
        assert torch.allclose(
            together[:, order], network.decoder(memory, numbers, masks[order : order + 1])[:, 0], atol=1e-5
        )


def test_a_refined_slot_ignores_its_own_draft(network) -> None:  # type: ignore[no-untyped-def]
    memory = torch.randn(1, SLOTS, 64)
    one, other = (refine(network.decoder, memory, torch.from_numpy(to_numbers([word]))) for word in ("hotel", "hobel"))
    assert torch.allclose(one[0, 2], other[0, 2], atol=1e-5)
    assert not torch.allclose(one[0, 1], other[0, 1], atol=1e-3)


def test_what_stands_behind_the_end_of_a_draft_is_not_seen(network) -> None:  # type: ignore[no-untyped-def]
    memory = torch.randn(1, SLOTS, 64)
    clean = torch.from_numpy(to_numbers(["abc"]))
    dirty = clean.clone()
    dirty[0, 4:] = 7
    assert torch.allclose(refine(network.decoder, memory, clean), refine(network.decoder, memory, dirty), atol=1e-5)


def _collapsed(path: list[int]) -> str:
    kept = [now for before, now in zip([-1, *path], path, strict=False) if now != before and now > 0]
    return "".join(CHARACTERS[number - 1] for number in kept)[:MAX_LENGTH]


def test_ctc_draft_equals_the_loop() -> None:
    generator = torch.Generator().manual_seed(3)
    best = torch.randint(0, 4, (40, 24), generator=generator)
    logits = 9 * F.one_hot(best, 95).float()
    numbers, sure = ctc_draft(logits)
    assert [to_text(row) for row in numbers.tolist()] == [_collapsed(row) for row in best.tolist()]
    assert ((sure > 0) & (sure <= 1)).all()


def test_ctc_draft_of_blanks_is_the_empty_word() -> None:
    numbers, _ = ctc_draft(9 * F.one_hot(torch.zeros(1, 24, dtype=torch.long), 95).float())
    assert to_text(numbers[0].tolist()) == ""
    assert numbers[0, 0] == EOS


def test_likelihoods_equal_the_loop_and_fold_case(network) -> None:  # type: ignore[no-untyped-def]
    memory = torch.randn(2, SLOTS, 64)
    words = ["Ab1", "zz"]
    numbers = torch.from_numpy(to_numbers(words)[:, :4])
    scores = word_likelihoods(network.decoder, memory, numbers[None].expand(2, -1, -1))
    logs = network.decoder(memory[:1], torch.from_numpy(to_numbers(["Ab1"])), forward_mask()[None])[0, 0].log_softmax(
        -1
    )
    expected = 0.0
    for slot, either in enumerate(["Aa", "Bb", "1"]):
        expected += float(torch.logsumexp(torch.stack([logs[slot, CHARACTERS.index(one)] for one in either]), 0))
    expected += float(logs[3, EOS])
    assert scores[0, 0].item() == pytest.approx(expected, abs=1e-4)
    assert scores.shape == (2, 2)


def test_other_case_swaps_letters_alone() -> None:
    numbers = torch.tensor([CHARACTERS.index(one) for one in "aZ5!"] + [EOS, BOS, PAD])
    assert to_text(other_case(numbers)[:4].tolist()) == "Az5!"
    assert other_case(numbers)[4:].tolist() == [EOS, BOS, PAD]
