"""The sentence-transformers encoder, on a tiny model with random weights made here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from mmkit.config import Settings
from mmkit.encoders import sentence_transformers as st
from mmkit.encoders.torchvision_guard import guard_torchvision
from mmkit.errors import ModelUnavailable, UsageError
from mmkit.types import Item

if find_spec("sentence_transformers") is None:
    pytest.skip("the extra st is not installed", allow_module_level=True)

TEXTS = ["a cat", "a dog and a cat", "", "the cat the dog the bird the fish the cat the dog a bird", "bird"]


@pytest.fixture(scope="module")
def library():
    import torch

    torch.set_num_threads(1)
    guard_torchvision()
    return pytest.importorskip("sentence_transformers")


@pytest.fixture(scope="module")
def tiny(library, tmp_path_factory):
    """A folder with a two-layer BERT of width 16, mean pooling, a prompt and truncation at 8 tokens."""
    import torch

    with warnings.catch_warnings():
        # The name that versions 3 to 6 share; the last of them would rather have another.
        warnings.simplefilter("ignore", DeprecationWarning)
        from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("st")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "and", "the", "cat", "dog", "bird", "fish", "find", ":"]
    (folder / "vocab.txt").write_text("\n".join(words))
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    BertModel(config).save_pretrained(folder / "bert")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"), max_seq_length=8)
    model = library.SentenceTransformer(
        modules=[transformer, Pooling(16)], prompts={"search": "find: "}, default_prompt_name="search", device="cpu"
    )
    model.save(str(folder / "model"))
    return folder / "model"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return Settings(device="cpu", dtype="float32", offline=True, cache_dir=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def encoder(tiny, settings):
    return st.load(str(tiny), settings=settings)


def encode(encoder, texts):
    return encoder.encode([encoder.prepare(Item.from_text(text, id="t")) for text in texts], "text")


def test_texts_get_the_vectors_that_the_library_gives_them(library, encoder, tiny):
    expected = library.SentenceTransformer(str(tiny), device="cpu").encode(TEXTS, normalize_embeddings=True)
    found = encode(encoder, TEXTS)
    assert found.vectors.dtype == np.float32
    assert found.vectors.shape == (len(TEXTS), encoder.spec.dim) == (5, 16)
    np.testing.assert_allclose(found.vectors, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)


def test_prompt_and_truncation_are_those_of_the_model(library, encoder, tiny):
    plain = library.SentenceTransformer(str(tiny), device="cpu").encode(["a cat"], prompt="", normalize_embeddings=True)
    assert np.abs(encode(encoder, ["a cat"]).vectors - plain).max() > 1e-3
    long, longer = "a cat a cat a cat a cat", "a cat a cat a cat a cat the fish"
    np.testing.assert_allclose(encode(encoder, [long]).vectors, encode(encoder, [longer]).vectors, atol=1e-6)


def test_a_vector_depends_on_neither_batch_nor_order(encoder):
    together = encode(encoder, TEXTS).vectors
    np.testing.assert_allclose(encode(encoder, TEXTS[::-1]).vectors[::-1], together, atol=1e-6)
    alone = np.concatenate([encode(encoder, [text]).vectors for text in TEXTS])
    np.testing.assert_allclose(alone, together, atol=1e-6)
    np.testing.assert_array_equal(encode(encoder, TEXTS).vectors, together)


def test_an_empty_batch_gives_no_rows(encoder):
    found = encoder.encode([], "text")
    assert (found.vectors.shape, found.vectors.dtype) == ((0, 16), np.float32)


def test_many_threads_may_encode_at_once(encoder):
    expected = encode(encoder, TEXTS).vectors
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: encode(encoder, TEXTS).vectors, range(12)):
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_only_texts_are_taken(encoder):
    with pytest.raises(UsageError, match="encodes text"):
        encoder.encode([], "image")
    with pytest.raises(UsageError, match="encodes text"):
        encoder.prepare(Item("image", "a", data=b""))


def test_a_copy_is_the_same_space_and_other_weights_are_not(encoder, tiny, settings, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny, tmp_path / "copy")
    copy = st.load(str(tmp_path / "copy"), settings=settings)
    assert (copy.spec.fingerprint, copy.spec.space) == (encoder.spec.fingerprint, encoder.spec.space)
    state = load_file(tiny / "model.safetensors")
    state["embeddings.word_embeddings.weight"] += 1e-3
    save_file(state, tmp_path / "copy" / "model.safetensors", metadata={"format": "pt"})
    changed = st.load(str(tmp_path / "copy"), settings=settings).spec.fingerprint
    shutil.copy(tiny / "model.safetensors", tmp_path / "copy" / "model.safetensors")
    sentence = tmp_path / "copy" / "config_sentence_transformers.json"
    sentence.write_text(sentence.read_text().replace("find: ", "find "))
    prompted = st.load(str(tmp_path / "copy"), settings=settings).spec.fingerprint
    assert len({encoder.spec.fingerprint, changed, prompted}) == 3


def test_a_model_with_code_of_its_own_is_refused_and_not_run(tiny, settings, tmp_path):
    shutil.copytree(tiny, tmp_path / "evil")
    modules = json.loads((tmp_path / "evil" / "modules.json").read_text())
    modules[1]["type"] = "evil_module.Pooling"
    (tmp_path / "evil" / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "evil" / "evil_module.py").write_text(f"import os; os.mkdir({str(tmp_path / 'exploded')!r})")
    with pytest.raises(ModelUnavailable, match=r"evil_module\.Pooling, which is code of its own"):
        st.load(str(tmp_path / "evil"), settings=settings)
    assert not (tmp_path / "exploded").exists()


def test_a_malicious_checkpoint_is_refused_and_not_executed(tiny, settings, tmp_path):
    import torch

    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    shutil.copytree(tiny, tmp_path / "evil")
    (tmp_path / "evil" / "model.safetensors").unlink()
    torch.save({"a": Bomb()}, tmp_path / "evil" / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="refused to load it"):
        st.load(str(tmp_path / "evil"), settings=settings)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("argument", ["all-MiniLM-L6-v2", "org/name", "org/name@v1"])
def test_a_model_that_is_not_here_says_how_to_fetch_it(settings, argument, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable) as caught:
        st.load(argument, settings=settings)
    assert str(caught.value) == (
        f"st:{argument}: not in the local cache, and the hub is unreachable or switched off (offline); "
        f"run `mmkit models pull st:{argument}` where there is a network, or give a local path"
    )


@pytest.mark.parametrize(
    ("argument", "kind", "told"),
    [
        (None, UsageError, "all-MiniLM"),
        ("/no/such/folder", ModelUnavailable, "no such folder"),
        ("a/b/c", UsageError, "ORG/NAME"),
    ],
)
def test_a_malformed_name_is_told(settings, argument, kind, told):
    with pytest.raises(kind, match=told):
        st.load(argument, settings=settings)


def test_a_folder_without_weights_is_told(settings, tmp_path):
    with pytest.raises(ModelUnavailable, match="holds no weights"):
        st.load(str(tmp_path), settings=settings)


def test_importing_the_module_imports_no_library():
    code = (
        "import sys, mmkit.encoders.sentence_transformers; print([n for n in ('torch', 'numpy') if n in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
    assert Path(st.__file__).name == "sentence_transformers.py"
