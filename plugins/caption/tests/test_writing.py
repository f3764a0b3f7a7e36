"""From vectors to captions: spaces, gaps, e(x), languages and n-best."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mmkit_caption.describe import Described, describe
from mmkit_caption.sheet import caption_sheet
from mmkit_caption.weights import check_space, load_folder, locate, read_config
from mmkit_caption.writer import Caption, CaptionWriter, _distinct

from mmkit.encoders.base import Encoder
from mmkit.errors import ModelUnavailable, SpaceMismatch, UsageError
from mmkit.types import Item


def unit(count: int, dims: int = 16, *, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dims)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_captions_do_not_depend_on_the_batch(captioner: Path) -> None:
    writer = CaptionWriter(captioner, device="cpu")
    vectors = unit(5)
    together = writer.write(vectors, n=2, beam=4)
    alone = [writer.write(row[None], n=2, beam=4)[0] for row in vectors]
    assert [[c.text for c in texts] for texts in together] == [[c.text for c in texts] for texts in alone]
    assert writer.write(vectors[:0]) == []


def test_n_best_captions_differ_and_are_ordered(captioner: Path) -> None:
    for texts in CaptionWriter(captioner, device="cpu").write(unit(3), n=4):
        assert 1 <= len(texts) <= 4
        assert len({caption.text for caption in texts}) == len(texts)
        assert [c.score for c in texts] == sorted((c.score for c in texts), reverse=True)


def test_texts_that_are_spelt_alike_count_once() -> None:
    assert _distinct([("a dog", -1.0), ("a  dog", -2.0), ("a cat", -3.0)], 2) == [
        Caption("a dog", -1.0),
        Caption("a cat", -3.0),
    ]


def test_a_language_that_is_not_known_is_refused(captioner: Path) -> None:
    with pytest.raises(UsageError, match="en and de"):
        CaptionWriter(captioner, device="cpu").write(unit(1), language="fr")


def test_another_space_is_refused_before_anything_is_encoded(
    captioner: Path, hashed: Encoder, space: Callable[[str], Encoder]
) -> None:
    writer = CaptionWriter(captioner, device="cpu")
    with pytest.raises(SpaceMismatch, match=r"'hashed'.*'other'.*mmkit caption train"):
        next(describe(writer, space("other"), [Item.from_path("x.jpg", "image")]))
    changed = {**writer.config, "fingerprint": "older"}
    with pytest.raises(SpaceMismatch, match="other weights"):
        check_space(changed, hashed.spec, where="x")


def test_the_mean_shift_and_e_of_x_are_what_the_config_says(captioner: Path) -> None:
    vectors = torch.from_numpy(unit(3))
    plain = CaptionWriter(captioner, device="cpu", overrides={"gap": {"kind": "none"}, "projection": {}})
    assert torch.equal(plain.asked(vectors, "image"), vectors)
    shifted = CaptionWriter(captioner, device="cpu", overrides={"projection": {}})
    assert not torch.allclose(shifted.asked(vectors, "image"), vectors, atol=1e-3)
    assert torch.equal(shifted.asked(vectors, "text"), vectors)
    expressed = CaptionWriter(captioner, device="cpu").asked(vectors, "image")
    assert torch.allclose(expressed.norm(dim=1), torch.ones(3), atol=1e-5)


def test_a_style_changes_what_pictures_are_expressed_by(captioner: Path) -> None:
    writer = CaptionWriter(captioner, device="cpu")
    style = torch.from_numpy(unit(1, seed=5))
    writer.take_style(style)
    assert torch.allclose(writer.asked(torch.from_numpy(unit(2)), "image"), style.expand(2, -1), atol=1e-5)


def test_folders_that_are_damaged_are_told(captioner: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no captioner"):
        locate(tmp_path / "nothing")
    config = json.loads((captioner / "config.json").read_text())
    config["shape"]["prefix"] = 4
    (captioner / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable, match="does not fit"):
        load_folder(captioner, torch.device("cpu"))
    del config["space"]
    (captioner / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable, match="lacks space"):
        read_config(captioner)


def test_pictures_are_described_in_order_and_failures_told(
    captioner: Path, hashed: Encoder, photo: Callable[..., Path]
) -> None:
    items = [Item.from_path(photo(f"{name}.png"), "image") for name in ("a-dog", "a-cat", "two-men")]
    writer = CaptionWriter(captioner, device="cpu")
    found = [one for described, _ in describe(writer, hashed, items, language="de") for one in described]
    assert [one.item for one in found] == items
    assert all(len(one.captions) == 1 for one in found)


def test_the_sheet_has_a_tile_a_picture(photo: Callable[..., Path], tmp_path: Path) -> None:
    there = Described(Item.from_path(photo(), "image"), [Caption("A dog runs. " * 30, -1.0)])
    lost = Described(Item.from_path(tmp_path / "lost.png", "image"), [])
    sheet = caption_sheet([there, lost, there], columns=2, tile=64)
    assert sheet.size[0] == 2 * (64 + 16) + 16
    assert sheet.size[1] > 2 * 64
    assert caption_sheet([]).size[1] > 0
