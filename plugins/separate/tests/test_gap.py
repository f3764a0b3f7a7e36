"""Vectors of one modality brought to where those of another lie."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmkit_separate.gap import GapCorrection, Statistics
from mmkit_separate.separator import Separator
from mmkit_separate.weights import FOLDER
from numpy.typing import NDArray
from safetensors.torch import save_file

from mmkit.errors import ModelUnavailable, UsageError
from mmkit.types import Modality, SharedSpaceQuery

Rows = NDArray[np.float32]


def unit(rows: NDArray[np.floating]) -> Rows:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def towers(count: int = 400, dim: int = 24) -> tuple[Rows, Rows]:
    """Texts and pictures of the same things, in two cones; pictures are spread less in half of the dims."""
    chance = np.random.default_rng(0)
    meaning = chance.standard_normal((count, dim))
    away = 3 * chance.standard_normal((2, dim))
    narrow = np.where(np.arange(dim) % 2, 0.3, 1.0)
    return unit(meaning + away[0]), unit(meaning * narrow + away[1])


def statistics(rows: Rows) -> Statistics:
    return Statistics(rows.mean(axis=0), rows.std(axis=0))


def found(correction: GapCorrection, asked: Rows, wanted: Rows, modality: Modality = "image") -> float:
    """Share of the pictures whose own text is the nearest."""
    moved = correction.query(SharedSpaceQuery(asked, modality))
    assert np.allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-5)
    centred = wanted - wanted.mean(axis=0)
    return float(((moved - wanted.mean(axis=0)) @ centred.T).argmax(axis=1).__eq__(np.arange(len(wanted))).mean())


def test_each_step_brings_pictures_nearer_to_their_texts() -> None:
    texts, pictures = towers()
    of = {"text": statistics(texts), "image": statistics(pictures)}
    near = [
        float((GapCorrection(kind, of=of).query(SharedSpaceQuery(pictures, "image")) * texts).sum(axis=1).mean())
        for kind in ("none", "mean", "scaled")
    ]
    assert near[0] < near[1] - 0.2
    assert near[1] < near[2]
    assert found(GapCorrection("scaled", of=of), pictures, texts) > found(GapCorrection("mean", of=of), pictures, texts)


def test_the_mean_shift_brings_the_mean_there() -> None:
    texts, pictures = towers()
    of = {"text": statistics(texts), "image": statistics(pictures)}
    moved = GapCorrection("mean", of=of).query(SharedSpaceQuery(pictures, "image"))
    assert np.linalg.norm(moved.mean(axis=0) - texts.mean(axis=0)) < 0.15
    assert np.linalg.norm(pictures.mean(axis=0) - texts.mean(axis=0)) > 0.5


def test_equal_statistics_change_nothing() -> None:
    _, pictures = towers()
    of = {"text": statistics(pictures), "image": statistics(pictures)}
    for kind in ("mean", "scaled"):
        moved = GapCorrection(kind, of=of).query(SharedSpaceQuery(pictures, "image"))  # type: ignore[arg-type]
        assert np.allclose(moved, pictures, atol=1e-5)


def test_vectors_of_the_training_s_modality_and_of_one_without_statistics_stay() -> None:
    texts, pictures = towers()
    of = {"text": statistics(texts), "image": statistics(pictures)}
    for modality in ("text", "audio"):
        assert np.array_equal(GapCorrection("mean", of=of).query(SharedSpaceQuery(texts, modality)), texts)  # type: ignore[arg-type]
    assert np.array_equal(GapCorrection("none", of=of).query(SharedSpaceQuery(pictures, "image")), pictures)


def test_the_whole_share_of_memory_lands_on_what_is_remembered() -> None:
    texts, pictures = towers(count=8)
    of = {"text": statistics(texts), "image": statistics(pictures)}
    cold = GapCorrection("mean", of=of, memory=texts, share=1.0, temperature=1e-3)
    moved = cold.query(SharedSpaceQuery(pictures, "image"))
    assert np.allclose((moved @ texts.T).max(axis=1), 1, atol=1e-4)
    none = GapCorrection("mean", of=of, memory=texts, share=0.0)
    plain = GapCorrection("mean", of=of)
    assert np.array_equal(
        none.query(SharedSpaceQuery(pictures, "image")), plain.query(SharedSpaceQuery(pictures, "image"))
    )


def test_a_model_declares_its_correction_and_an_option_overrides_it(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    chance = np.random.default_rng(1)
    picture = unit(chance.standard_normal((1, 384)))
    tensors = {f"mean.{name}": torch.randn(384) * 0.05 for name in ("text", "image")}
    tensors |= {f"spread.{name}": torch.rand(384) + 0.5 for name in ("text", "image")}
    save_file(tensors, folder / "gap.safetensors")
    config = json.loads((folder / "config.json").read_text())
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
