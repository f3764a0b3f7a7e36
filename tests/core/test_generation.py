"""The room that writes texts: prefix, gap, transformer with its cache, search, vocabulary."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from mmkit.generation.gap import GapCorrection, aggregate, mean_distance
from mmkit.generation.prefix import PrefixMapper
from mmkit.generation.search import Hypothesis, beam_search, sample, sequence_log_probs
from mmkit.generation.transformer import TextDecoder, TextEncoder, TransformerSizes
from mmkit.generation.vocabulary import Vocabulary

EOS, PAD = 2, 0


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def tiny(vocabulary: int = 11, *, cross: bool = False) -> TextDecoder:
    sizes = TransformerSizes(vocabulary, width=16, heads=2, feedforward=32, encoder_layers=1, decoder_layers=2)
    decoder = TextDecoder(sizes, cross_attention=cross).eval()
    # Sharper scores than at the start of training, so that texts differ.
    with torch.no_grad():
        decoder.tokens.weight.mul_(4)
    return decoder


def test_prefix_has_the_shape_of_decoder_inputs_and_maps_rows_one_by_one() -> None:
    for hidden in (None, 20):
        mapper = PrefixMapper(6, 8, length=3, hidden=hidden)
        vectors = torch.randn(5, 6)
        assert mapper(vectors).shape == (5, 3, 8)
        torch.testing.assert_close(mapper(vectors)[2:3], mapper(vectors[2:3]))
    with pytest.raises(ValueError, match="at least 1"):
        PrefixMapper(6, 8, length=0)


def test_mean_shift_closes_the_gap_and_leaves_the_trained_tower_alone() -> None:
    text = F.normalize(torch.randn(400, 8) * 0.3 + torch.eye(8)[0], dim=1)
    image = F.normalize(torch.randn(400, 8) * 0.3 + torch.eye(8)[1], dim=1)
    gap = GapCorrection("mean", means={"text": text.mean(0), "image": image.mean(0)})
    moved = gap.query(image, "image")
    assert mean_distance(text, moved) < 0.4 * mean_distance(text, image)
    torch.testing.assert_close(moved.norm(dim=1), torch.ones(400))
    assert gap.query(text, "text") is text
    assert GapCorrection().query(image, "image") is image
    with pytest.raises(ValueError, match="audio"):
        gap.query(image, "audio")
    with pytest.raises(ValueError, match="means"):
        GapCorrection("mean", means={"image": image.mean(0)})


Statistics = dict[str, dict[str, torch.Tensor]]


def two_towers(count: int = 400, dim: int = 24) -> tuple[torch.Tensor, torch.Tensor, Statistics]:
    """Texts and pictures of the same things in two cones, pictures spread less in half of the dims; statistics."""
    meaning, away = torch.randn(count, dim), 3 * torch.randn(2, dim)
    narrow = torch.where(torch.arange(dim) % 2 == 1, 0.3, 1.0)
    texts, images = F.normalize(meaning + away[0], dim=1), F.normalize(meaning * narrow + away[1], dim=1)
    towers = {"text": texts, "image": images}
    known = {
        "means": {name: rows.mean(0) for name, rows in towers.items()},
        "spreads": {name: rows.std(0) for name, rows in towers.items()},
    }
    return texts, images, known


def test_scaling_brings_pictures_nearer_to_their_texts_than_the_shift_alone() -> None:
    texts, images, known = two_towers()
    near, found = [], []
    for kind in ("none", "mean", "scaled"):
        moved = GapCorrection(kind, **known).query(images, "image")  # type: ignore[arg-type]
        near.append(float((moved * texts).sum(1).mean()))
        away = (moved - known["means"]["text"]) @ (texts - known["means"]["text"]).T
        found.append(float((away.argmax(1) == torch.arange(len(texts))).float().mean()))
    assert near[0] < near[1] - 0.2
    assert near[1] < near[2]
    assert found[1] < found[2]


def test_equal_statistics_change_nothing_and_a_spread_stands_beside_each_mean() -> None:
    _, images, known = two_towers()
    same = {name: {"text": pair["image"], "image": pair["image"]} for name, pair in known.items()}
    for kind in ("mean", "scaled"):
        torch.testing.assert_close(GapCorrection(kind, **same).query(images, "image"), images)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="spread"):
        GapCorrection("scaled", means=known["means"])


def test_a_share_of_the_support_is_taken_after_the_shift() -> None:
    texts, images, known = two_towers(count=8)
    plain = GapCorrection("mean", means=known["means"]).query(images, "image")
    nearest = texts[(plain @ texts.T).argmax(1)]
    for share, wanted in ((0.0, plain), (1.0, nearest), (0.5, F.normalize(plain + nearest, dim=1))):
        gap = GapCorrection("mean", means=known["means"], support=texts, share=share, temperature=1e4)
        torch.testing.assert_close(gap.query(images, "image"), wanted, atol=1e-4, rtol=0)
        assert gap.query(texts, "text") is texts
    alone = GapCorrection(support=texts, share=1.0, temperature=1e4).query(images, "image")
    torch.testing.assert_close(alone, texts[(images @ texts.T).argmax(1)], atol=1e-4, rtol=0)


def test_aggregation_at_its_ends() -> None:
    vectors, support = F.normalize(torch.randn(4, 16), dim=1), F.normalize(torch.randn(9, 16), dim=1)
    nearest = support[(vectors @ support.T).argmax(1)]
    torch.testing.assert_close(aggregate(vectors, support, temperature=1e4), nearest, atol=1e-4, rtol=0)
    mean = support.mean(0).expand(4, -1)
    torch.testing.assert_close(aggregate(vectors, support, temperature=0.0), mean, atol=1e-6, rtol=0)
    one = support[:1].expand(4, -1)
    torch.testing.assert_close(aggregate(vectors, support[:1], temperature=30.0), one, atol=1e-6, rtol=0)
    assert aggregate(vectors[:0], support, temperature=1.0).shape == (0, 16)
    with pytest.raises(ValueError, match="sentence"):
        aggregate(vectors, support[:0], temperature=1.0)


def test_noise_has_the_stated_size_and_needs_one() -> None:
    vectors = F.normalize(torch.randn(2000, 64), dim=1)
    blurred = GapCorrection("noise", sigma=0.05).blurred(vectors)
    # The cosine of a unit vector with itself under noise of variance sigma² in each of D dims.
    assert float((blurred * vectors).sum(1).mean()) == pytest.approx((1 + 64 * 0.05**2) ** -0.5, abs=0.005)
    with pytest.raises(ValueError, match="sigma"):
        GapCorrection("noise")


def test_cached_steps_equal_one_reading_and_the_future_is_not_seen() -> None:
    decoder = tiny(cross=True)
    memory, mask = torch.randn(3, 4, 16), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]).bool()
    inputs = torch.randn(3, 6, 16)
    whole = decoder(inputs, memory, mask)
    state = decoder.start(memory, mask)
    parts = [decoder.read(inputs[:, :3], state)]
    parts += [decoder.read(inputs[:, place : place + 1], state) for place in range(3, 6)]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=1e-5)
    changed = inputs.clone()
    changed[:, 4:] += 1
    torch.testing.assert_close(decoder(changed, memory, mask)[:, :4], whole[:, :4])
    with pytest.raises(ValueError, match="one place"):
        decoder.read(inputs[:, :2], state)


def test_padding_changes_nothing() -> None:
    decoder = tiny(cross=True)
    encoder = TextEncoder(decoder.sizes).eval()
    source = torch.randn(1, 3, 16)
    padded = torch.cat([source, torch.randn(1, 2, 16)], dim=1)
    mask = torch.tensor([[True, True, True, False, False]])
    alone = encoder(source, mask[:, :3])
    torch.testing.assert_close(encoder(padded, mask)[:, :3], alone, atol=1e-5, rtol=1e-5)
    target = torch.randn(1, 2, 16)
    torch.testing.assert_close(
        decoder(target, encoder(padded, mask), mask), decoder(target, alone, mask[:, :3]), atol=1e-5, rtol=1e-5
    )


def test_a_decoder_without_a_source_refuses_one() -> None:
    with pytest.raises(ValueError, match="source"):
        tiny().start(torch.randn(1, 2, 16))
    with pytest.raises(ValueError, match="source"):
        tiny(cross=True).start()


def exhaustive(decoder: TextDecoder, prompt: torch.Tensor, length: int, penalty: float) -> list[Hypothesis]:
    """All texts of up to ``length`` pieces, scored one by one."""
    pieces = [piece for piece in range(decoder.sizes.vocabulary) if piece != EOS]
    texts: list[tuple[int, ...]] = []
    for size in range(length):
        texts += [(*text, EOS) for text in itertools.product(pieces, repeat=size)]
    texts += list(itertools.product(pieces, repeat=length))
    scored = []
    for text in texts:
        ids = torch.tensor([text])
        total = float(sequence_log_probs(decoder, prompt, ids, pad=-1).sum().detach())
        scored.append(Hypothesis(tuple(p for p in text if p != EOS), total / len(text) ** penalty))
    return sorted(scored, key=lambda hypothesis: -hypothesis.score)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_of_all_texts(penalty: float) -> None:
    decoder = tiny(vocabulary=5)
    prompts = torch.randn(4, 2, 16)
    found = beam_search(decoder, prompts, eos=EOS, max_length=3, beam=64, n_best=3, length_penalty=penalty)
    for row, hypotheses in enumerate(found):
        best = exhaustive(decoder, prompts[row : row + 1], 3, penalty)[:3]
        assert [h.ids for h in hypotheses] == [h.ids for h in best]
        assert [h.score for h in hypotheses] == pytest.approx([h.score for h in best], abs=1e-4)


def test_a_batch_is_searched_as_each_alone_and_a_beam_of_one_is_greedy() -> None:
    decoder = tiny(cross=True)
    prompts, memory = torch.randn(6, 2, 16), torch.randn(6, 5, 16)
    mask = torch.arange(5)[None, :] < torch.tensor([[5], [3], [1], [4], [2], [5]])
    together = beam_search(decoder, prompts, eos=EOS, max_length=9, memory=memory, memory_mask=mask, beam=3)
    for row in range(6):
        one = slice(row, row + 1)
        alone = beam_search(
            decoder, prompts[one], eos=EOS, max_length=9, memory=memory[one], memory_mask=mask[one], beam=3
        )
        assert alone[0][0].ids == together[row][0].ids
    narrow = beam_search(decoder, prompts, eos=EOS, max_length=9, memory=memory, memory_mask=mask, beam=1)
    greedy = sample(
        decoder, prompts, eos=EOS, pad=PAD, max_length=9, memory=memory, memory_mask=mask, temperature=0, banned=[PAD]
    )
    without_pad = beam_search(
        decoder, prompts, eos=EOS, max_length=9, memory=memory, memory_mask=mask, beam=1, banned=[PAD]
    )
    for row, ids in enumerate(greedy.tolist()):
        assert without_pad[row][0].ids == tuple(i for i in ids if i not in (EOS, PAD))
    assert len({h[0].ids for h in narrow}) > 1


def test_search_of_nothing_and_of_banned_pieces() -> None:
    decoder = tiny()
    assert beam_search(decoder, torch.zeros(0, 1, 16), eos=EOS, max_length=3) == []
    banned = [3, 4, 5]
    texts = beam_search(decoder, torch.randn(4, 1, 16), eos=EOS, max_length=8, banned=banned, n_best=4)
    assert all(len(row) == 4 for row in texts)
    assert not {piece for row in texts for h in row for piece in h.ids} & set(banned)
    with pytest.raises(ValueError, match="n_best"):
        beam_search(decoder, torch.randn(1, 1, 16), eos=EOS, max_length=3, beam=2, n_best=3)


def test_samples_follow_the_model_and_their_log_probs_carry_gradients() -> None:
    decoder = tiny(vocabulary=5)
    prompt = torch.randn(1, 2, 16)
    drawn = sample(decoder, prompt.expand(4000, -1, -1), eos=EOS, pad=PAD, max_length=1)
    expected = decoder.logits(decoder(prompt)[:, -1]).softmax(1)[0]
    counts = torch.bincount(drawn[:, 0], minlength=5) / 4000
    torch.testing.assert_close(counts, expected.detach(), atol=0.03, rtol=0)
    ids = torch.tensor([[3, EOS, PAD, PAD]])
    log_probs = sequence_log_probs(decoder, prompt, ids, pad=PAD)
    assert log_probs[0, 2:].tolist() == [0, 0]
    log_probs.sum().backward()
    assert decoder.tokens.weight.grad is not None


def test_vocabulary_writes_and_reads_any_text(tmp_path: Path) -> None:
    corpus = ["Ein Hund läuft über den Strand.", "A dog runs on the beach.", "Pes běží po pláži."] * 4
    vocabulary = Vocabulary.train(corpus, 330, special=("<de>", "<en>"))
    assert (vocabulary.pad, vocabulary.bos, vocabulary.eos) == (0, 1, 2)
    vocabulary.save(tmp_path / "pieces.json")
    again = Vocabulary.load(tmp_path / "pieces.json")
    assert len(again) == len(vocabulary) <= 330
    for text in (*corpus[:3], "日本語 und 🙂", "a  b\tc", "", "</s> is no mark <de>"):
        ids = again.encode(text)
        assert again.decode(ids) == text
        assert not {again.pad, again.bos, again.eos, again.id("<de>")} & set(ids)
    assert again.decode([again.bos, *again.encode("dog"), again.eos, again.pad]) == "dog"
    assert again.encode_batch(["a dog"]) == [again.encode("a dog")]
    with pytest.raises(KeyError):
        again.id("<fr>")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ValueError, match=r"bad\.json"):
        Vocabulary.load(tmp_path / "bad.json")
