"""The steps, as a recipe calls them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from mmkit_caption.finding import find_texts
from mmkit_caption.steps import find, fingerprint, image

from mmkit.config import settings
from mmkit.errors import UsageError
from mmkit.recipes.context import StepContext


@pytest.fixture
def context(tmp_path: Path) -> StepContext:
    return StepContext("captions", tmp_path / "out", tmp_path, settings(device="cpu"))


def test_a_row_a_caption(context: StepContext, photo: Callable[..., Path], tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    table = image(
        context,
        inputs=[photo("a.png"), tmp_path / "bad.jpg"],
        language="en",
        n=2,
        beam=0,
        model=str(tiny),
        contact_sheet="sheet.png",
    )
    assert table.column_names == ["source", "language", "rank", "text", "score"]
    assert table.column("rank").to_pylist() == [1, 2]
    assert len(context.failures) == 1
    assert (tmp_path / "out" / "sheet.png").is_file()
    assert len(fingerprint(model=str(tiny), language="en")) > 20


def test_rows_are_found_by_words_and_their_forms(context: StepContext) -> None:
    texts = ["Ein Hund rennt am Strand.", "Eine Frau fährt Fahrrad.", "Zwei Hunde spielen im Schnee.", None]
    table = pa.table({"source": ["a", "b", "c", "d"], "text": texts})
    found = find(context, table=table, column="text", queries=["Hunde", "ein Fahrrad", "xyz"], k=2)
    assert found.column("query").to_pylist() == ["Hunde", "Hunde", "ein Fahrrad", "ein Fahrrad"]
    assert found.column("source").to_pylist()[:3] == ["c", "a", "b"]
    assert found.column("hit").to_pylist() == [1, 2, 1, 2]
    with pytest.raises(UsageError, match="source, text"):
        find(context, table=table, column="title", queries=["x"], k=1)


def test_finding_at_its_ends() -> None:
    assert find_texts([], ["a"]) == [[]]
    assert find_texts(["a dog"], []) == []
    assert find_texts(["a dog", "a cat"], ["a dog"], k=1)[0][0] == (0, pytest.approx(1.0))
