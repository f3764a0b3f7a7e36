"""The command as a user calls it, on mini's vectors and an untrained captioner."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from mmkit_caption.xmp import read_description
from PIL import Image

from mmkit.cli.entry import run


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """``call(*arguments)``: exit code, lines on stdout, and stderr."""
    monkeypatch.chdir(tmp_path)

    def caption(*arguments: str) -> tuple[int, list[str], str]:
        code = run(["caption", *arguments, *(() if "train" in arguments else ("--model", str(tiny)))])
        told = capsys.readouterr()
        return code, told.out.splitlines(), told.err

    return caption


def test_a_folder_as_text_and_as_json(call: Callable[..., tuple], photo: Callable[..., Path]) -> None:  # type: ignore[type-arg]
    photo("in/a.jpg")
    photo("in/deeper/b.png")
    code, lines, _ = call("in")
    assert code == 0
    assert [line.split("\t")[0] for line in lines] == ["in/a.jpg", "in/deeper/b.png"]
    code, lines, _ = call("in/a.jpg", "--n", "3", "--beam", "4", "--lang", "de", "--json")
    record = json.loads(lines[0])
    assert code == 0
    assert record["lang"] == "de"
    assert record["caption"] == record["captions"][0]["text"]
    assert len(record["captions"]) == 3


def test_a_tar_and_a_bad_file(call: Callable[..., tuple], photo: Callable[..., Path], tmp_path: Path) -> None:  # type: ignore[type-arg]
    with tarfile.open(tmp_path / "some.tar", "w") as archive:
        archive.add(photo("one.png"), "one.png")
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8 no picture")
    code, lines, told = call("some.tar", "bad.jpg", "--write-xmp")
    assert code == 3
    assert len(lines) == 1
    assert "archive" in told
    assert len((tmp_path / "failures.jsonl").read_text().splitlines()) == 2


def test_names_on_stdin_a_sheet_and_metadata(
    call: Callable[..., tuple],  # type: ignore[type-arg]
    photo: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    path = photo("x.png")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{path}\n".encode())))
    code, lines, _ = call("-", "--contact-sheet", "sheet.png", "--write-xmp")
    assert code == 0
    assert Image.open(tmp_path / "sheet.png").size[0] > 100
    assert read_description(path)["en"] == lines[0].split("\t", 1)[1]
    code, _, told = call("x.png", "--contact-sheet", "sheet.png")
    assert code == 2
    assert "--overwrite" in told


def test_no_metadata_is_written_unasked(call: Callable[..., tuple], photo: Callable[..., Path]) -> None:  # type: ignore[type-arg]
    path = photo("x.png")
    before = path.read_bytes()
    call("x.png")
    assert path.read_bytes() == before


def test_a_style_is_a_file_of_sentences(call: Callable[..., tuple], photo: Callable[..., Path], tmp_path: Path) -> None:  # type: ignore[type-arg]
    photo("x.png")
    (tmp_path / "style.txt").write_text("Breaking news about a dog.\nBreaking news about the sea.\n")
    code, lines, _ = call("x.png", "--style", "style.txt")
    assert code == 0
    assert len(lines) == 1


def test_evaluation_prints_metrics_and_controls(
    call: Callable[..., tuple],  # type: ignore[type-arg]
    photo: Callable[..., Path],
    tmp_path: Path,
) -> None:
    for name in ("a.png", "b.png"):
        photo(f"in/{name}", (0, 0, 250) if name == "a.png" else (250, 250, 0))
    lines = [{"file": name, "captions": ["A dog.", "One dog runs."]} for name in ("a.png", "b.png")]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "corpus.txt").write_text("A dog runs.\nA cat sleeps.\n")
    given = ("eval", "--root", "in", "--captions", "captions.jsonl", "--corpus", "corpus.txt", "--texts", "out.jsonl")
    code, lines, _ = call(*given, "--json")
    found = json.loads(lines[0])
    assert code == 0
    assert {"bleu1", "bleu4", "rouge_l", "cider", "clipscore", "signature"} <= set(found)
    assert set(found["controls"]) == {"shuffled", "nearest", "random"}
    assert set(found["controls"]["nearest"]) >= {"cider", "clipscore"}
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2
    code, lines, _ = call(*given)
    assert code == 0
    assert lines[1].split()[:2] == ["bleu1", "bleu4"]


def test_another_encoder_is_one_clear_error(call: Callable[..., tuple], photo: Callable[..., Path]) -> None:  # type: ignore[type-arg]
    photo("x.png")
    code, lines, told = call("x.png", "--encoder", "ocr-word")
    assert code != 0
    assert not lines
    assert len(told.strip().splitlines()) == 1
    assert "space" in told or "encoder" in told
