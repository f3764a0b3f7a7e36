"""Translators of transformers, on tiny mBART and Marian models made here."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmkit_translate.models.hub import HubTranslator
from mmkit_translate.translating import Search

from mmkit.encoders.torchvision_guard import guard_torchvision
from mmkit.errors import ModelUnavailable, UsageError

guard_torchvision()
transformers = pytest.importorskip("transformers")

TEXTS = ["a dog", "two men cook here", "a"]


def tiny_mbart(vocabulary: int):  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    sizes = {f"{side}_{what}": n for side in ("encoder", "decoder") for what, n in
             (("layers", 1), ("attention_heads", 2), ("ffn_dim", 32))}  # fmt: skip
    config = transformers.MBartConfig(
        vocab_size=vocabulary,
        d_model=16,
        max_position_embeddings=64,
        scale_embedding=True,
        dropout=0.0,
        init_std=0.3,
        **sizes,
    )
    return transformers.MBartForConditionalGeneration(config).eval()


@pytest.fixture(scope="module")
def mbart_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ["▁", "▁a", "▁dog", "▁two", "▁men", "▁cook", "▁here", "▁ein", "▁Hund"]
    vocabulary = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *((word, -2.0 - n) for n, word in enumerate(words))]
    tokenizer = transformers.MBart50Tokenizer(vocab=vocabulary, src_lang="en_XX", tgt_lang="de_DE")
    folder = tmp_path_factory.mktemp("mbart")
    tokenizer.save_pretrained(folder)
    tiny_mbart(len(tokenizer)).save_pretrained(folder)
    return folder


def test_mbart_of_a_folder(mbart_folder: Path):
    from mmkit_translate.opening import open_translator

    translator = open_translator(str(mbart_folder))
    assert {"en", "de", "fr", "cs"} <= set(translator.targets) and "xx" not in translator.targets
    search = Search(beam=2, n_best=2)
    sources = ["en", "cs", "en"]
    together = translator.translate(TEXTS, target="de", sources=sources, search=search)
    assert [len(row) for row in together] == [2, 2, 2]
    alone = translator.translate(TEXTS[1:2], target="de", sources=["cs"], search=search)[0]
    assert alone[0].text == together[1][0].text and alone[0].score == pytest.approx(together[1][0].score, abs=1e-4)
    with pytest.raises(UsageError, match="takes no pictures"):
        translator.picture_vectors([])


def test_a_folder_that_holds_no_model_is_one_clear_line(tmp_path: Path):
    from mmkit_translate.opening import open_translator

    with pytest.raises(ModelUnavailable, match="no translator that transformers can load"):
        open_translator(str(tmp_path))


class Letters:
    """The tokenizer of a Marian model, as far as it is asked: a letter a piece."""

    pad_token_id = 0
    all_special_tokens = ("</s>", "<pad>")
    source_lang: str | None = None
    target_lang: str | None = None

    def __init__(self, *codes: str) -> None:
        self.supported_language_codes = list(codes)
        self.seen: list[str] = []

    def __call__(self, text: str) -> dict[str, list[int]]:
        self.seen.append(text)
        return {"input_ids": [*(2 + ord(letter) % 30 for letter in text), 1]}

    def batch_decode(self, rows, skip_special_tokens: bool):  # type: ignore[no-untyped-def]
        return ["".join(chr(95 + int(piece)) for piece in row if piece > 1) for row in rows]


@pytest.fixture
def marian():  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    config = transformers.MarianConfig(
        vocab_size=40, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=64,
        pad_token_id=0, eos_token_id=1, bos_token_id=1, decoder_start_token_id=0, forced_eos_token_id=1,
    )  # fmt: skip
    return transformers.MarianMTModel(config).eval()


@pytest.fixture(scope="module")
def marian_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the hub holds them: the model, a vocabulary, and a sentencepiece model for each side."""
    sentencepiece = pytest.importorskip("sentencepiece")
    folder = tmp_path_factory.mktemp("marian") / "opus-mt-en-de"
    folder.mkdir()
    sides = {
        "source": ["A dog runs through the snow.", "Two men play chess in the park."],
        "target": ["Ein Hund läuft durch den Schnee.", "Zwei Männer spielen Schach im Park."],
    }
    pieces: set[str] = set()
    for side, lines in sides.items():
        (folder / "lines.txt").write_text("\n".join(lines * 5), "utf-8")
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / "lines.txt"),
            model_prefix=str(folder / side),
            vocab_size=60,
            hard_vocab_limit=False,
            minloglevel=2,
        )
        cut = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{side}.model"))
        (folder / f"{side}.model").rename(folder / f"{side}.spm")
        pieces |= {cut.id_to_piece(number) for number in range(cut.get_piece_size())}
    names = ["</s>", "<unk>", *sorted(pieces - {"</s>", "<unk>", "<s>"}), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({name: number for number, name in enumerate(names)}), "utf-8")
    said = {"tokenizer_class": "MarianTokenizer", "source_lang": "en", "target_lang": "de"}
    (folder / "tokenizer_config.json").write_text(json.dumps(said), "utf-8")
    torch.manual_seed(0)
    pad = len(names) - 1
    config = transformers.MarianConfig(
        vocab_size=len(names), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=64,
        pad_token_id=pad, eos_token_id=0, decoder_start_token_id=pad, forced_eos_token_id=0,
    )  # fmt: skip
    transformers.MarianMTModel(config).save_pretrained(folder)
    return folder


def test_marian_of_a_folder_with_its_own_tokenizer(marian_folder: Path) -> None:
    from mmkit_translate.opening import open_translator

    translator = open_translator(str(marian_folder))
    assert isinstance(translator, HubTranslator)
    assert (translator.sources, translator.targets) == (("en",), ("de",))
    ids = translator.tokenizer("A dog runs.")["input_ids"]
    assert ids[-1] == translator.tokenizer.eos_token_id
    assert translator.tokenizer.decode(ids, skip_special_tokens=True) == "A dog runs."
    found = translator.translate(TEXTS, target="de", sources=["en"] * 3, search=Search(beam=2, n_best=2))
    alone = translator.translate(TEXTS[1:2], target="de", sources=["en"], search=Search(beam=2, n_best=2))
    assert [len(best) for best in found] == [2, 2, 2]
    assert found[1][0].text == alone[0][0].text and found[1][0].score == pytest.approx(alone[0][0].score, abs=1e-4)


def test_marian_has_the_pair_of_its_name(marian):  # type: ignore[no-untyped-def]
    translator = HubTranslator(marian, Letters(), name="hf:Helsinki-NLP/opus-mt-en-de")
    assert (translator.sources, translator.targets) == (("en",), ("de",))
    found = translator.translate(TEXTS, target="de", sources=["en"] * 3, search=Search(beam=2))
    alone = translator.translate(TEXTS[:1], target="de", sources=["en"], search=Search(beam=2, batch_tokens=1))
    assert len(found) == 3 and found[0][0].text == alone[0][0].text
    with pytest.raises(ModelUnavailable, match="which languages"):
        HubTranslator(marian, Letters(), name="folder")


def test_marian_of_several_targets_is_told_which(marian):  # type: ignore[no-untyped-def]
    letters = Letters(">>deu<<", ">>fra<<")
    translator = HubTranslator(marian, letters, name="hf:Helsinki-NLP/opus-mt-en-gem")
    assert translator.targets == ("deu", "fra")
    translator.translate(["a"], target="fra", sources=["en"], search=Search(beam=1))
    assert letters.seen == [">>fra<< a"]


@pytest.fixture
def prefixed():  # type: ignore[no-untyped-def]
    from mmkit_translate.models.prefixed_mbart import PrefixedMbart

    torch.manual_seed(1)
    return PrefixedMbart(tiny_mbart(50), space=6, length=10).eval()


def batch() -> SimpleNamespace:
    generator = torch.Generator().manual_seed(0)
    ids = torch.tensor([[5, 6, 7, 2], [8, 2, 1, 1]])
    return SimpleNamespace(
        ids=ids,
        mask=(ids != 1).long(),
        vectors=torch.randn(2, 6, generator=generator),
        language=torch.tensor([40, 41]),
        targets=torch.tensor([[9, 10, 11, 2], [12, 2, 1, 1]]),
    )


def test_the_prefix_reaches_mbart_through_input_embeddings(prefixed):  # type: ignore[no-untyped-def]
    given = batch()
    loss = prefixed.loss(given.ids, given.mask, given.vectors, given.language, given.targets)
    loss.backward()
    assert torch.isfinite(loss) and prefixed.prefix.layers[0].weight.grad.abs().sum() > 0
    with torch.no_grad():
        other = prefixed.loss(given.ids, given.mask, -given.vectors, given.language, given.targets)
        assert not torch.isclose(loss, other)
        # Lengths differ, and each counts by what it writes: as one by one.
        rows = [prefixed.loss(*(getattr(given, name)[n : n + 1] for name in
                ("ids", "mask", "vectors", "language", "targets"))) for n in range(2)]  # fmt: skip
    assert float(loss.detach()) == pytest.approx(float((rows[0] * 4 + rows[1] * 2) / 6), abs=1e-4)


def test_token_embeddings_alone_are_the_models_own_reading(prefixed):  # type: ignore[no-untyped-def]
    given = batch()
    decoder_ids = torch.tensor([[2, 40, 9, 10], [2, 41, 12, 3]])
    with torch.no_grad():
        wanted = prefixed.model(input_ids=given.ids, attention_mask=given.mask, decoder_input_ids=decoder_ids).logits
        states = prefixed.model.model(
            input_ids=given.ids, attention_mask=given.mask, decoder_inputs_embeds=prefixed.embed(decoder_ids)
        ).last_hidden_state
    assert torch.allclose(prefixed.logits(states), wanted, atol=1e-4)


def test_mbart_writes_with_a_prefix_and_a_batch_is_as_one_by_one(prefixed):  # type: ignore[no-untyped-def]
    given = batch()
    names = ("ids", "mask", "vectors", "language")
    together = prefixed.translate(*(getattr(given, name) for name in names), beam=3, max_length=8)
    for n in range(2):
        parts = [getattr(given, name)[n : n + 1] for name in names]
        parts[:2] = [part[:, : int(given.mask[n].sum())] for part in parts[:2]]
        (alone,) = prefixed.translate(*parts, beam=3, max_length=8)
        assert alone.ids == together[n].ids
        assert alone.score == pytest.approx(together[n].score, abs=1e-4)
