from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmkit_motion.captioning import search_caption
from mmkit_motion.model import losses
from mmkit_motion.model.generator import MaskedGenerator, corrupt, mask_share
from mmkit_motion.model.query_transformer import QueryTransformer
from mmkit_motion.model.sizes import Sizes
from mmkit_motion.model.vqvae import MotionVqVae
from mmkit_motion.model.weights import Networks, load_networks, save_networks
from mmkit_motion.training.corpus import Batch
from mmkit_motion.training.stages import END, next_words, query_losses

TINY = Sizes(
    features=6, width=32, codes=8, queries=4, layers=2, heads=2, generator_layers=2, embedding=16, words=12, tokens=6,
    vocabulary=9,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def _batch(count: int = 8) -> Batch:
    """Sine motions of ``count`` paces, each with two words of its own."""
    times = torch.arange(16) / 16
    phase = torch.arange(6)[None, :] * 0.7
    features = torch.stack([torch.sin(2 * torch.pi * (1 + n) * times[:, None] + phase) for n in range(count)])
    tokens = torch.stack([torch.tensor([n % 8, (n * 3 + 1) % 8]) for n in range(count)])
    table = torch.randn(8, 12)
    pooled = F.normalize(table[tokens].mean(1) + 0.3 * torch.randn(count, 12), dim=-1)
    eye = torch.eye(count, dtype=torch.bool)
    mask = torch.ones(count, 16, dtype=torch.bool)
    words = torch.ones(count, 2, dtype=torch.bool)
    return Batch(features, mask, tokens, table[tokens], words, pooled, eye, ~eye & False, torch.arange(count))


def test_the_four_losses_fit_eight_motions() -> None:
    batch = _batch()
    vqvae, model = MotionVqVae(TINY).eval(), QueryTransformer(TINY, dropout=0.0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(120):
        parts = query_losses(model, vqvae, batch, word_drop=0.0, noise=0.0)
        optimiser.zero_grad()
        sum(parts.values()).backward()
        optimiser.step()
    model.eval()
    with torch.no_grad():
        states = vqvae.encode(batch.features, batch.mask)
        motions = model.motion_vectors(model.read_motion(model.motion_memory(states), batch.mask[:, ::4]))
        texts = model.text_vectors(model.read_text(batch.words, batch.pooled, batch.word_mask), batch.pooled)
        scores = losses.pair_scores(motions, texts)
        after = query_losses(model, vqvae, batch, word_drop=0.0, noise=0.0)
    assert torch.equal(scores.argmax(0), torch.arange(8))  # every text finds its motion
    assert torch.equal(scores.argmax(1), torch.arange(8))
    assert float(after["matching"]) < 0.3
    assert float(after["caption"]) < 1.2  # chance is log 9 = 2.2, the least with smoothing 0.1 about 0.7


def test_the_score_of_a_pair_is_the_best_query() -> None:
    motions, texts = F.normalize(torch.randn(3, 5, 7), dim=-1), F.normalize(torch.randn(4, 7), dim=-1)
    scores = losses.pair_scores(motions, texts)
    for m in range(3):
        for t in range(4):
            assert scores[m, t] == pytest.approx(max(float(q @ texts[t]) for q in motions[m]), abs=1e-6)


def test_contrastive_loss_is_cross_entropy_where_only_pairs_belong_together() -> None:
    scores, scale = torch.randn(6, 6), torch.tensor(5.0)
    expected = sum(F.cross_entropy(way * scale, torch.arange(6), label_smoothing=0.1) for way in (scores, scores.T)) / 2
    found = losses.contrastive_loss(scores, scale, torch.eye(6, dtype=torch.bool))
    assert float(found) == pytest.approx(float(expected), abs=1e-5)


def test_one_pair_has_nothing_to_contrast() -> None:
    loss = losses.contrastive_loss(torch.tensor([[0.3]]), torch.tensor(10.0), torch.ones(1, 1, dtype=torch.bool))
    assert float(loss) == pytest.approx(0.0, abs=1e-6)


def test_pairs_to_ignore_do_not_count() -> None:
    same = torch.eye(3, dtype=torch.bool)
    ignore = torch.zeros(3, 3, dtype=torch.bool)
    ignore[0, 1] = True
    low, high = torch.zeros(3, 3), torch.zeros(3, 3)
    high[0, 1] = 5.0
    ways = [losses.contrastive_loss(s, torch.tensor(1.0), same, ignore=ignore) for s in (low, high)]
    assert float(ways[0]) == pytest.approx(float(ways[1]), abs=1e-6)
    assert float(losses.contrastive_loss(high, torch.tensor(1.0), same)) > float(ways[0]) + 0.1


def test_hard_negatives_are_never_right() -> None:
    same = torch.eye(5, dtype=torch.bool)
    same[0, 3] = True
    for _ in range(50):
        motions, texts = losses.hard_negatives(torch.eye(5) * 9, torch.tensor(10.0), same)
        assert not same[motions, torch.arange(5)].any()
        assert not same[torch.arange(5), texts].any()


def test_hard_negatives_are_drawn_even_where_all_belong_together() -> None:
    motions, texts = losses.hard_negatives(torch.zeros(2, 2), torch.tensor(1.0), torch.ones(2, 2, dtype=torch.bool))
    assert motions.shape == texts.shape == (2,)


def test_the_scale_starts_at_one_over_seven_hundredths_and_stops_at_a_hundred() -> None:
    model = QueryTransformer(TINY)
    assert float(model.scale.detach()) == pytest.approx(1 / 0.07, rel=1e-5)
    model.log_scale.data.fill_(99.0)
    assert float(model.scale.detach()) == pytest.approx(100.0, rel=1e-5)


def test_a_later_word_changes_nothing_before_it() -> None:
    model = QueryTransformer(TINY).eval()
    memory, mask = torch.randn(1, 4, 32), torch.ones(1, 4, dtype=torch.bool)
    words, shown = torch.randn(1, 5, 12), torch.ones(1, 5, dtype=torch.bool)
    other = words.clone()
    other[:, 3] += 1.0
    one, two = (model.word_logits(memory, mask, some, shown) for some in (words, other))
    assert torch.allclose(one[:, :4], two[:, :4], atol=1e-6)
    assert not torch.allclose(one[:, 4:], two[:, 4:], atol=1e-4)


def test_padding_never_reaches_a_motion_or_a_text() -> None:
    vqvae, model = MotionVqVae(TINY).eval(), QueryTransformer(TINY).eval()
    rows = torch.randn(1, 8, 6)
    short = torch.ones(1, 8, dtype=torch.bool)
    padded, long = F.pad(rows, (0, 0, 0, 8), value=7.0), F.pad(short, (0, 8))
    alone, among = vqvae.encode(rows, short), vqvae.encode(padded, long)
    assert torch.allclose(alone, among[:, :2], atol=1e-6)
    assert not among[:, 2:].any()
    outputs = [
        model.read_motion(model.motion_memory(states), mask[:, ::4]) for states, mask in ((alone, short), (among, long))
    ]
    assert torch.allclose(*outputs, atol=1e-5)
    words, pooled = torch.randn(1, 3, 12), torch.randn(1, 12)
    texts = [
        model.read_text(F.pad(words, (0, 0, 0, n)), pooled, F.pad(torch.ones(1, 3, dtype=torch.bool), (0, n)))[:, :4]
        for n in (0, 2)
    ]
    assert torch.allclose(*texts, atol=1e-5)


def test_the_end_follows_the_last_word() -> None:
    targets = next_words(torch.tensor([[4, 5, 0], [6, 0, 0]]), torch.tensor([[1, 1, 0], [1, 0, 0]]).bool())
    assert targets.tolist() == [[5, 6, END, -100], [7, END, -100, -100]]


def test_the_codebook_takes_the_nearest_and_moves_towards_it() -> None:
    book = MotionVqVae(TINY).codebook
    states = torch.randn(40, 32)
    chosen = book.nearest(states)
    assert torch.equal(chosen, torch.cdist(states, book.codes).argmin(-1))
    for _ in range(300):
        book.update(states, book.nearest(states), least=0.01)
    after = (states - book.codes[book.nearest(states)]).square().mean()
    assert float(after) < float((states - states.mean(0)).square().mean())


def test_corruption_keeps_to_its_shares() -> None:
    codes = torch.randint(8, (400, 40))
    mask = torch.arange(40) < torch.randint(10, 41, (400, 1))
    noisy, chosen = corrupt(codes, mask, codebook=8)
    assert not (chosen & ~mask).any()
    assert torch.equal(noisy[~chosen], codes[~chosen])
    assert float((noisy[chosen] == 8).float().mean()) == pytest.approx(0.9 * 0.88, abs=0.03)
    shares = chosen.sum(1) / mask.sum(1)
    assert float(shares.mean()) == pytest.approx(2 / torch.pi, abs=0.04)  # the mean of cos(pi u / 2)
    assert float(mask_share(0.0)) == 1.0
    assert float(mask_share(1.0)) == pytest.approx(0.0, abs=1e-6)


def test_sampling_fills_every_place_within_the_length_and_repeats_with_its_seed() -> None:
    model = MaskedGenerator(TINY).eval()
    condition, lengths = torch.randn(3, 32), torch.tensor([4, 2, 3])

    def draw(seed: int) -> torch.Tensor:
        return model.sample(condition, lengths, generator=torch.Generator().manual_seed(seed))

    codes = draw(5)
    assert codes.shape == (3, 4)
    assert int(codes.max()) < TINY.codes
    assert not codes[1, 2:].any()
    assert torch.equal(codes, draw(5))


def test_guidance_of_one_is_the_condition_alone() -> None:
    model = MaskedGenerator(TINY).eval()
    codes, mask, condition = torch.full((1, 4), 8), torch.ones(1, 4, dtype=torch.bool), torch.randn(1, 32)
    with torch.no_grad():
        expected = model(codes, mask, condition).argmax(-1)
        found = model.sample(condition, torch.tensor([4]), guidance=1.0, steps=1, temperature=0.0)
    assert torch.equal(found, expected)


def test_weights_come_back_from_their_files(tmp_path: Path) -> None:
    nets = Networks(
        TINY, MotionVqVae(TINY), QueryTransformer(TINY), MaskedGenerator(TINY), torch.zeros(6), torch.ones(6), (3, 4)
    )
    save_networks(nets, tmp_path, notes={"seed": 1})
    again = load_networks(tmp_path)
    assert again.vocabulary == (3, 4)
    for one, other in zip(nets.query.parameters(), again.query.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-2)
    config = json.loads((tmp_path / "config.json").read_text())
    config["sizes"]["width"] = 64
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RuntimeError, match="size mismatch"):
        load_networks(tmp_path)
    with pytest.raises(ValueError, match="sizes"):
        Sizes.from_dict({"width": 3})
    assert np.isfinite(again.mean.numpy()).all()


def test_a_word_that_is_barred_is_not_written() -> None:
    class Speaker:
        """Would write place 2 for ever, place 1 next best, and end after two words."""

        def word_logits(self, memory: torch.Tensor, mask: torch.Tensor, words: torch.Tensor, shown: torch.Tensor):
            end = 9.0 if words.shape[1] > 1 else -9.0
            return torch.tensor([end, 1.0, 3.0]).expand(len(words), words.shape[1] + 1, 3)

    def said(*without: int) -> list[int]:
        return search_caption(
            Speaker(),  # type: ignore[arg-type]
            torch.zeros(1, 4, 8),
            torch.ones(1, 4, dtype=torch.bool),
            vocabulary=(0, 11, 12),
            embed=lambda ids: torch.zeros(*ids.shape, 8),
            beams=1,
            without=without,
        )

    assert said() == [2, 2]
    assert said(2) == [1, 1]
