"""Evaluation on folders: retrieval with its control, zero-shot classification, and the files they read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies
from PIL import Image

from mmkit.config import Settings
from mmkit.errors import BadInput, UsageError
from mmkit.media.images import read_image
from mmkit.pipeline.evaluate import (
    CaptionedFile,
    _derangement,
    class_names,
    evaluate_retrieval,
    evaluate_zero_shot,
    read_captions,
)
from mmkit.types import Embeddings, EncoderSpec, Failure, Item, Modality

DIM = 32


class Toy:
    """A picture of grey g and a text that ends in the word g become the same row; other words are synonyms."""

    spec = EncoderSpec("toy", "toy", ("image", "text"), DIM)

    def prepare(self, item: Item) -> int:
        if item.modality == "text":
            return int("".join(filter(str.isdigit, item.text or "")) or 0)
        return int(np.asarray(read_image(item))[0, 0, 0])

    def encode(self, batch: Sequence[int], modality: Modality) -> Embeddings:
        rows = np.stack([np.random.default_rng(number).standard_normal(DIM) for number in batch])
        return Embeddings((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))


class Blind(Toy):
    """Everything becomes the same row."""

    def encode(self, batch: Sequence[int], modality: Modality) -> Embeddings:
        return Embeddings(np.repeat(np.eye(1, DIM, dtype=np.float32), len(batch), axis=0))


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache", batch="16", workers=2)


def grey(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (1, 1), (value,) * 3).save(path)


def gallery(root: Path, count: int) -> list[CaptionedFile]:
    for number in range(count):
        grey(root / f"{number}.png", number)
    return [CaptionedFile(f"{n}.png", (f"grey {n}", f"the grey of {n}")) for n in range(count)]


def test_matching_captions_are_found_and_the_control_is_at_chance(tmp_path: Path, chosen: Settings) -> None:
    found = evaluate_retrieval(Toy(), tmp_path, gallery(tmp_path, 100), chosen=chosen)  # type: ignore[arg-type]
    perfect = {"R@1": 1.0, "R@5": 1.0, "R@10": 1.0, "median_rank": 1.0}
    assert found["text_to_image"] == perfect and found["image_to_text"] == perfect
    assert (found["images"], found["captions"]) == (100, 200)
    assert found["chance"] == {"R@1": 0.01, "R@5": 0.05, "R@10": 0.1}
    control = found["shuffled"]
    # A shuffled caption's picture ranks anywhere but first: 10 ranks of 99, give or take three deviations of 200 draws.
    assert control["R@1"] == 0 and control["R@10"] == pytest.approx(0.1, abs=0.065)
    assert 35 < control["median_rank"] < 65
    assert control["text_to_image"] == {key: control[key] for key in perfect}
    assert control["image_to_text"]["R@1"] == 0


def test_a_file_may_have_several_lines(tmp_path: Path, chosen: Settings) -> None:
    entries = gallery(tmp_path, 3)
    entries = [entries[0], CaptionedFile("none.png", ("grey 9",)), entries[1], entries[0], entries[2]]
    found = evaluate_retrieval(Toy(), tmp_path, entries, chosen=chosen, failures=[])  # type: ignore[arg-type]
    assert found["images"] == 4
    # The picture that is there twice ties with itself, so its captions rank it first and second: 1.5.
    assert found["text_to_image"] == {"R@1": 0.5, "R@5": 1.0, "R@10": 1.0, "median_rank": 1.25}


def test_an_encoder_that_sees_nothing_ranks_in_the_middle(tmp_path: Path, chosen: Settings) -> None:
    found = evaluate_retrieval(Blind(), tmp_path, gallery(tmp_path, 21), chosen=chosen)  # type: ignore[arg-type]
    assert found["text_to_image"] == {"R@1": 0.0, "R@5": 0.0, "R@10": 0.0, "median_rank": 11.0}
    assert found["shuffled"]["median_rank"] == 11.0


def test_an_unreadable_picture_is_left_out_with_its_captions(tmp_path: Path, chosen: Settings) -> None:
    entries = [*gallery(tmp_path, 5), CaptionedFile("none.png", ("grey 9",))]
    failures: list[Failure] = []
    found = evaluate_retrieval(Toy(), tmp_path, entries, chosen=chosen, failures=failures)  # type: ignore[arg-type]
    assert (found["images"], found["captions"], found["text_to_image"]["R@1"]) == (5, 10, 1.0)
    assert [failure.id for failure in failures] == [str(tmp_path / "none.png")]
    with pytest.raises(BadInput, match=r"none\.png"):
        evaluate_retrieval(Toy(), tmp_path, entries, chosen=chosen)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="none of the pictures can be read"):
        evaluate_retrieval(Toy(), tmp_path, entries[5:], chosen=chosen, failures=failures)  # type: ignore[arg-type]


@given(strategies.integers(0, 300))
@settings(max_examples=40)
def test_the_control_moves_everything_and_loses_nothing(count: int) -> None:
    moved = _derangement(count)
    assert sorted(moved.tolist()) == list(range(count))
    assert count == 1 or not np.any(moved == np.arange(count))


def test_captions_are_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    lines = [{"file": "a.jpg", "captions": ["one", "two"], "more": 1}, {"file": "b.jpg", "captions": ["three"]}]
    path.write_text("\ufeff" + "\n\n".join(map(json.dumps, lines)) + "\n", "utf-8")
    assert read_captions(path) == [CaptionedFile("a.jpg", ("one", "two")), CaptionedFile("b.jpg", ("three",))]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "3",
        '"text"',
        "{}",
        '{"file": "a.jpg"}',
        '{"file": "a.jpg", "captions": []}',
        '{"file": "a.jpg", "captions": [1]}',
        '{"file": "a.jpg", "captions": "one"}',
        '{"file": 3, "captions": ["one"]}',
        '{"file": "a.jpg", "captions": null}',
    ],
)
def test_a_malformed_line_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_text('{"file": "a.jpg", "captions": ["one"]}\n\n' + line + "\n")
    with pytest.raises(BadInput) as caught:
        read_captions(path)
    assert caught.value.where == f"{path}:3"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"\n\n", "at least one line"), (b"\xff\xfe\x00", "cannot be read")],
)
def test_an_unusable_captions_file_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "captions.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=message):
        read_captions(path)


FOLDERS = ["n01440764", "n02102040", "n03000684"]


@pytest.mark.parametrize(
    "text",
    [
        '{"n01440764": "tench", "n02102040": ["springer", "spaniel"], "n03000684": "chain saw", "n9": "unused"}',
        "n01440764\ttench\nn02102040\tspringer, spaniel\nn03000684\tchain saw\n",
        "n01440764 tench\nn02102040 springer, spaniel\nn03000684 chain saw\n",
        "n99999999 unused\nn01440764 tench\nn02102040 springer, spaniel\nn03000684 chain saw\n",
        "n03000684\tchain saw\n\nn02102040\tspringer ,  spaniel,\nn01440764\ttench",
        "tench\nspringer, spaniel\nchain saw\n",
    ],
    ids=["json", "tabs", "spaces", "more than is there", "another order", "one a line"],
)
def test_class_names_are_read_in_every_listing(tmp_path: Path, text: str) -> None:
    listing = tmp_path / "classes"
    listing.write_text(text)
    assert class_names(FOLDERS, listing) == {
        "n01440764": ["tench"],
        "n02102040": ["springer", "spaniel"],
        "n03000684": ["chain saw"],
    }


def test_without_a_listing_folders_are_read_as_names() -> None:
    assert class_names(["chain_saw", "n01440764_great_white", "n01440764", "cup"]) == {
        "chain_saw": ["chain saw"],
        "n01440764_great_white": ["great white"],
        "n01440764": ["n01440764"],
        "cup": ["cup"],
    }


@pytest.mark.parametrize("text", ["", "tench\nspringer\n", '{"n01440764": "tench"}', "{", '{"n01440764": []}', "{]"])
def test_a_listing_that_leaves_a_folder_without_a_name_is_refused(tmp_path: Path, text: str) -> None:
    listing = tmp_path / "classes"
    listing.write_text(text)
    with pytest.raises(BadInput, match="it names no class for the folder 'n0"):
        class_names(FOLDERS, listing)
    with pytest.raises(BadInput, match="cannot be read"):
        class_names(FOLDERS, tmp_path / "none")


def class_folders(root: Path) -> None:
    for label, greys in {"grey_1": [1, 1, 1], "grey_2": [2, 2], "grey_3": [3, 1]}.items():
        for position, value in enumerate(greys):
            grey(root / label / f"{position}.png", value)


def test_zero_shot_counts_right_answers_by_class(tmp_path: Path, chosen: Settings) -> None:
    class_folders(tmp_path)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "notes.txt").write_text("no class")
    found = evaluate_zero_shot(Toy(), tmp_path, templates=["{}"], chosen=chosen)  # type: ignore[arg-type]
    assert found["per_class"] == {"grey_1": 1.0, "grey_2": 1.0, "grey_3": 0.5}
    assert found["top1"] == pytest.approx(6 / 7) and found["top5"] == 1.0
    assert (found["images"], found["classes"], found["chance"]) == (7, 3, pytest.approx(1 / 3))
    json.dumps(found)


def test_zero_shot_takes_the_names_of_a_listing(tmp_path: Path, chosen: Settings) -> None:
    class_folders(tmp_path / "root")
    listing = tmp_path / "names.json"
    listing.write_text('{"grey_1": "2", "grey_2": "1", "grey_3": "3"}')
    found = evaluate_zero_shot(
        Toy(),
        tmp_path / "root",
        listing=listing,
        templates=["{}"],
        chosen=chosen,  # type: ignore[arg-type]
    )
    assert found["per_class"] == {"grey_1": 0.0, "grey_2": 0.0, "grey_3": 0.5}


def test_zero_shot_of_an_encoder_that_sees_nothing_is_never_right(tmp_path: Path, chosen: Settings) -> None:
    class_folders(tmp_path)
    assert evaluate_zero_shot(Blind(), tmp_path, chosen=chosen)["top1"] == 0.0  # type: ignore[arg-type]


def test_zero_shot_reports_what_it_cannot_read(tmp_path: Path, chosen: Settings) -> None:
    class_folders(tmp_path)
    (tmp_path / "grey_2" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    failures: list[Failure] = []
    found = evaluate_zero_shot(Toy(), tmp_path, chosen=chosen, failures=failures)  # type: ignore[arg-type]
    assert found["images"] == 7 and [Path(f.id).name for f in failures] == ["broken.png"]
    with pytest.raises(BadInput, match=r"broken\.png"):
        evaluate_zero_shot(Toy(), tmp_path, chosen=chosen)  # type: ignore[arg-type]


def test_zero_shot_needs_two_classes_and_a_folder(tmp_path: Path, chosen: Settings) -> None:
    grey(tmp_path / "only" / "0.png", 0)
    with pytest.raises(UsageError, match="Expected a folder a class, but found 1"):
        evaluate_zero_shot(Toy(), tmp_path, chosen=chosen)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="No such file"):
        evaluate_zero_shot(Toy(), tmp_path / "none", chosen=chosen)  # type: ignore[arg-type]
    (tmp_path / "empty").mkdir()
    failures: list[Failure] = []
    (tmp_path / "only" / "0.png").unlink()
    with pytest.raises(BadInput):
        evaluate_zero_shot(Toy(), tmp_path, chosen=chosen, failures=failures)  # type: ignore[arg-type]


def test_encoders_of_one_modality_are_refused(tmp_path: Path, chosen: Settings) -> None:
    toy: Any = Toy()
    toy.spec = EncoderSpec("eyes", "eyes", ("image",), DIM)
    with pytest.raises(UsageError, match="retrieval needs an encoder of text"):
        evaluate_retrieval(toy, tmp_path, gallery(tmp_path, 2), chosen=chosen)
    with pytest.raises(UsageError, match="zero-shot classification needs an encoder of text"):
        evaluate_zero_shot(toy, tmp_path, chosen=chosen)
