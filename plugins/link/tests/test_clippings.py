"""The stages of CLIPPINGS: losses, batches, sketches, adapters, and the commands that train and use them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmkit_link.adapter import Adapter, is_adapter, load_adapter
from mmkit_link.losses import clip_loss, pair_margin_loss, supervised_contrastive_loss
from mmkit_link.sketches import edit_similarities, edit_sketch
from mmkit_link.stages import Pictured, fit_adapter, hard_batches
from PIL import Image, ImageDraw

from mmkit.cli.entry import run as mmkit
from mmkit.errors import BadInput
from mmkit.media import read_table

torch.set_num_threads(1)


def rows_of(classes: int, items: int, noise: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, 16, generator=generator)
    labels = torch.arange(classes).repeat_interleave(items)
    rows = centres[labels] + noise * torch.randn(len(labels), 16, generator=generator)
    return torch.nn.functional.normalize(rows, dim=1), labels


def test_the_supervised_loss_equals_the_loop():
    rows, labels = rows_of(3, 3, 0.5)
    terms = []
    for one in range(len(rows)):
        others = [row for row in range(len(rows)) if row != one]
        logits = torch.stack([rows[one] @ rows[row] / 0.1 for row in others])
        shares = torch.log_softmax(logits, 0)
        terms.append(
            -torch.stack([s for s, row in zip(shares, others, strict=True) if labels[row] == labels[one]]).mean()
        )
    assert supervised_contrastive_loss(rows, labels) == pytest.approx(float(torch.stack(terms).mean()), rel=1e-5)


def test_losses_of_nothing_to_learn_are_zero():
    rows, _ = rows_of(4, 1, 0.1)
    assert float(supervised_contrastive_loss(rows, torch.arange(4))) == 0
    same = rows[:1].repeat(3, 1)
    assert float(pair_margin_loss(same, torch.zeros(3, dtype=torch.long))) == pytest.approx(0, abs=1e-6)
    assert float(clip_loss(rows[:1], rows[:1])) == 0


def test_losses_fall_as_classes_part():
    for loss in (supervised_contrastive_loss, pair_margin_loss):
        assert float(loss(*rows_of(4, 3, 0.05))) < float(loss(*rows_of(4, 3, 2.0)))


def test_hard_batches_put_a_class_beside_its_nearest():
    angles = np.deg2rad([0.0, 5.0, 10.0, 120.0, 125.0, 130.0])
    centres = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    classes = np.repeat(np.arange(6), [4, 1, 2, 3, 3, 5])
    batches = hard_batches(centres[classes], classes, np.random.default_rng(0))
    groups = np.concatenate(batches).reshape(-1, 9)
    assert len(groups) == 6
    for group in classes[groups]:
        assert set(group.tolist()) in ({0, 1, 2}, {3, 4, 5}) and np.bincount(group)[group].tolist() == [3] * 9


def test_sketches_are_near_edit_similarities():
    texts = [
        f"{name} {kind} {town}" for name in ("acme", "zenith", "nimbus") for kind in ("ltd", "co") for town in "ab"
    ]
    rows = edit_sketch(texts)
    assert np.abs(rows @ rows.T - edit_similarities(texts, texts)).mean() < 0.05
    assert not edit_sketch(["", "abc"])[0].any() and edit_sketch([]).shape == (0, 0)


def records(seed: int = 0, firms: int = 12, items: int = 4) -> tuple[Pictured, list[str]]:
    rng = np.random.default_rng(seed)
    looks = rng.normal(size=(firms, 24))
    names = [f"{first} {last}" for first in ("kestrel", "lantern", "nimbus", "harbour") for last in ("ltd", "co", "ag")]
    labels = np.repeat(np.arange(firms), items)
    # Half of what a picture shows is of no use.
    inputs = np.concatenate([looks[labels], 3 * rng.normal(size=(len(labels), 24))], axis=1).astype(np.float32)
    texts = [names[label] + " " + "".join(rng.choice(list("abcdef"), 6)) for label in labels]
    return Pictured.of(inputs, texts, labels.tolist()), names


def test_stage_b_learns_what_tells_classes_apart():
    train, _ = records()
    adapter = fit_adapter(train, encoder="none", fingerprint="", epochs=(3, 15))
    rows, plain = adapter.pictures(train.inputs), train.inputs / np.linalg.norm(train.inputs, axis=1, keepdims=True)
    same = train.classes[:, None] == train.classes[None]
    np.fill_diagonal(same, False)

    def gap(each: np.ndarray) -> float:
        cosine = each @ each.T
        return float(cosine[same].mean() - cosine[~same].mean())

    assert gap(rows) > gap(plain) + 0.2


def test_a_saved_adapter_gives_the_same_vectors_and_a_damaged_one_is_refused(tmp_path):
    train, _ = records()
    adapter = fit_adapter(replace(train, classes=None), encoder="none", fingerprint="x", epochs=(1, 0))
    adapter.save(tmp_path / "a")
    loaded = load_adapter(tmp_path / "a")
    assert np.allclose(loaded.pictures(train.inputs), adapter.pictures(train.inputs), atol=5e-3)
    assert np.allclose(loaded.texts(train.texts), adapter.texts(train.texts), atol=5e-3)
    assert not loaded.pictures(np.zeros((1, 48), np.float32)).any() and not loaded.texts([""]).any()
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "cut").write_bytes(data[: len(data) // 2])
    assert not is_adapter(tmp_path / "cut")
    with pytest.raises(BadInput, match="no adapter"):
        load_adapter(tmp_path / "cut")
    Adapter(**{**{n: getattr(adapter, n) for n in Adapter.__slots__}, "landmarks": ("one",)}).save(tmp_path / "b")
    with pytest.raises(BadInput, match="damaged"):
        load_adapter(tmp_path / "b")


def test_too_few_records_teach_nothing():
    with pytest.raises(BadInput, match="at least 8"):
        fit_adapter(Pictured.of(np.ones((2, 4), np.float32), ["a", "b"]), encoder="none", fingerprint="")


@pytest.fixture
def heads(tmp_path, write_rows):
    """A table of letter heads: pictures of eight firms, three each, with their names misread."""
    rng = np.random.default_rng(0)
    colours = ["navy", "darkred", "darkgreen", "purple", "orange", "teal", "black", "brown"]
    names = ["kestrel bakery", "lantern garden", "nimbus marine", "harbour print", "ember books", "thistle glass",
             "pioneer steel", "willow dairy"]  # fmt: skip
    rows = []
    for firm, (name, colour) in enumerate(zip(names, colours, strict=True)):
        for copy in range(3):
            picture = Image.new("RGB", (96, 96), "white")
            draw = ImageDraw.Draw(picture)
            left, top = 6 + 5 * (firm % 4) + int(rng.integers(3)), 6 + 20 * (firm // 4) + int(rng.integers(3))
            draw.rectangle((left, top, left + 30 + 4 * firm, top + 14), fill=colour)
            path = f"{firm}-{copy}.png"
            picture.save(tmp_path / path)
            place = int(rng.integers(len(name)))
            rows.append({"crop": path, "ocr": name[:place] + "x" + name[place + 1 :], "firm": str(firm)})
    return write_rows("heads.csv", rows)


def test_an_adapter_is_trained_measured_and_used(heads, tmp_path, capsys):
    adapter, out = tmp_path / "firms.adapter", tmp_path / "clusters.csv"
    common = ["--on", "ocr", "--image-col", "crop"]
    train = ["link", "train", "--table", str(heads), *common, "--clusters", "firm", "--json"]
    assert mmkit([*train, "--valid", str(heads), "-o", str(adapter)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ari"] > 0.9 and {"weight", "cosine", "stage_a_epoch", "stage_b_loss"} <= set(report)
    assert mmkit(["link", "dedupe", str(heads), *common, "--model", str(adapter), "-o", str(out)]) == 0
    assert len(set(read_table(out).column("cluster").to_pylist())) == 8
    measure = ["link", "eval", "--table", str(heads), "--clusters", "firm", "--tune", str(heads), *common, "--json"]
    capsys.readouterr()
    assert mmkit([*measure, "--model", str(adapter)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ari"] >= max(found["text_only"]["ari"], found["picture_only"]["ari"]) - 1e-9
    assert "levenshtein" in found
    again = ["link", "train", "--table", str(heads), *common, "-o", str(adapter)]
    assert mmkit(again) == 2 and "there already" in capsys.readouterr().err
    assert mmkit([*again[:-1], str(tmp_path / "n"), "--pairs", str(heads)]) == 2
    assert mmkit(["link", "eval", "--pairs", str(heads), "--model", str(adapter)]) == 2


def test_an_adapter_serves_as_the_encoder_of_pictures(heads, tmp_path):
    adapter, links = tmp_path / "own.adapter", tmp_path / "links.csv"
    common = ["--on", "ocr", "--image-col", "crop"]
    assert mmkit(["link", "train", "--table", str(heads), *common, "-o", str(adapter)]) == 0
    match = ["link", "match", str(heads), str(heads), *common, "-e", str(adapter), "--threshold", "0.5"]
    assert mmkit([*match, "-o", str(links)]) == 0
    rows = read_table(links).to_pylist()
    assert len(rows) >= 8 and sum(row["left"] == row["right"] for row in rows) >= 0.8 * len(rows)
