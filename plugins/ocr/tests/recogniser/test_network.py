from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from mmkit_ocr.recogniser.alignment import contrastive_loss
from mmkit_ocr.recogniser.charset import SLOTS, to_numbers
from mmkit_ocr.recogniser.crops import GREY, NARROWEST, fitted
from mmkit_ocr.recogniser.layers import FeatureMerge
from mmkit_ocr.recogniser.reader import WordReader, load_reader
from mmkit_ocr.recogniser.weights import load_network, save_network

from mmkit.errors import ModelUnavailable, UsageError


def test_published_convolutions_equal_onnxruntime() -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from mmkit_ocr.recogniser.charset import CHARACTERS
    from mmkit_ocr.recogniser.ppocr import load_ppocr

    package = Path(find_spec("rapidocr").origin).parent  # type: ignore[union-attr,arg-type]
    path = package / "models" / "PP-OCRv6_rec_small.onnx"
    backbone, neck, head = load_ppocr(path)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = session.get_modelmeta().custom_metadata_map["character"].splitlines()
    rows = [0, *(1 + names.index(character) for character in CHARACTERS)]
    crops = torch.rand(1, 3, 48, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        own = head(neck(backbone(crops))).log_softmax(-1).numpy()
    published = np.log(session.run(None, {"x": crops.numpy()})[0][:, :, rows])
    published -= np.log(np.exp(published).sum(-1, keepdims=True))
    assert np.abs(own - published).max() < 1e-3


def test_any_number_of_tokens_becomes_one_state_a_slot() -> None:
    merge = FeatureMerge(64, 1, SLOTS)
    assert [merge(torch.randn(2, tokens, 64)).shape for tokens in (1, 96)] == [(2, SLOTS, 64)] * 2


def test_a_crop_keeps_its_proportions(draw: Callable[[str], np.ndarray]) -> None:
    crop = np.zeros((20, 50, 3), np.uint8)
    out = fitted(crop)
    assert out.shape == (48, 192, 3)
    assert (out[:, :120] == 0).all()
    assert (out[:, 120:] == GREY).all()
    assert (fitted(np.zeros((9, 1, 3), np.uint8))[0, :, 0] == 0).sum() == NARROWEST
    assert (fitted(np.zeros((1, 900, 3), np.uint8)) == 0).all()
    assert np.array_equal(fitted(out), out)


def test_reading_does_not_depend_on_the_batch(network, draw: Callable[[str], np.ndarray]) -> None:  # type: ignore[no-untyped-def]
    reader = WordReader(network)
    crops = [draw(word) for word in ("a", "exit", "Restaurant", "I", "12")]
    together = reader.read(crops)
    alone = [reader.read([crop])[0] for crop in crops]
    assert [one.text for one in together] == [one.text for one in alone]
    assert [one.confidence for one in together] == pytest.approx([one.confidence for one in alone], abs=1e-4)
    assert reader.read([]) == []


@pytest.mark.parametrize("decoding", ["draft", "nar", "ar", "careful"])
def test_every_character_has_a_confidence(network, draw: Callable[[str], np.ndarray], decoding: str) -> None:  # type: ignore[no-untyped-def]
    for reading in WordReader(network, decoding=decoding).read([draw("exit"), draw("b")]):
        assert len(reading.characters) == len(reading.text)
        assert 0 <= reading.confidence <= 1


def test_weights_come_back_as_they_were(network, weights: Path) -> None:  # type: ignore[no-untyped-def]
    stored = load_network(weights)
    assert stored.shape == network.shape
    for (name, one), other in zip(network.state_dict().items(), stored.state_dict().values(), strict=True):
        assert torch.allclose(one, other, atol=1e-3), name
    save_network(stored, weights)
    again = load_network(weights).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in stored.state_dict().items())


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    (tmp_path / "text.safetensors").write_text("nothing")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    for name in ("text.safetensors", "other.safetensors", "missing.safetensors"):
        with pytest.raises(ModelUnavailable) as told:
            load_network(tmp_path / name)
        assert name in str(told.value)
    with pytest.raises(UsageError, match="--recognizer"):
        load_reader(str(tmp_path / "missing"))


def test_alignment_of_one_pair_costs_nothing() -> None:
    vector = torch.nn.functional.normalize(torch.randn(1, 8), dim=1)
    assert float(contrastive_loss(vector, vector, torch.ones(1, 1, dtype=torch.bool), torch.tensor(10.0))) == 0.0


def test_the_same_word_twice_is_no_negative() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(2, 8), dim=1)
    words = vectors[:1].expand(2, -1)
    same = torch.ones(2, 2, dtype=torch.bool)
    assert float(contrastive_loss(vectors, words, same, torch.tensor(10.0))) == 0.0
    assert float(contrastive_loss(vectors, words, torch.eye(2, dtype=torch.bool), torch.tensor(10.0))) > 0.1


def test_words_that_differ_by_a_character_differ_in_the_space(network) -> None:  # type: ignore[no-untyped-def]
    states = torch.randn(1, 384).expand(2, -1)
    one, other = network.space.words(torch.from_numpy(to_numbers(["hotel", "hotei"])), states)
    assert float(one @ other) < 0.9999


def test_the_onnx_graph_equals_torch(network, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from mmkit_ocr.recogniser.export import INPUT, WholeReading, export_onnx

    export_onnx(network, tmp_path / "m.onnx")
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    crops = torch.rand(4, 3, 48, 96, generator=torch.Generator().manual_seed(0))
    crops[0, :, :, 20:] = 0.5
    with torch.no_grad():
        own = WholeReading(network)(crops).numpy()
    for count in (1, 3, 4):
        written = session.run(None, {INPUT: crops[:count].numpy()})[0]
        assert np.abs(written - own[:count]).max() < 1e-3


@pytest.mark.parametrize("size", [(1, 1), (3, 90), (40, 6), (200, 300)])
def test_second_looks_stand_any_size(size: tuple[int, int]) -> None:
    from mmkit_ocr.recogniser.views import LOOKS, second_looks

    crop = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    looks = second_looks(crop, width=96)
    assert len(looks) == LOOKS
    assert {look.shape for look in looks} == {(48, 96, 3)}


def test_a_doubted_reading_gives_way_to_a_surer_one(network, draw: Callable[[str], np.ndarray]) -> None:  # type: ignore[no-untyped-def]
    crops = [draw(word) for word in ("exit", "taxi", "b4")]
    first, careful = (WordReader(network, decoding=way).read(crops) for way in ("ar", "careful"))
    assert all(own.confidence >= before.confidence - 1e-5 for own, before in zip(careful, first, strict=True))


def test_the_runtime_of_a_cpu_reads_as_torch_does(weights: Path, tmp_path: Path, monkeypatch, draw) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("onnx")
    from mmkit_ocr.recogniser import runtime
    from mmkit_ocr.recogniser.reader import chosen, decode

    monkeypatch.setattr(runtime, "settings", lambda: type("Here", (), {"cache_dir": tmp_path})())
    network = load_network(weights)
    own = runtime.Runtime(weights, threads=1)
    assert not own.written
    own.write(network)
    assert own.written
    crops = np.stack([fitted(draw(word), width=96) for word in ("exit", "b")])
    pictures = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    sure = chosen(own.logits(crops))[1]
    assert (sure - decode(network, network(pictures), "ar")[1]).abs().max() < 0.05
