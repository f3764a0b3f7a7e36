"""A causal model of transformers as the decoder: a GPT-2 made here, of a few thousand weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from mmkit_caption.training import run
from mmkit_caption.training.corpus import Sentence
from mmkit_caption.training.gan import GanPlan
from mmkit_caption.training.warm import WarmPlan
from mmkit_caption.writer import CaptionWriter

from mmkit.encoders.base import Encoder
from mmkit.errors import ModelUnavailable
from mmkit.generation.search import beam_search

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny GPT-2 and its tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    from mmkit.encoders.torchvision_guard import guard_torchvision

    guard_torchvision()
    folder = tmp_path_factory.mktemp("gpt2")
    words = ["<|endoftext|>", "<unk>", *["a", "dog", "cat", "runs", "sleeps", "on", "the", "sofa", "beach"]]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", bos_token="<|endoftext|>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(words), n_positions=32, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def test_the_cache_changes_nothing(gpt2: Path, tmp_path: Path) -> None:
    from mmkit_caption.causal import load_causal

    decoder, vocabulary, width = load_causal(str(gpt2), tmp_path)
    assert width == 32
    assert vocabulary.pad != vocabulary.eos
    prompt = torch.randn(3, 4, width)
    with torch.no_grad():
        best = beam_search(decoder, prompt, eos=vocabulary.eos, max_length=5, beam=1)
        for row, found in enumerate(best):
            states = prompt[row : row + 1]
            ids = []
            while len(ids) < 5:
                piece = int(decoder.logits(decoder(states))[0, -1].argmax())
                if piece == vocabulary.eos:
                    break
                ids.append(piece)
                states = torch.cat([states, decoder.embed(torch.tensor([[piece]]))], dim=1)
            assert list(found[0].ids) == ids


def test_it_learns_to_caption_and_is_loaded_again(gpt2: Path, tmp_path: Path, hashed: Encoder) -> None:
    texts: Sequence[str] = ["a dog runs on the beach", "a cat sleeps on the sofa"]
    from mmkit_caption.training.vectors import text_vectors

    vectors = text_vectors(hashed, texts)
    material = run.Material([Sentence(text) for text in texts], texts, vectors, vectors)
    plan = run.Plan(
        steps=80,
        gan_steps=1,
        decoder=str(gpt2),
        prefix=2,
        hidden=None,
        max_length=10,
        gap="none",
        support=0,
        warm=WarmPlan(batch=2, rate=5e-3, sigma=0.0, smoothing=0.0),
        gan=GanPlan(batch=2, samples=2, max_length=10),
    )
    run.train(material, plan, tmp_path / "out", hashed, device="cpu", log=print)
    found = CaptionWriter(tmp_path / "out" / "warm", device="cpu").write(vectors, n=2, beam=3)
    assert [captions[0].text for captions in found] == list(texts)
    assert np.isfinite([caption.score for captions in found for caption in captions]).all()


def test_a_model_that_is_not_there_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmkit_caption.causal import load_causal

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        load_causal(str(tmp_path / "nothing"), tmp_path)
