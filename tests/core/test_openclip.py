"""The open_clip encoder, on a tiny model with random weights made here."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

if find_spec("open_clip") is None:
    pytest.skip("the extra openclip is not installed", allow_module_level=True)

from mmkit.config import Settings
from mmkit.encoders import openclip, openclip_checkpoints
from mmkit.encoders.torchvision_guard import guard_torchvision
from mmkit.errors import BadInput, ModelUnavailable, UsageError
from mmkit.types import Item

TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
TEXTS = ["a cup of coffee", "", "a very long text " * 30, "two cats"]


@pytest.fixture(scope="module")
def open_clip():
    import torch

    torch.set_num_threads(1)
    guard_torchvision()
    import open_clip

    return open_clip


@pytest.fixture(scope="module")
def tiny(open_clip, tmp_path_factory):
    """The tiny model's folder: its architecture is registered, its weights are saved in several formats."""
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("tiny")
    before = (list(open_clip.factory._MODEL_CONFIG_PATHS), dict(open_clip.factory._MODEL_CONFIGS))
    (folder / "configs").mkdir()
    for name, config in {"mmkit-tiny": TINY, "mmkit-tiny-quickgelu": {**TINY, "quick_gelu": True}}.items():
        (folder / "configs" / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / "configs")
    torch.manual_seed(0)
    state = open_clip.create_model("mmkit-tiny").state_dict()
    (folder / "weights").mkdir()
    save_file(state, folder / "weights" / "tiny.safetensors")
    torch.save(state, folder / "weights" / "tiny.pt")
    yield folder / "weights"
    open_clip.factory._MODEL_CONFIG_PATHS[:], open_clip.factory._MODEL_CONFIGS = before


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return Settings(device="cpu", dtype="float32", offline=True, cache_dir=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def encoder(tiny, settings):
    return openclip.load(f"mmkit-tiny/{tiny / 'tiny.safetensors'}", settings=settings)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    paths = []
    for number, size in enumerate([(40, 60), (33, 33), (100, 35), (8, 8)]):
        paths.append(folder / f"{number}.png")
        Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(paths[-1])
    return paths


def prepared(encoder, pictures):
    return [encoder.prepare(Item.from_path(path, "image")) for path in pictures]


def test_pictures_get_the_vectors_that_open_clip_gives_them(open_clip, encoder, tiny, pictures):
    import torch
    from PIL import Image

    model, _, transform = open_clip.create_model_and_transforms("mmkit-tiny", str(tiny / "tiny.safetensors"))
    model.eval()
    with torch.no_grad():
        batch = torch.stack([transform(Image.open(path)) for path in pictures])
        expected = model.encode_image(batch, normalize=True).numpy()
    found = encoder.encode(prepared(encoder, pictures), "image")
    np.testing.assert_allclose(found.vectors, expected, atol=1e-5)
    assert encoder.logit_scale == pytest.approx(float(model.logit_scale.detach().exp()))


def test_texts_get_the_vectors_that_open_clip_gives_them(open_clip, encoder, tiny):
    import torch

    model, _, _ = open_clip.create_model_and_transforms("mmkit-tiny", str(tiny / "tiny.safetensors"))
    model.eval()
    with torch.no_grad():
        expected = model.encode_text(open_clip.get_tokenizer("mmkit-tiny")(TEXTS), normalize=True).numpy()
    found = encoder.encode([encoder.prepare(Item.from_text(text, id="t")) for text in TEXTS], "text")
    np.testing.assert_allclose(found.vectors, expected, atol=1e-5)


def test_embeddings_are_float32_unit_rows_in_the_order_given(encoder, pictures):
    batch = prepared(encoder, pictures)
    found = encoder.encode(batch, "image")
    assert found.vectors.dtype == np.float32
    assert found.vectors.shape == (4, encoder.spec.dim) == (4, 24)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)
    turned = encoder.encode(batch[::-1], "image").vectors[::-1]
    np.testing.assert_allclose(turned, found.vectors, atol=1e-6)
    assert np.abs(found.vectors[0] - found.vectors[1]).max() > 1e-3
    assert (found.space, found.fingerprint) == (encoder.spec.space, encoder.spec.fingerprint)


def test_a_vector_does_not_depend_on_its_batch(encoder, pictures):
    batch = prepared(encoder, pictures)
    together = encoder.encode(batch, "image").vectors
    alone = np.concatenate([encoder.encode([one], "image").vectors for one in batch])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_array_equal(encoder.encode(batch, "image").vectors, together)


@pytest.mark.parametrize("modality", ["image", "text"])
def test_an_empty_batch_gives_no_rows(encoder, modality):
    found = encoder.encode([], modality)
    assert found.vectors.shape == (0, 24)
    assert found.vectors.dtype == np.float32


def test_what_is_prepared_can_be_pickled_and_is_small(encoder, pictures):
    (pixels,) = prepared(encoder, pictures[:1])
    assert (pixels.dtype, pixels.shape) == (np.uint8, (3, 32, 32))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(pixels)), pixels)
    assert encoder.prepare(Item.from_text("a cat")).shape == (20,)


def test_items_are_prepared_by_many_threads_at_once(encoder):
    texts = [f"picture {number} of a thing" for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: encoder.prepare(Item.from_text(text)), texts))
    for text, ids in zip(texts, found, strict=True):
        np.testing.assert_array_equal(ids, encoder.prepare(Item.from_text(text)))


def test_other_modalities_and_unreadable_pictures_are_told(encoder, tmp_path):
    with pytest.raises(UsageError, match="encodes image, text"):
        encoder.encode([], "audio")
    with pytest.raises(UsageError, match="encodes image, text"):
        encoder.prepare(Item("audio", "a", data=b""))
    (tmp_path / "bad.png").write_bytes(b"nothing")
    with pytest.raises(BadInput):
        encoder.prepare(Item.from_path(tmp_path / "bad.png", "image"))


def test_gradients_reach_the_pixels_and_no_weight(encoder):
    import torch

    pixels = torch.zeros(2, 3, 32, 32, requires_grad=True)
    encoder.image_features(pixels)[:, 0].sum().backward()
    assert pixels.grad is not None
    assert float(pixels.grad.abs().sum()) > 0
    assert not any(parameter.requires_grad for parameter in encoder._model.parameters())


def test_gradients_reach_the_embeddings_of_a_text(encoder):
    import torch

    ids = torch.from_numpy(np.stack([encoder.prepare(Item.from_text(text)) for text in ("a cat", "two dogs")]))
    embeddings = encoder.token_embeddings(ids).clone().requires_grad_()
    features = encoder.text_features_from_embeddings(embeddings, ids)
    torch.testing.assert_close(features, encoder.text_features(ids))
    features[:, 0].sum().backward()
    assert float(embeddings.grad.abs().sum()) > 0
    moved = encoder.text_features_from_embeddings(embeddings.flip(-1), ids)
    assert float((moved - features).detach().abs().max()) > 1e-3
    torch.testing.assert_close(encoder.text_features(ids), features)


def test_the_same_weights_in_another_format_or_place_are_the_same_space(encoder, tiny, settings, tmp_path):
    copied = shutil.copy(tiny / "tiny.safetensors", tmp_path / "copy.safetensors")
    for path in (tiny / "tiny.pt", copied):
        other = openclip.load(f"mmkit-tiny/{path}", settings=settings)
        assert other.spec.fingerprint == encoder.spec.fingerprint
        assert other.spec.space == encoder.spec.space
    assert encoder.spec.space.startswith("openclip:mmkit-tiny/sha256-")
    assert encoder.spec.name == f"openclip:mmkit-tiny/{tiny / 'tiny.safetensors'}"


def test_other_weights_or_another_activation_are_another_space(encoder, tiny, settings, tmp_path):
    from safetensors.torch import load_file, save_file

    state = load_file(tiny / "tiny.safetensors")
    state["text_projection"] = state["text_projection"] + 1e-3
    save_file(state, tmp_path / "changed.safetensors")
    changed = openclip.load(f"mmkit-tiny/{tmp_path / 'changed.safetensors'}", settings=settings)
    quick = openclip.load(f"mmkit-tiny-quickgelu/{tiny / 'tiny.safetensors'}", settings=settings)
    assert len({encoder.spec.fingerprint, changed.spec.fingerprint, quick.spec.fingerprint}) == 3


def test_a_folder_brings_its_own_preprocessing(open_clip, encoder, tiny, settings, pictures, tmp_path):
    import torch
    from PIL import Image

    asked = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bilinear", "resize_mode": "squash"}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": asked}))
    shutil.copy(tiny / "tiny.safetensors", tmp_path / "open_clip_model.safetensors")
    (tmp_path / "README.md").write_text("---\ntags: [clip]\nlicense: mit\n---\n# Model\n")
    found = openclip.load(f"local-dir:{tmp_path}", settings=settings)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tmp_path}")
    with torch.no_grad():
        batch = torch.stack([transform(Image.open(path)) for path in pictures])
        expected = model.eval().encode_image(batch, normalize=True).numpy()
    vectors = found.encode(prepared(found, pictures), "image").vectors
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    assert found.spec.licence == "mit"
    assert found.spec.fingerprint != encoder.spec.fingerprint
    beside = openclip.load(f"mmkit-tiny/{tmp_path / 'open_clip_model.safetensors'}", settings=settings)
    np.testing.assert_array_equal(beside.encode(prepared(beside, pictures), "image").vectors, vectors)
    assert beside.spec.fingerprint == found.spec.fingerprint


def test_a_folder_brings_its_own_tokenizer(open_clip, settings, tmp_path):
    import torch
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "a", "cat", "dog"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(tmp_path)
    text = {**TINY["text_cfg"], "vocab_size": 5, "context_length": 6, "hf_tokenizer_name": "org/words"}
    text["tokenizer_kwargs"] = {"trust_remote_code": True, "clean": "canonicalize"}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {**TINY, "text_cfg": text}}))
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{tmp_path}")
    save_file(model.state_dict(), tmp_path / "open_clip_model.safetensors")
    found = openclip.load(f"local-dir:{tmp_path}", settings=settings)
    ids = found.prepare(Item.from_text("A cat, a DOG: a bird"))
    assert ids.tolist() == open_clip.get_tokenizer(f"local-dir:{tmp_path}")(["A cat, a DOG: a bird"])[0].tolist()
    assert ids.tolist() == [2, 3, 2, 4, 2, 1]
    (tmp_path / "tokenizer.json").write_text((tmp_path / "tokenizer.json").read_text().replace("bird", "b") + " ")
    assert openclip.load(f"local-dir:{tmp_path}", settings=settings).spec.fingerprint != found.spec.fingerprint


def test_the_code_that_a_tokenizer_brings_is_never_run(open_clip, settings, tiny, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    (folder / "tiny.safetensors").rename(folder / "open_clip_model.safetensors")
    text = {**TINY["text_cfg"], "hf_tokenizer_name": "org/evil", "tokenizer_kwargs": {"trust_remote_code": True}}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": {**TINY, "text_cfg": text}}))
    evil = {"tokenizer_class": "EvilTokenizer", "auto_map": {"AutoTokenizer": ["evil.EvilTokenizer", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(evil))
    (folder / "evil.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'exploded')!r})\nclass EvilTokenizer: pass\n")
    with pytest.raises(ModelUnavailable, match="its tokenizer") as caught:
        openclip.load(f"local-dir:{folder}", settings=settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "exploded").exists()


def test_a_tag_brings_its_preprocessing_and_activation(open_clip, encoder, tiny, settings, tmp_path, monkeypatch):
    tag = {
        "hf_hub": "org/tiny/",
        "quick_gelu": True,
        "mean": (0.5,) * 3,
        "std": (0.25,) * 3,
        "interpolation": "bilinear",
        "resize_mode": "squash",
    }
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "mmkit-tiny", {"own": tag})
    shutil.copy(tiny / "tiny.safetensors", tmp_path / "open_clip_model.safetensors")
    seen = []

    def fetch(repo, *, select, **_):
        seen.append((repo, select(["open_clip_pytorch_model.bin", "open_clip_model.safetensors", "README.md"])))
        return tmp_path

    monkeypatch.setattr(openclip_checkpoints, "fetch", fetch)
    found = openclip.load("mmkit-tiny/own", settings=settings)
    assert seen == [("org/tiny", ["README.md", "open_clip_model.safetensors"])]
    assert (found.spec.space, found.spec.name) == ("openclip:mmkit-tiny/own",) * 2
    assert found._model.visual.preprocess_cfg["resize_mode"] == "squash"
    assert found._std.tolist() == [0.25] * 3
    assert "QuickGELU" in str(found._model)
    # Every known tag of the model agrees, so a bare file of its weights is treated as the tag is.
    bare = openclip.load(f"mmkit-tiny/{tmp_path / 'open_clip_model.safetensors'}", settings=settings)
    assert bare.spec.fingerprint == found.spec.fingerprint != encoder.spec.fingerprint


def test_a_malicious_checkpoint_is_refused_and_not_executed(settings, tiny, tmp_path):
    import torch

    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    torch.save({"state_dict": Bomb()}, tmp_path / "bad.pt")
    with pytest.raises(ModelUnavailable, match="would call") as caught:
        openclip.load(f"mmkit-tiny/{tmp_path / 'bad.pt'}", settings=settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "exploded").exists()


def test_weights_of_another_model_are_refused(settings, tiny, tmp_path):
    import torch
    from safetensors.torch import save_file

    save_file({"weight": torch.ones(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelUnavailable, match="check that the weights belong to this model") as caught:
        openclip.load(f"mmkit-tiny/{tmp_path / 'other.safetensors'}", settings=settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("argument", "kind", "told"),
    [
        ("ViT-B-23/openai", ModelUnavailable, "ViT-B-32"),
        ("ViT-B-32", UsageError, "laion2b_s34b_b79k"),
        ("ViT-B-32/opanai", ModelUnavailable, "did you mean openai"),
        ("ViT-B-32/no/such/file.pt", ModelUnavailable, "neither a file nor weights"),
        ("local-dir:/no/such/folder", ModelUnavailable, "open_clip_config.json"),
        ("hf-hub:", UsageError, "hf:ORG/NAME"),
        (None, UsageError, "openclip:ViT-B-32"),
    ],
)
def test_a_name_that_leads_nowhere_is_told_where_it_could_lead(open_clip, settings, argument, kind, told):
    with pytest.raises(kind) as caught:
        openclip.load(argument, settings=settings)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("argument", ["ViT-B-32/openai", "ViT-B-16-SigLIP/webli", "hf-hub:org/name"])
def test_weights_that_are_not_here_say_how_to_fetch_them(open_clip, settings, argument, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable) as caught:
        openclip.load(argument, settings=settings)
    assert str(caught.value) == (
        f"openclip:{argument}: not in the local cache, and the hub is unreachable or switched off (offline); "
        f"run `mmkit models pull openclip:{argument}` where there is a network, or give a local path"
    )


def test_half_precision_stays_close(encoder, tiny, settings, pictures):
    half = openclip.load(f"mmkit-tiny/{tiny / 'tiny.safetensors'}", settings=replace(settings, dtype="bfloat16"))
    found = half.encode(prepared(half, pictures), "image").vectors
    assert found.dtype == np.float32
    cosine = (found * encoder.encode(prepared(encoder, pictures), "image").vectors).sum(axis=1)
    assert cosine.min() > 0.995
    assert half.spec.fingerprint == encoder.spec.fingerprint


def test_importing_the_module_imports_neither_torch_nor_open_clip():
    code = (
        "import sys, mmkit.encoders.openclip; print([n for n in ('torch', 'open_clip', 'numpy') if n in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


GUARD = """
import logging, sys
from mmkit.encoders.torchvision_guard import guard_torchvision, _kept
first, second = guard_torchvision(), guard_torchvision()
assert first == second, (first, second)
import torchvision, torch
from torchvision.transforms import Normalize
assert guard_torchvision() == first
assert torchvision.extension._has_ops() != first
assert len(_kept) == int(first)
assert hasattr(torch.ops.torchvision, "nms")
print(first)
"""


def test_torchvision_imports_behind_the_guard_with_or_without_its_operators():
    guarded, plain = (
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for code in (GUARD, "import torchvision")
    )
    shown, problem = guarded.communicate()
    plain.communicate()
    assert guarded.returncode == 0, problem
    # The guard stands in exactly where the plain import fails.
    assert shown.strip() == str(plain.returncode != 0)


def test_the_guard_keeps_away_where_torchvision_is_not_installed(tmp_path):
    code = (
        "import sys, importlib.util as u, mmkit.encoders.torchvision_guard as g\n"
        "g.find_spec = lambda name: None\nprint(g.guard_torchvision(), 'torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["False", "False"]
