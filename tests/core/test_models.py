"""Model cards, names, hashes and the guard on weights."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmkit import models
from mmkit.config import Settings
from mmkit.errors import ModelUnavailable, PluginError, UsageError
from mmkit.hookspecs import ModelEntry
from mmkit.models import cards, hashes, hub, sources
from mmkit.models.cards import parse_card
from mmkit.plugins import Registry

CARD = """
name = "tiny"
task = "encoder"
space = "tiny"
licence = "Apache-2.0"
use = "free"
description = "A tiny model."
source = "Made here."
colour = "blue"
[sizes]
parameters = 4
[files]
"model.safetensors" = "{digest}"
[training]
command = "mmkit train tiny"
seed = 0
[[training.data]]
name = "nothing"
licence = "CC0-1.0"
[[measured]]
metric = "top-1"
value = 0.5
command = "mmkit eval zero-shot --json"
"""


def save_weights(path: Path, value: float = 1.0) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"weight": torch.full((4,), value)}, path)


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package with one registered model, and its folder."""
    folder = tmp_path / "tinypackage" / "weights"
    folder.mkdir(parents=True)
    (tmp_path / "tinypackage" / "__init__.py").write_text("")
    save_weights(folder / "model.safetensors")
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    (folder / "card.toml").write_text(CARD.format(digest=digest))
    known = Registry()
    for name in ("tiny", "bare"):
        known.models[name] = ModelEntry(
            name, "encoder", f"tinypackage:weights/{'card' if name == 'tiny' else 'no'}.toml"
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(cards, "registry", lambda: known)
    monkeypatch.setattr(sources, "registry", lambda: known)
    cards._cards.cache_clear()
    yield folder
    cards._cards.cache_clear()
    sys.modules.pop("tinypackage", None)


@pytest.fixture
def offline(tmp_path):
    return Settings(offline=True, cache_dir=tmp_path / "cache")


def test_a_card_keeps_what_it_does_not_know():
    card = parse_card(CARD.format(digest="0" * 64), where="card.toml")
    assert card.extra == {"colour": "blue"}
    assert card.training_data[0].licence == "CC0-1.0"
    assert card.measured[0].value == 0.5
    assert card.sizes == {"parameters": 4}


def test_an_empty_card_is_told_everything_it_lacks_at_once():
    with pytest.raises(PluginError) as caught:
        parse_card('task = "encoder"', where="card.toml")
    for name in ("name", "space", "licence", "use", "description", "source", "sizes", "files", "measured"):
        assert f"{name} is missing" in str(caught.value)
    for name in ("training.command", "training.seed", "training.data"):
        assert f"{name} is missing" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('use = "free"', 'use = "mine"', "use is 'mine'"),
        ("seed = 0", 'seed = "0"', "training.seed is str, expected int"),
        ("seed = 0", "seed = true", "training.seed is bool"),
        ("parameters = 4", 'parameters = "4"', "sizes.parameters is not a whole number"),
        ('"model.safetensors"', '"../model.safetensors"', "leaves the folder"),
        ('"model.safetensors"', '"/model.safetensors"', "leaves the folder"),
        ("0" * 64, "abc", "is not a sha256"),
        ("value = 0.5", "", "measured[0].value is missing"),
        ('space = "tiny"', "", "space is missing"),
        ('name = "tiny"', "name =", "not TOML"),
    ],
)
def test_a_wrong_card_says_what_is_wrong(old, new, complaint):
    text = CARD.format(digest="0" * 64)
    assert old in text
    with pytest.raises(PluginError, match=r"card\.toml") as caught:
        parse_card(text.replace(old, new), where="card.toml")
    assert complaint in str(caught.value)


def test_a_seed_of_zero_and_a_value_of_zero_are_stated():
    card = parse_card(CARD.format(digest="0" * 64).replace("value = 0.5", "value = 0"), where="card.toml")
    assert (card.seed, card.measured[0].value) == (0, 0.0)


def test_a_broken_card_hides_no_other(shipped):
    assert list(models.model_cards()) == ["tiny"]
    assert list(models.broken_cards()) == ["bare"]
    with pytest.raises(PluginError, match="bare"):
        models.model_card("bare")
    with pytest.raises(ModelUnavailable, match="no model is called 'other'"):
        models.model_card("other")


def test_a_bundled_model_resolves_beside_its_card(shipped, offline):
    found = models.resolve("tiny", settings=offline)
    assert (found.source, found.path, found.files) == ("bundled", shipped, (shipped / "model.safetensors",))
    assert found.card is not None and found.card.name == "tiny"
    assert models.path("tiny", settings=offline) == shipped
    assert models.pull("tiny", settings=offline).files == found.files


def test_a_bundled_model_with_a_lost_file_is_unavailable(shipped, offline):
    (shipped / "model.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match=r"model\.safetensors is missing"):
        models.resolve("tiny", settings=offline)


def test_verify_finds_nothing_wrong_with_what_was_shipped(shipped):
    (shipped / "NOTICE").write_text("thanks")
    assert models.verify(models.model_card("tiny")) == []


def test_verify_finds_a_changed_a_missing_and_an_extra_file(shipped):
    card = models.model_card("tiny")
    save_weights(shipped / "model.safetensors", 2.0)
    (shipped / "other.safetensors").write_bytes(b"")
    problems = models.verify(card)
    assert len(problems) == 2
    assert "model.safetensors: Expected sha256" in problems[0]
    assert problems[1] == "other.safetensors: not listed in the card"
    (shipped / "model.safetensors").unlink()
    assert "model.safetensors: missing" in models.verify(card)[0]


def test_verify_finds_weights_that_match_their_hash_and_are_damaged_all_the_same(shipped):
    (shipped / "model.safetensors").write_bytes(b"\xff" * 40)
    digest = hashlib.sha256(b"\xff" * 40).hexdigest()
    card = replace(models.model_card("tiny"), files={"model.safetensors": digest})
    assert ["not a whole safetensors file" in problem for problem in models.verify(card)] == [True]


def test_a_local_path_resolves_to_itself(tmp_path, offline):
    save_weights(tmp_path / "a.safetensors")
    found = models.resolve(str(tmp_path / "a.safetensors"), settings=offline)
    assert (found.source, found.path) == ("local", tmp_path / "a.safetensors")
    found = models.resolve(str(tmp_path), settings=offline, files=["*.safetensors"])
    assert found.files == (tmp_path / "a.safetensors",)
    with pytest.raises(ModelUnavailable, match="does not hold all of"):
        models.resolve(str(tmp_path), settings=offline, files=["*.safetensors", "config.json"])


def test_an_unknown_name_is_told_the_nearest(shipped, offline):
    with pytest.raises(ModelUnavailable, match="did you mean tiny"):
        models.resolve("tinny", settings=offline)


@pytest.mark.parametrize("name", ["hf:", "hf:a/b/c", "hf:a b", "hf:../x/y", "hf:a/b@"])
def test_a_malformed_hub_name_is_a_usage_error(name, offline):
    with pytest.raises(UsageError, match="hf:ORG/NAME"):
        models.resolve(name, settings=offline)


def test_the_newest_weights_of_a_repository_are_safetensors_where_there_are_any():
    names = ["config.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx", "onnx/config.json", "x.py"]
    assert hub.select_weights(names) == ["config.json", "model.safetensors"]
    names = ["config.json", "pytorch_model.bin", "training_args.bin", "optimizer.pt", "tf_model.h5"]
    assert hub.select_weights(names) == ["config.json", "pytorch_model.bin"]
    assert hub.select_weights(["config.json", "weights.pkl"]) == []


class Bomb:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_malicious_checkpoint_is_refused_and_not_executed(tmp_path, legacy):
    import torch

    target = tmp_path / "exploded"
    for suffix in (".pt", ".pth", ".bin"):
        path = tmp_path / f"weights{suffix}"
        torch.save({"weight": Bomb(target)}, path, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(ModelUnavailable, match="refused to load it") as caught:
            models.check_safe_weights(path)
        assert "\n" not in str(caught.value)
    assert not target.exists()


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_alone_are_taken_from_a_torch_file(tmp_path, legacy):
    import torch

    path = tmp_path / "weights.pt"
    torch.save({"weight": torch.ones(3)}, path, _use_new_zipfile_serialization=not legacy)
    models.check_safe_weights(path)


@pytest.mark.parametrize("suffix", [".pkl", ".ckpt", ".npz", ".npy", ".joblib", ""])
def test_any_other_kind_of_weights_is_refused(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(pickle.dumps({"weight": [1.0]}))
    with pytest.raises(ModelUnavailable, match="safetensors"):
        models.check_safe_weights(path)


def test_an_archive_with_code_in_it_is_refused(tmp_path):
    path = tmp_path / "weights.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/code/__torch__.py", "x")
        archive.writestr("model/constants.pkl", "x")
    with pytest.raises(ModelUnavailable, match="TorchScript"):
        models.check_safe_weights(path)


@given(content=st.binary(max_size=200))
def test_bytes_that_are_no_safetensors_file_are_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "weights.safetensors"
    path.write_bytes(content)
    if content[:8] == b"\x02" + bytes(7) and content[8:] == b"{}":
        models.check_safe_weights(path)
    else:
        with pytest.raises(ModelUnavailable, match="not a whole safetensors file"):
            models.check_safe_weights(path)


def test_truncated_safetensors_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path)
    models.check_safe_weights(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelUnavailable, match="promises"):
        models.check_safe_weights(path)


def test_a_fingerprint_tells_parts_kinds_and_order_apart(tmp_path):
    seen = {
        models.fingerprint(*parts, cache_dir=tmp_path)
        for parts in (("ab", "c"), ("a", "bc"), ("abc",), ("c", "ab"), (b"ab", b"c"), (), ("",))
    }
    assert len(seen) == 7


def test_a_file_stands_for_its_content_and_not_for_its_name(tmp_path):
    (tmp_path / "a").write_bytes(b"weights")
    (tmp_path / "b").write_bytes(b"weights")
    (tmp_path / "c").write_bytes(b"other weights")
    a, b, c = (models.fingerprint(tmp_path / name, "template", cache_dir=tmp_path) for name in "abc")
    assert a == b != c


def test_a_large_file_is_hashed_once_until_it_changes(tmp_path, monkeypatch):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"x" * (1 << 20))
    monkeypatch.setattr(hashes, "_SETTLED_NS", -1)
    first = models.file_sha256(path, cache_dir=tmp_path / "cache")
    assert first == hashlib.sha256(b"x" * (1 << 20)).hexdigest()

    def never() -> str:
        raise AssertionError("hashed again")

    assert models.memoised(path, "file", never, cache_dir=tmp_path / "cache") == first
    stat = path.stat()
    path.write_bytes(b"y" * (1 << 20))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert models.file_sha256(path, cache_dir=tmp_path / "cache") == hashlib.sha256(b"y" * (1 << 20)).hexdigest()


def test_the_hash_of_a_file_that_just_changed_is_not_remembered(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"x" * (1 << 20))
    models.file_sha256(path, cache_dir=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_damaged_memory_of_a_hash_is_no_harm(tmp_path, monkeypatch):
    path = tmp_path / "weights"
    path.write_bytes(b"x" * (1 << 20))
    monkeypatch.setattr(hashes, "_SETTLED_NS", -1)
    first = models.file_sha256(path, cache_dir=tmp_path / "cache")
    (note,) = (tmp_path / "cache" / "hashes").iterdir()
    for damage in ("", "[]", "{}", '{"stamp": 1}'):
        note.write_text(damage)
        assert models.file_sha256(path, cache_dir=tmp_path / "cache") == first


def test_reading_cards_imports_nothing_heavy():
    code = (
        "import sys; import mmkit.models as m; m.model_cards(); m.broken_cards(); m.resolve; m.verify; m.fingerprint\n"
        "print([n for n in ('torch', 'numpy', 'huggingface_hub', 'safetensors') if n in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
