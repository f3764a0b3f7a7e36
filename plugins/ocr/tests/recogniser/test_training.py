from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mmkit_ocr.recogniser.charset import EOS, PAD, SLOTS, to_numbers
from mmkit_ocr.recogniser.decoder import Decoder
from mmkit_ocr.training.crops import Mixture, crop_set, split
from mmkit_ocr.training.losses import draft_loss, permuted_loss
from mmkit_ocr.training.placing import placed, stretched
from mmkit_ocr.training.spelling import near_word, read_words
from mmkit_ocr.training.words_stage import pretrain_decoder
from torch.nn import functional as F

from mmkit.training.budget import Budget


class _Spelt:
    """A text tower that says the word itself: one state a character."""

    width = 64

    def states(self, words: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        codes = torch.randn(97, self.width, generator=torch.Generator().manual_seed(5))
        places = torch.randn(SLOTS, self.width, generator=torch.Generator().manual_seed(6))
        numbers = torch.from_numpy(to_numbers(words))
        return codes[numbers] + places, numbers != PAD


def test_permuted_loss_equals_the_loop() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 4, SLOTS, EOS + 1)
    numbers = torch.from_numpy(to_numbers(["ab", "x"]))
    losses = []
    for row, length in enumerate((2, 1)):
        for order in range(4):
            for slot in range(length + 1):
                if slot == length and order >= 2:
                    continue
                losses.append(F.cross_entropy(logits[row, order, slot][None], numbers[row, slot][None]))
    assert float(permuted_loss(logits, numbers)) == pytest.approx(float(torch.stack(losses).mean()), abs=1e-5)


def test_draft_loss_passes_words_that_do_not_fit() -> None:
    numbers = torch.from_numpy(to_numbers(["abc", "x" * 25]))
    loss = draft_loss(torch.zeros(2, 12, 95, requires_grad=True), numbers)
    assert torch.isfinite(loss)
    assert float(loss) > 0


def test_the_decoder_learns_to_spell_from_words_alone() -> None:
    torch.manual_seed(0)
    words = ["exit", "hotel", "cafe", "taxi", "bank", "park", "shop", "stop"]
    decoder = Decoder(64, 1)
    noise = F.layer_norm(torch.randn(50, 64), (64,))
    report = pretrain_decoder(decoder, words, _Spelt(), noise, Budget(steps=150), batch=8, rate=3e-3, permutations=4)
    assert report["spelt_back"] == 1.0


def test_near_words_are_other_words() -> None:
    rng = np.random.default_rng(0)
    for word in ["a", "hotel", "aa", "x" * 25]:
        for _ in range(50):
            near = near_word(word, rng)
            assert near != word
            assert len(near) <= 25


def test_word_files_are_read_once_and_checked(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("hotel\n\nexit\nhotel\nna\u00efve\n" + "x" * 40, encoding="utf-8")
    assert read_words(tmp_path / "words.txt") == ["hotel", "exit"]
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ValueError, match="Expected words"):
        read_words(tmp_path / "empty.txt")


def test_crops_are_held_out_once_each(draw: Callable[[str], np.ndarray]) -> None:
    words = [f"w{number}" for number in range(20)]
    crops = crop_set("drawn", [draw(word) for word in words], words, width=96)
    shown, held = split(crops, share=0.25)
    assert sorted(shown.texts + held.texts) == sorted(words)
    assert len(held) == 5
    mixture = Mixture([shown, held], weights={"drawn": 1.0}, device=torch.device("cpu"))
    assert mixture.rows(64, torch.Generator().manual_seed(0)).max() < 20


def test_placing_undoes_stretching() -> None:
    smooth = F.interpolate(
        torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(0)), (48, 96), mode="bilinear"
    )
    widths = torch.tensor([80.0])
    laid = placed(smooth, widths)
    assert (laid[..., 80:] - laid[..., -1:]).abs().max() == 0
    again = placed(stretched(laid, widths), widths)
    assert (again - laid).abs().mean() < 0.01
