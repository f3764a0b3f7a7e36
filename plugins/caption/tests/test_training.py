"""Training: conditions, rewards, both stages on six sentences, guards and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from mmkit_caption.training import gather, run
from mmkit_caption.training.conditions import Conditions
from mmkit_caption.training.corpus import Sentence, pivot_texts, read_corpus
from mmkit_caption.training.discriminator import Discriminator, discriminator_loss
from mmkit_caption.training.gan import GanPlan
from mmkit_caption.training.rewards import clip_agg, clip_cos, self_critical_loss, semantic_reward, semantic_weight
from mmkit_caption.training.texts import batches_of
from mmkit_caption.training.vectors import picture_vectors, text_vectors
from mmkit_caption.training.warm import WarmPlan
from mmkit_caption.writer import CaptionWriter

from mmkit.encoders.base import Encoder
from mmkit.errors import BadInput, UsageError
from mmkit.training.steps import GuardedOptimiser


def corpus_file(folder: Path, sentences: Sequence[str]) -> Path:
    path = folder / "corpus.txt"
    path.write_text("\n".join(sentences) + "\n", encoding="utf-8")
    return path


def small(**changes: object) -> run.Plan:
    return run.Plan(
        **{
            "steps": 150,
            "vocabulary": 330,
            "sizes": {"width": 32, "heads": 2, "decoder_layers": 1, "dropout": 0.0},
            "prefix": 4,
            "hidden": None,
            "max_length": 16,
            "gap": "none",
            "projection": 1.0,
            "temperature": 20.0,
            "warm": WarmPlan(batch=6, rate=5e-3, sigma=0.02, temperature=20.0, smoothing=0.0),
            "gan": GanPlan(batch=4, samples=3, max_length=14, quiet=1, ramp=4),
            **changes,
        }  # type: ignore[arg-type]
    )


def test_a_corpus_of_lines_and_of_json(tmp_path: Path) -> None:
    plain = corpus_file(tmp_path, ["A dog.", "", "A dog.", "A cat."])
    told = tmp_path / "more.jsonl"
    lines = [{"text": "Ein Hund.", "lang": "de", "of": "A hound."}, {"text": "A hound.", "group": "7"}]
    told.write_text("\n".join(map(json.dumps, lines)))
    every = read_corpus([plain, told])
    assert [s.text for s in every] == ["A dog.", "A cat.", "Ein Hund.", "A hound."]
    assert pivot_texts(every) == ["A dog.", "A cat.", "A hound."]
    assert read_corpus([told], languages=["de"]) == [Sentence("Ein Hund.", "de", "A hound.")]
    with pytest.raises(BadInput, match="at least one sentence in fr"):
        read_corpus([told], languages=["fr"])
    told.write_text('{"lang": "de"}')
    with pytest.raises(BadInput, match="text"):
        read_corpus([told])


def test_each_sentence_has_the_vector_it_should() -> None:
    corpus = [
        Sentence("a", group="1"),
        Sentence("b", group="1"),
        Sentence("c"),
        Sentence("A", "de", of="a"),
        Sentence("B", "de", group="1"),
        Sentence("C", "de"),
    ]
    texts = pivot_texts(corpus)
    vectors = torch.eye(3)
    own = Conditions(corpus, texts, vectors)
    assert own.usable.tolist() == [True, True, True, True, True, False]
    assert torch.equal(own.draw(torch.tensor([0, 1, 2, 3])), vectors[[0, 1, 2, 0]])
    grouped = Conditions(corpus, texts, vectors, share=1.0)
    # The other one of two stands for each; one alone keeps its own; a translation without a source takes the group's.
    assert torch.equal(grouped.draw(torch.tensor([0, 1, 2])), vectors[[1, 0, 2]])
    drawn = grouped.draw(torch.tensor([4] * 20))
    assert torch.allclose(drawn.norm(dim=1), torch.ones(20))
    assert drawn[:, 2].abs().max() == 0


def test_batches_hold_texts_of_like_length_and_all_of_them() -> None:
    lengths = torch.arange(1, 101)
    batches = batches_of(lengths, torch.arange(100), torch.ones(100), 10, seed=0)
    epoch = [next(batches) for _ in range(10)]
    assert torch.equal(torch.cat(epoch).sort().values, torch.arange(100))
    assert all(int(lengths[rows].max() - lengths[rows].min()) <= 12 for rows in epoch)


def test_rewards_at_their_ends() -> None:
    rows = torch.eye(4)
    assert torch.allclose(clip_cos(rows, rows), torch.full((4,), 100.0))
    assert torch.allclose(clip_agg(rows, rows), torch.full((4,), 100.0))
    other = rows.roll(1, 0)
    assert torch.allclose(clip_agg(rows, other), torch.full((4,), 50 * (1 - 2 / 4)))
    mixed = semantic_reward(rows, other, rows, cos_share=1.0)
    assert torch.allclose(mixed, clip_cos(rows, rows))
    assert torch.isfinite(clip_agg(torch.zeros(1, 4), rows[:1])).all()


def test_no_gradient_where_every_sample_is_the_greedy_text() -> None:
    log_probs = torch.randn(3, 5, requires_grad=True)
    rewards = torch.full((3, 5), 7.0)
    self_critical_loss(log_probs, rewards, rewards[:, 0]).backward()
    assert log_probs.grad is not None
    assert log_probs.grad.abs().max() == 0
    better = rewards.clone()
    better[0, 0] = 9.0
    log_probs.grad = None
    self_critical_loss(log_probs, better, rewards[:, 0]).backward()
    assert log_probs.grad[0, 0] < 0
    assert log_probs.grad[1:].abs().max() == 0


def test_the_semantic_reward_comes_in_slowly() -> None:
    assert semantic_weight(0) == semantic_weight(150) == 0
    assert semantic_weight(150 + 2350) == semantic_weight(10**6) == 0.5
    assert 0.2 < semantic_weight(150 + 1175) < 0.3


def test_the_discriminator_ignores_padding_and_learns() -> None:
    torch.manual_seed(0)
    critic = Discriminator(10, pad=0, width=16, layers=1, dropout=0.0)
    ids = torch.tensor([[3, 4, 5, 0, 0]])
    assert torch.allclose(critic(ids), critic(ids[:, :3]), atol=1e-5)
    assert torch.isfinite(critic(torch.zeros(1, 3, dtype=torch.long))).all()
    real, written = torch.tensor([[3, 4, 5]] * 4), torch.tensor([[6, 7, 8]] * 4)
    optimiser = GuardedOptimiser(critic, rate=1e-2)
    first = float(discriminator_loss(critic(real), critic(written)).detach())
    for _ in range(20):
        optimiser.step(discriminator_loss(critic(real), critic(written)))
    assert float(discriminator_loss(critic(real), critic(written)).detach()) < first / 2


def test_vectors_are_kept_and_found_again(hashed: Encoder, tmp_path: Path, photo: Callable[..., Path]) -> None:
    texts = ["a dog runs far", "a cat"]
    first = text_vectors(hashed, texts, cache=tmp_path / "kept")
    assert len(list((tmp_path / "kept").glob("text-*.npy"))) == 1
    assert np.allclose(text_vectors(hashed, texts, cache=tmp_path / "kept"), first, atol=1e-3)
    assert np.allclose(first, np.stack([text_vectors(hashed, [text])[0] for text in texts]))
    names, rows = picture_vectors(hashed, [str(photo("a-cat.png"))])
    assert len(names) == 1
    assert np.allclose(rows[0], first[1], atol=1e-5)
    np.save(tmp_path / "wrong.npy", np.zeros((2, 3), np.float32))
    with pytest.raises(BadInput, match="rows of 16"):
        picture_vectors(hashed, [str(tmp_path / "wrong.npy")])


def test_both_stages_learn_and_go_on(
    hashed: Encoder, tmp_path: Path, sentences: Sequence[str], photo: Callable[..., Path]
) -> None:
    pictures = [str(photo(f"{text[:-1].replace(' ', '-')}.png")) for text in sentences]
    material = gather.unpaired(hashed, pictures, [corpus_file(tmp_path, sentences)], ["en"])
    out = tmp_path / "out"
    told: list[str] = []
    result = run.train(material, small(gan_steps=3), out, hashed, device="cpu", log=told.append)
    assert result["warm"]["step"] == 150
    assert result["gan"]["step"] == 3
    assert result["written"] == "gan"
    found = CaptionWriter(out / "warm", device="cpu").write(material.image_vectors, beam=1)
    # Pictures whose vectors are those of the sentences are told by them, though none was seen.
    assert sum(texts[0].text == text for texts, text in zip(found, sentences, strict=True)) >= 4
    again = run.train(material, small(gan_steps=4), out, hashed, device="cpu", resume=True, log=told.append)
    assert again["warm"]["step"] == 150
    assert again["gan"]["step"] == 4


def test_the_better_stage_is_written(hashed: Encoder, tmp_path: Path, sentences: Sequence[str]) -> None:
    material = gather.unpaired(hashed, [], [corpus_file(tmp_path, sentences)], ["en"])
    material = run.Material(material.corpus, material.texts, material.text_vectors, material.text_vectors)
    scores = iter([{"cider": 2.0, "clipscore": 1.0}, {"cider": 1.0, "clipscore": 1.0}])
    plan = small(steps=2, gan_steps=1)
    result = run.train(material, plan, tmp_path / "out", hashed, device="cpu", check=lambda _: next(scores), log=print)
    assert result["written"] == "warm"
    warm, kept = (CaptionWriter(tmp_path / "out" / name, device="cpu") for name in ("warm", "."))
    assert warm.write(material.text_vectors[:2])[0] == kept.write(material.text_vectors[:2])[0]


def test_pairs_are_learnt_from_where_they_are_given(
    hashed: Encoder, tmp_path: Path, photo: Callable[..., Path]
) -> None:
    photo("in/a-dog.png")
    photo("in/a-cat.png")
    lines = [{"file": "a-dog.png", "captions": ["Hello."]}, {"file": "a-cat.png", "captions": ["Goodbye."]}]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, lines)))
    material = gather.paired(hashed, tmp_path / "in", tmp_path / "pairs.jsonl", ["en"])
    plan = small(steps=60, support=0, projection=0.0, warm=WarmPlan(batch=2, rate=1e-2, sigma=0.0, smoothing=0.0))
    run.train(material, plan, tmp_path / "out", hashed, device="cpu", log=print)
    found = CaptionWriter(tmp_path / "out", device="cpu").write(material.image_vectors, beam=1)
    assert [texts[0].text for texts in found] == ["Hello.", "Goodbye."]


def test_a_corpus_without_a_vector_is_refused(hashed: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "de.jsonl"
    path.write_text('{"text": "Ein Hund.", "lang": "de"}')
    with pytest.raises(UsageError, match="no sentence"):
        run.train(gather.unpaired(hashed, [], [path], ["de"]), small(languages=("de",)), tmp_path / "o", hashed)
