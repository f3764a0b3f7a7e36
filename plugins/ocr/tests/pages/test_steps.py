"""The step ocr.read in a recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmkit_ocr.steps import fingerprint, read
from pages_kitchen import Widths, drawn

from mmkit.config import Settings
from mmkit.media import image_size
from mmkit.recipes.context import StepContext

COLUMNS = ["id", "source", "page", "line", "block", "paragraph", "text", "confidence", "x0", "y0", "x1", "y1", "crop"]


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StepContext:
    monkeypatch.setattr("mmkit_ocr.reading.recogniser", lambda name, device="auto": Widths(lines=True))
    return StepContext("read", tmp_path / "out", tmp_path, Settings())


def run(context: StepContext, *inputs: Path, crops: bool = False, visualize: bool = False):
    options = {"recogniser": "rapidocr", "min_confidence": 0.5, "dpi": 300}
    return read(context, inputs=list(inputs), crops=crops, visualize=visualize, **options)


def test_a_row_a_line_with_a_picture_of_it(context: StepContext, tmp_path: Path):
    for name in "ab":
        (tmp_path / name).mkdir()
        drawn().save(tmp_path / name / "scan.png")
    table = run(context, tmp_path / "a" / "scan.png", tmp_path / "b" / "scan.png", crops=True, visualize=True)
    assert table.column_names == COLUMNS and table.num_rows == 6
    rows = table.to_pylist()
    assert len({row["id"] for row in rows}) == 6 and rows[0]["id"] == "scan-p1-l1"
    for row in rows:
        width, height = image_size(row["crop"])
        assert width == pytest.approx(row["x1"] - row["x0"], abs=8) and height == pytest.approx(
            row["y1"] - row["y0"], abs=8
        )
    assert len(list((tmp_path / "out" / "pages").iterdir())) == 2


def test_what_cannot_be_read_is_recorded_and_no_lines_are_a_table_still(context: StepContext, tmp_path: Path):
    (tmp_path / "bad.png").write_bytes(b"no")
    table = run(context, tmp_path / "bad.png")
    assert table.num_rows == 0 and table.column_names == COLUMNS
    assert [failure.id for failure in context.failures] == [str(tmp_path / "bad.png")]


def test_the_fingerprint_tells_recognisers_apart():
    assert fingerprint(recogniser="") == fingerprint(recogniser="rapidocr+bundled")
    assert len({fingerprint(recogniser=name) for name in ("", "rapidocr", "bundled", "tesseract")}) == 4
