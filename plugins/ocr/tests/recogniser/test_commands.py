from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from mmkit_ocr.evaluate import folded, word_scores
from PIL import Image, ImageFont

from mmkit.errors import UsageError


@pytest.fixture
def crops(tmp_path: Path, draw: Callable[[str], np.ndarray]) -> Path:
    """Six word pictures and their labels.tsv."""
    words = ["exit", "Hotel", "taxi", "12", "a", "Bank"]
    folder = tmp_path / "crops"
    folder.mkdir()
    for number, word in enumerate(words):
        Image.fromarray(draw(word)).save(folder / f"{number}.png")
    (folder / "labels.tsv").write_text("".join(f"{n}.png\t{word}\n" for n, word in enumerate(words)), encoding="utf-8")
    return folder


def test_case_and_signs_do_not_count_under_36_characters() -> None:
    assert folded("Caf\u00e9-No. 1!") == "cafeno1"
    scores = word_scores(["HOTEL!", "exlt"], ["hotel", "exit"])
    assert scores["word_accuracy"] == 0.5
    assert scores["one_minus_ned"] == pytest.approx(1 - 0.25 / 2)
    assert word_scores(["HOTEL"], ["hotel"], charset="full")["word_accuracy"] == 0.0
    with pytest.raises(ValueError, match="at least one"):
        word_scores([], [])


def test_words_go_on_past_a_broken_crop(crops: Path, weights: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    from mmkit_ocr.cli.words import words

    (crops / "broken.png").write_bytes(b"\x89PNG nothing")
    failures = tmp_path / "failures.jsonl"
    code = words([str(crops / "0.png"), str(crops / "broken.png"), str(crops / "1.png")], recognizer=str(weights),
                 failures=failures, json=True)  # fmt: skip
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == 3
    assert [Path(row["id"]).name for row in rows] == ["0.png", "1.png"]
    assert all(len(row["characters"]) == len(row["text"]) for row in rows)
    assert "broken.png" in failures.read_text()


def test_eval_has_the_keys_of_the_protocol(crops: Path, weights: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    from mmkit_ocr.cli.eval import evaluate

    assert evaluate(crops / "labels.tsv", crops, recognizer=str(weights), json=True) == 0
    result = json.loads(capsys.readouterr().out)
    assert {"word_accuracy", "one_minus_ned", "n", "characters_per_second"} <= set(result)
    assert result["n"] == 6


@pytest.mark.parametrize("text", ["", "0.png\n", "0.png\ta\tb\n"])
def test_labels_of_another_form_are_one_clear_line(tmp_path: Path, text: str) -> None:
    from mmkit_ocr.cli.eval import evaluate

    (tmp_path / "labels.tsv").write_text(text)
    with pytest.raises(UsageError, match=r"labels\.tsv"):
        evaluate(tmp_path / "labels.tsv")


def test_train_writes_a_recogniser_that_reads_after_a_break(crops: Path, tmp_path: Path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    from mmkit_ocr.recogniser.network import Network, Shape
    from mmkit_ocr.recogniser.weights import load_network
    from mmkit_ocr.training import setup

    from mmkit.training.checkpoint import Checkpoint

    # The package's attribute of that name is the function itself.
    command = import_module("mmkit_ocr.cli.train")

    def small(start: str, *, seed: int, layers: int) -> Network:
        return Network(Shape(dim=64, layers=layers, width=96), dropout=0.1)

    class Tower:
        width = 384

        def states(self, words):  # type: ignore[no-untyped-def]
            import torch

            return torch.ones(len(words), 3, 384), torch.ones(len(words), 3, dtype=torch.bool)

    monkeypatch.setattr(setup, "start_network", small)
    monkeypatch.setattr(command, "_towers", lambda *_: (Tower(), None))
    words = tmp_path / "words.txt"
    words.write_text("exit\nhotel\ntaxi\n")
    (tmp_path / "fonts").mkdir()
    (tmp_path / "fonts" / "one.ttf").write_bytes(ImageFont.load_default(20).font_bytes)
    output = tmp_path / "own.safetensors"
    options = {"words": [words], "crops": [crops / "labels.tsv"], "fonts": [tmp_path / "fonts"], "steps_words": 0}
    options |= {"steps_crops": 3, "batch": 6, "rendered": 8, "layers": 1, "json": True}

    def stop_after_two(kept: Checkpoint) -> bool:
        if (kept.facts() or {}).get("step") == 2:
            raise KeyboardInterrupt
        return True

    with monkeypatch.context() as broken:
        broken.setattr(Checkpoint, "due", stop_after_two)
        with pytest.raises(KeyboardInterrupt):
            command.train(output, **options)
    with pytest.raises(UsageError, match="--resume"):
        command.train(output, **options)
    capsys.readouterr()
    code = command.train(output, **options, resume=True)
    assert json.loads(capsys.readouterr().out)["stage_2"]["steps"] == 3
    assert code == 0
    assert load_network(output).shape.width == 96
    assert not output.with_name("own.safetensors.state").exists()
    with pytest.raises(UsageError, match="--overwrite"):
        command.train(output, words=[words])
    with pytest.raises(UsageError, match="no run to go on with"):
        command.train(tmp_path / "new.safetensors", words=[words], resume=True)
