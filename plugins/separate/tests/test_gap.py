"""Vectors of one modality brought to where those of another lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmkit_separate.separator import Separator
from mmkit_separate.weights import FOLDER, load_folder, save_folder
from numpy.typing import NDArray

from mmkit.errors import ModelUnavailable, UsageError

Rows = NDArray[np.float32]


def unit(rows: NDArray[np.floating]) -> Rows:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def model_with(folder: Path, tiny: Path, extra: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The tiny model with these tensors beside its network, in a folder of its own; its config."""
    config, network, _ = load_folder(tiny, torch.device("cpu"))
    save_folder(folder, config, network, extra)
    return config


def test_a_picture_is_moved_stretched_and_drawn_to_the_training_s_phrases(tiny: Path, tmp_path: Path) -> None:
    """The formulas written out, on the tensors that a model's folder holds."""
    folder = tmp_path / "model"
    chance = np.random.default_rng(1)
    pictures, memory = unit(chance.standard_normal((5, 384))), unit(chance.standard_normal((40, 384)))
    mean = {name: chance.standard_normal(384).astype(np.float32) * 0.05 for name in ("text", "image")}
    spread = {name: chance.uniform(0.5, 1.5, 384).astype(np.float32) for name in ("text", "image")}
    tensors = {f"{kind}.{name}": held[name] for kind, held in (("mean", mean), ("spread", spread)) for name in held}
    tensors = {name: value.astype(np.float16) for name, value in {**tensors, "memory": 3 * memory}.items()}
    config = model_with(folder, tiny, {name: torch.from_numpy(value) for name, value in tensors.items()})
    mean = {name: tensors[f"mean.{name}"].astype(np.float32) for name in mean}
    spread = {name: tensors[f"spread.{name}"].astype(np.float32) for name in spread}
    memory = unit(tensors["memory"].astype(np.float32))
    (folder / "config.json").write_text(json.dumps({**config, "gap": {"kind": "mean", "memory": 0.25}}))
    stretched = mean["text"] + (pictures - mean["image"]) * spread["text"] / spread["image"]
    for kind, moved in (("mean", pictures + mean["text"] - mean["image"]), ("scaled", stretched)):
        moved = unit(moved)
        weights = np.exp(moved @ memory.T / 0.03)
        remembered = unit(weights @ memory / weights.sum(axis=1, keepdims=True))
        separator = Separator(folder, device="cpu", gap=kind)
        assert np.allclose(separator.adapted(pictures, "image"), unit(0.25 * remembered + 0.75 * moved), atol=1e-6)
        for modality in ("text", "audio"):
            assert np.array_equal(separator.adapted(pictures, modality), pictures)  # type: ignore[arg-type]


def test_a_model_declares_its_correction_and_an_option_overrides_it(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    chance = np.random.default_rng(1)
    picture = unit(chance.standard_normal((1, 384)))
    tensors = {f"mean.{name}": torch.randn(384) * 0.05 for name in ("text", "image")}
    tensors |= {f"spread.{name}": torch.rand(384) + 0.5 for name in ("text", "image")}
    config = model_with(folder, tiny, tensors)
    (folder / "config.json").write_text(json.dumps({**config, "gap": {"kind": "none", "memory": 0}}))
    assert np.array_equal(Separator(folder, device="cpu").adapted(picture, "image"), picture)
    rows = [Separator(folder, device="cpu", gap=kind).adapted(picture, "image") for kind in ("mean", "scaled")]
    assert not np.allclose(rows[0], picture) and not np.allclose(rows[0], rows[1])
    with pytest.raises(UsageError, match="none, mean, scaled"):
        Separator(folder, device="cpu", gap="twist")
    with pytest.raises(UsageError, match="no statistics"):
        Separator(tiny, device="cpu", gap="scaled").adapted(picture, "image")
    (folder / "config.json").write_text(json.dumps({**config, "gap": {"kind": "twist"}}))
    with pytest.raises(ModelUnavailable, match="twist"):
        Separator(folder, device="cpu")


@pytest.mark.parametrize("name", ["film", "clipsep", "clipsep-nit"])
def test_what_ships_declares_a_correction_for_pictures(name: str) -> None:
    picture = unit(np.random.default_rng(0).standard_normal((1, 384)))
    separator = Separator(name, device="cpu")
    assert separator.gap.kind != "none"
    assert "gap" in json.loads((FOLDER / name / "config.json").read_text())
    assert not np.allclose(separator.adapted(picture, "image"), picture, atol=0.05)


def test_training_takes_the_gap_from_captioned_pictures_or_from_a_model(tmp_path: Path) -> None:
    import soundfile
    from mmkit_separate.training.data import read_data
    from mmkit_separate.training.run import Plan, train
    from PIL import Image

    from mmkit.config import settings

    for label in ("hum", "hiss"):
        (tmp_path / "sounds" / label).mkdir(parents=True)
        noise = np.random.default_rng(len(label)).standard_normal(16000) * 0.1
        soundfile.write(tmp_path / "sounds" / label / "0.wav", noise, 16000)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    rows = []
    for colour in ("red", "blue", "green"):
        Image.new("RGB", (64, 64), colour).save(pictures / f"{colour}.png")
        rows.append(json.dumps({"file": f"{colour}.png", "captions": [f"all is {colour}"]}))
    (pictures / "captions.jsonl").write_text("\n".join(rows))
    data, chosen = read_data([tmp_path / "sounds"], failures=[]), settings(device="cpu")
    small = {"widths": [4, 4, 4], "depths": [1, 1, 1], "condition": 8}
    picture = unit(np.random.default_rng(0).standard_normal((1, 384)))
    moved = {}
    for name, gaps in (("captions", pictures), ("film", "film"), ("none", None)):
        plan = Plan(steps=1, batch=2, length=0.5, arguments=small, gaps=gaps)
        train(data, plan, tmp_path / name, chosen=chosen, report=lambda line: None)
        moved[name] = Separator(tmp_path / name, device="cpu").adapted(picture, "image")
    assert np.array_equal(moved["none"], picture)
    assert not np.allclose(moved["captions"], picture) and not np.allclose(moved["film"], moved["captions"])
    again = Plan(steps=1, batch=2, length=0.5, start=str(tmp_path / "captions"))
    train(data, again, tmp_path / "again", chosen=chosen, report=lambda line: None)
    assert np.allclose(
        Separator(tmp_path / "again", device="cpu").adapted(picture, "image"), moved["captions"], atol=1e-3
    )
