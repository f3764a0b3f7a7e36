"""The step translate.text in a recipe."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from mmkit_translate.steps import fingerprint, grouped, text

from mmkit.config import Settings
from mmkit.errors import UsageError
from mmkit.recipes.context import StepContext

TABLE = pa.table({"page": [1, 1, 1], "paragraph": [1, 1, 2], "text": ["a big won-", "derful dog", "a cat"]})


@pytest.fixture
def context(tmp_path: Path) -> StepContext:
    return StepContext("translated", tmp_path / "out", tmp_path, Settings())


def run(context: StepContext, **own):  # type: ignore[no-untyped-def]
    options = {"table": TABLE, "to": "de", "column": "text", "source": "en", "group": (), "images": "",
               "model": "bundled", "beam": 2, "length_penalty": 1.0, "max_words": 40}  # fmt: skip
    return text(context, **(options | own))


def test_a_row_a_line_or_a_row_a_paragraph(context, shouting, monkeypatch):  # type: ignore[no-untyped-def]
    monkeypatch.setattr("mmkit_translate.opening.open_translator", lambda *names, **options: shouting)
    assert run(context).column("text_de").to_pylist() == ["A BIG WON-", "DERFUL DOG", "A CAT"]
    paragraphs = run(context, group=["page", "paragraph"])
    assert paragraphs.column("text").to_pylist() == ["a big wonderful dog", "a cat"]
    assert paragraphs.column("text_de").to_pylist() == ["A BIG WONDERFUL DOG", "A CAT"]
    with pytest.raises(UsageError, match="Expected one of page"):
        grouped(TABLE, ["x"], "text")
    empty = run(context, table=TABLE.slice(0, 0), group=["page"])
    assert empty.num_rows == 0 and "text_de" in empty.column_names


def test_the_fingerprint_tells_models_apart(weights: Path):
    assert fingerprint(model=str(weights)) != fingerprint(model="bundled")
