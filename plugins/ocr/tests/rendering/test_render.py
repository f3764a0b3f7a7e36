from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmkit_ocr.cli import app
from mmkit_ocr.rendering.sheet import contact_sheet
from PIL import Image
from typer.testing import CliRunner

from mmkit.errors import UsageError


def _render(*arguments: str) -> object:
    return CliRunner().invoke(app, ["render", *arguments])


def test_pictures_labels_and_a_sheet_are_written(tmp_path: Path, full_font_folder: Path) -> None:
    (tmp_path / "words.txt").write_text("harbour\nmarket\n", encoding="utf-8")
    options = ["--words", str(tmp_path / "words.txt"), "--fonts", str(full_font_folder), "--made-up", "0"]

    result = _render("-o", str(tmp_path / "out"), "-n", "70", *options)

    assert result.exit_code == 0, result.output
    rows = [line.split("\t") for line in (tmp_path / "out" / "labels.tsv").read_text("utf-8").splitlines()]
    assert len(rows) == 70
    assert all("harbour" in text.lower() or "market" in text.lower() for _, text in rows)
    assert all(Image.open(tmp_path / "out" / name).size == (160, 48) for name, _ in rows)
    assert (tmp_path / "out" / "sheet.png").is_file()


def test_the_same_seed_writes_the_same(tmp_path: Path, full_font_folder: Path) -> None:
    for folder, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        _render("-o", str(tmp_path / folder), "-n", "3", "--fonts", str(full_font_folder), "--seed", seed)
    written = {folder: (tmp_path / folder / "sheet.png").read_bytes() for folder in "abc"}

    assert written["a"] == written["b"]
    assert written["a"] != written["c"]


def test_labels_that_are_there_are_kept(tmp_path: Path, full_font_folder: Path) -> None:
    (tmp_path / "labels.tsv").write_text("mine.png\tmine\n", encoding="utf-8")

    result = _render("-o", str(tmp_path), "-n", "2", "--fonts", str(full_font_folder))

    assert isinstance(result.exception, UsageError)
    assert (tmp_path / "labels.tsv").read_text(encoding="utf-8") == "mine.png\tmine\n"


def test_a_folder_without_fonts_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "fonts").mkdir()

    result = _render("-o", str(tmp_path / "out"), "-n", "2", "--fonts", str(tmp_path / "fonts"))

    assert isinstance(result.exception, UsageError)
    assert not (tmp_path / "out").exists()


def test_a_sheet_shows_every_picture_in_order() -> None:
    shades = [np.full((4, 10, 3), shade, np.uint8) for shade in (10, 20, 30)]
    sheet = np.asarray(contact_sheet(shades, ["a", "b", "c"], columns=2))

    first = [int(row) for row in dict.fromkeys(sheet[..., 0].ravel().tolist()) if row in (10, 20, 30)]
    assert first == [10, 20, 30]


def test_a_sheet_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        contact_sheet([], [])
