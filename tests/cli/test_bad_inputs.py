"""Everything that can be wrong with a file, in one batch: no traceback, exit code 3, the rest done."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

GOOD = {"animated.gif", "caf\\xe9.png", "cmyk.jpg", "fine.png", "mislabelled.jpg", "one-pixel.png", "sixteen-bit.png"}
BAD = {
    "broken-link.jpg": "is a broken link",
    "empty.jpg": "is empty (0 bytes)",
    "garbage.png": "is not a picture that can be read",
    "header-only.jpg": "is not a picture that can be read",
    "huge.png": "30,000 × 30,000",
    "pipe.jpg": "is not a regular file",
    "self.png": "Too many levels of symbolic links",
    "text.png": "is not a picture that can be read",
    "truncated.jpg": "is truncated or damaged",
}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Path:
    folder = tmp_path_factory.mktemp("zoo") / "zoo"
    folder.mkdir()
    photo, drawing = samples / "pictures" / "espresso.jpg", samples / "pictures" / "apple-drawing.png"
    raw = photo.read_bytes()
    shutil.copy(drawing, folder / "fine.png")
    shutil.copy(drawing, folder / "mislabelled.jpg")
    shutil.copy(drawing, folder / os.fsdecode(b"caf\xe9.png"))
    Image.new("CMYK", (50, 60), (90, 10, 10, 10)).save(folder / "cmyk.jpg")
    Image.new("RGB", (1, 1), "red").save(folder / "one-pixel.png")
    Image.fromarray(np.arange(10_000, dtype=np.uint16).reshape(100, 100)).save(folder / "sixteen-bit.png")
    frames = [Image.new("P", (20, 20), shade) for shade in range(3)]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    Image.new("1", (30_000, 30_000)).save(folder / "huge.png")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "header-only.jpg").write_bytes(raw[:10])
    (folder / "truncated.jpg").write_bytes(raw[: len(raw) // 2])
    (folder / "garbage.png").write_bytes(np.random.default_rng(0).bytes(1000))
    (folder / "text.png").write_text("hello")
    (folder / "notes.txt").write_text("passed over")
    (folder / "a-folder.jpg").mkdir()
    (folder / "loop").symlink_to(".")
    (folder / "a-folder.jpg" / "up").symlink_to("..")
    (folder / "self.png").symlink_to("self.png")
    (folder / "broken-link.jpg").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.jpg")
    return folder


def failures(path: Path) -> dict[str, str]:
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len({Path(record["id"]).name for record in records}) == len(records)
    return {Path(record["id"]).name: record["reason"] for record in records}


def check(found: dict[str, str]) -> None:
    assert found.keys() == BAD.keys()
    for name, reason in BAD.items():
        assert reason in found[name], name
        assert "\n" not in found[name]


def test_indexing_a_zoo(cli: Any, zoo: Path) -> None:
    result = cli("index", "add", "zoo.mm", zoo, "--json")
    assert result.code == 3
    assert result.records[0]["added"] == len(GOOD)
    assert result.records[0]["failed"] == len(BAD)
    check(failures(Path("zoo.mm/failures.jsonl")))
    # A few are told, the rest are in the file.
    assert (
        result.err.splitlines()[-1] == "mmkit: 9 of the inputs failed; 4 more; all are listed in zoo.mm/failures.jsonl"
    )
    assert len(result.err.splitlines()) == 6
    assert cli("index", "verify", "zoo.mm").code == 0
    assert cli("index", "add", "zoo.mm", zoo, "--json").records[0]["unchanged"] == len(GOOD)
    (record,) = cli("match", zoo / "fine.png", "--in", "zoo.mm", "-k", 20, "--json").records
    assert {Path(hit["id"]).name for hit in record["hits"]} == GOOD
    assert {Path(hit["id"]).name for hit in record["hits"][:3]} == {"caf\\xe9.png", "fine.png", "mislabelled.jpg"}


def test_classifying_a_zoo(cli: Any, zoo: Path) -> None:
    result = cli("classify", zoo, "--labels", "an apple,a cup of coffee", "--json", "--failures", "bad.jsonl")
    assert result.code == 3
    assert {Path(record["id"]).name for record in result.records} == GOOD
    assert all(sum(c["probability"] for c in r["classes"]) == pytest.approx(1, abs=1e-4) for r in result.records)
    check(failures(Path("bad.jsonl")))


def test_embedding_a_zoo(cli: Any, zoo: Path) -> None:
    result = cli("embed", zoo, "-o", "zoo.npy")
    assert result.code == 3
    assert np.load("zoo.npy", allow_pickle=False).shape[0] == len(GOOD)
    assert {Path(line).name for line in Path("zoo.ids.txt").read_text("utf-8").splitlines()} == GOOD
    check(failures(Path("failures.jsonl")))


def test_a_picture_that_decompresses_into_far_more_than_it_weighs_takes_no_memory(cli: Any, zoo: Path) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert cli("embed", zoo / "huge.png", "--json").code == 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes; decoded it has 900 MB
