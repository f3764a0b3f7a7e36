"""``mmkit eval``: the numbers, their names, and the control beside them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

CAPTIONS = {
    "espresso.jpg": ["a cup of espresso"],
    "tabby-cat.jpg": ["a tabby cat", "a cat looks up"],
    "rocket-launch-pad.jpg": ["a rocket on its launch pad"],
    "guitar-drawing.png": ["an acoustic guitar"],
}


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    file = tmp_path / "captions.jsonl"
    lines = [json.dumps({"file": name, "captions": texts}) for name, texts in CAPTIONS.items()]
    file.write_text("\n".join(lines) + "\n\n", "utf-8")
    return file


def test_retrieval_prints_one_object_with_the_agreed_keys(cli: Any, pictures: Path, captions: Path) -> None:
    result = cli("eval", "retrieval", "--root", pictures, "--captions", captions, "--json")
    assert (result.code, result.err) == (0, "")
    (record,) = result.records
    for name in ("text_to_image", "image_to_text", "shuffled"):
        assert {"R@1", "R@5", "R@10", "median_rank"} <= record[name].keys()
        assert all(0 <= record[name][key] <= 1 for key in ("R@1", "R@5", "R@10"))
        assert record[name]["median_rank"] >= 1
    for name in ("text_to_image", "image_to_text"):
        assert record[name].keys() == {"R@1", "R@5", "R@10", "median_rank"}
        assert record[name]["R@1"] >= 0.75
    # Four pictures: with shuffled pairs no caption finds "its" picture first.
    assert record["shuffled"]["R@1"] <= 0.25
    table = cli("eval", "retrieval", "--root", pictures, "--captions", captions).out.splitlines()
    assert table[0] == "mini: 4 pictures, 5 captions"
    assert [line.split()[0] for line in table[2:]] == ["text_to_image", "image_to_text", "shuffled"]


def test_retrieval_goes_on_without_a_picture_that_cannot_be_read(cli: Any, pictures: Path, captions: Path) -> None:
    captions.write_text(captions.read_text() + '{"file": "missing.jpg", "captions": ["nothing"]}\n')
    result = cli("eval", "retrieval", "--root", pictures, "--captions", captions, "--json")
    assert (result.code, result.records[0]["images"]) == (3, 4)
    assert "missing.jpg: no such file" in result.err
    strict = cli("eval", "retrieval", "--root", pictures, "--captions", captions, "--strict")
    assert (strict.code, strict.out) == (1, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Expected at least one line"),
        ("x", "captions.jsonl:1: Expected"),
        ('{"file": "a.jpg", "captions": []}', "captions.jsonl:1: Expected a file name and at least one caption"),
        ('{"file": 3, "captions": ["a"]}', "captions.jsonl:1: Expected a file name"),
        ('{"file": "a.jpg", "captions": ["a"]}\n["a"]', "captions.jsonl:2: Expected"),
        ('{"file": "a.jpg", "captions": ["a"]}', "none of the pictures can be read"),
    ],
)
def test_captions_that_are_not_of_the_form_are_named(
    text: str, said: str, cli: Any, pictures: Path, captions: Path
) -> None:
    captions.write_text(text)
    result = cli("eval", "retrieval", "--root", pictures, "--captions", captions)
    assert result.code == 1
    assert said in result.error


@pytest.fixture
def classes(tmp_path: Path, pictures: Path) -> Path:
    root = tmp_path / "classes"
    for folder, name in (("n02123045_cat", "tabby-cat.jpg"), ("rocket", "rocket-launch-pad.jpg")):
        (root / folder).mkdir(parents=True)
        shutil.copy(pictures / name, root / folder)
    return root


def test_zero_shot_prints_accuracies_per_class_and_chance(cli: Any, classes: Path) -> None:
    (record,) = cli("eval", "zero-shot", "--root", classes, "--json").records
    assert (record["top1"], record["top5"], record["chance"]) == (1, 1, 0.5)
    assert record["per_class"] == {"n02123045_cat": 1, "rocket": 1}
    assert record["images"] == 2
    (classes / "rocket" / "bad.jpg").write_bytes(b"x")
    result = cli("eval", "zero-shot", "--root", classes)
    assert result.code == 3
    assert "top-1 100.0%" in result.out
    assert "bad.jpg: is not a picture that can be read" in result.err


def test_names_of_the_classes_come_from_a_file(cli: Any, classes: Path) -> None:
    Path("wrong.tsv").write_text("n02123045_cat\ta rocket\nrocket\ta cat\n", "utf-8")
    (record,) = cli("eval", "zero-shot", "--root", classes, "--classes", "wrong.tsv", "--json").records
    assert record["top1"] == 0
    Path("names.json").write_text('{"n02123045_cat": ["cat", "tabby"]}')
    missing = cli("eval", "zero-shot", "--root", classes, "--classes", "names.json")
    assert missing.code == 1
    assert "names no class for the folder 'rocket'" in missing.error


def test_a_folder_without_classes_is_refused(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "one" / "only").mkdir(parents=True)
    assert cli("eval", "zero-shot", "--root", tmp_path / "one").code == 2
    assert cli("eval", "zero-shot", "--root", tmp_path / "none").code == 1
