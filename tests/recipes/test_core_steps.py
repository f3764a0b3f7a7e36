"""The core's own steps, called as a recipe calls them, with a small encoder of colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import mmkit.encoders
from mmkit.config import Settings
from mmkit.recipes import run_recipe, steps
from mmkit.recipes.context import Event, StepContext
from mmkit.types import Embeddings, EncoderSpec, Item, Modality

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


class Colours:
    """A picture becomes its first colour as a unit row, a text the colour whose name it holds."""

    spec = EncoderSpec("colours", "colours", ("image", "text"), 3, fingerprint="c" * 64)

    def prepare(self, item: Item) -> Any:
        if item.modality == "text":
            return next(colour for name, colour in COLOURS.items() if name in (item.text or ""))
        from mmkit.media.images import read_image

        return read_image(item).getpixel((0, 0))

    def encode(self, batch: Sequence[Any], modality: Modality) -> Embeddings:
        rows = np.array(batch, np.float32).reshape(len(batch), 3)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return Embeddings(rows, space="colours", fingerprint="c" * 64)


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmkit.encoders, "encoder", lambda name, **_: Colours())


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, colour in COLOURS.items():
        Image.new("RGB", (2, 2), colour).save(folder / f"{name}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def context(tmp_path: Path, events: list[Event]) -> StepContext:
    out = tmp_path / "out"
    out.mkdir()
    return StepContext("step", out, tmp_path, Settings(cache_dir=tmp_path / "cache"), events.append)


def indexed(context: StepContext, pictures: Path) -> pa.Table:
    return steps.index(context, inputs=[pictures], encoder="colours", store=context.out_dir / "store")


def test_embed_gives_a_row_for_each_file_and_text(context: StepContext, pictures: Path) -> None:
    table = steps.embed(context, inputs=[pictures], texts=["a red thing"], encoder="colours")
    found = {row["id"]: row for row in table.to_pylist()}
    assert set(found) == {str(pictures / f"{name}.png") for name in COLOURS} | {"a red thing"}
    assert found["a red thing"]["vector"] == [1.0, 0.0, 0.0] and found["a red thing"]["modality"] == "text"
    assert found[str(pictures / "blue.png")]["vector"] == [0.0, 0.0, 1.0]
    assert found[str(pictures / "blue.png")]["modality"] == "image"
    assert [Path(failure.id).name for failure in context.failures] == ["broken.png"]


def test_index_says_what_it_did_and_does_it_once(context: StepContext, pictures: Path, events: list[Event]) -> None:
    store = str(context.out_dir / "store")
    assert indexed(context, pictures).to_pylist() == [{"store": store, "rows": 3, "added": 3, "unchanged": 0}]
    assert [Path(failure.id).name for failure in context.failures] == ["broken.png"]
    assert [event.done for event in events if event.kind == "progress"][-1] == 4
    assert indexed(context, pictures).to_pylist() == [{"store": store, "rows": 3, "added": 0, "unchanged": 3}]


def test_match_ranks_the_rows_of_a_store(context: StepContext, pictures: Path) -> None:
    gallery = indexed(context, pictures)
    asked: dict[str, Any] = {"encoder": "colours", "contact_sheet": "hits.png", "pictures": [pictures / "green.png"]}
    table = steps.match(context, gallery=gallery, queries=["red", "blue"], k=2, threshold=None, **asked)
    rows = table.to_pylist()
    green = str(pictures / "green.png")
    assert [(row["query"], row["rank"]) for row in rows] == [
        (query, rank) for query in ("red", "blue", green) for rank in (1, 2)
    ]
    best = [row for row in rows if row["rank"] == 1]
    assert [Path(row["source"]).name for row in best] == ["red.png", "blue.png", "green.png"]
    assert [row["score"] for row in best] == pytest.approx([1, 1, 1], abs=1e-3)
    assert Image.open(context.out_dir / "hits.png").size[0] > 10


def test_match_leaves_out_what_scores_below_the_threshold(context: StepContext, pictures: Path) -> None:
    gallery = indexed(context, pictures)
    asked: dict[str, Any] = {"encoder": "colours", "contact_sheet": "", "pictures": []}
    table = steps.match(context, gallery=gallery, queries=["red"], k=3, threshold=0.5, **asked)
    assert [Path(name).name for name in table.column("source").to_pylist()] == ["red.png"]
    empty = steps.match(context, gallery=gallery, queries=["red"], k=3, threshold=2.0, **asked)
    assert empty.num_rows == 0 and empty.schema == table.schema


def test_classify_names_the_most_probable_class(context: StepContext, pictures: Path) -> None:
    table = steps.classify(context, inputs=[pictures], labels=list(COLOURS), templates=["{}"], encoder="colours")
    assert {Path(row["id"]).stem: row["label"] for row in table.to_pylist()} == {name: name for name in COLOURS}
    assert min(table.column("probability").to_pylist()) > 0.99
    assert [Path(failure.id).name for failure in context.failures] == ["broken.png"]


def test_classify_of_nothing_has_the_same_columns(context: StepContext, pictures: Path) -> None:
    full = steps.classify(context, inputs=[pictures], labels=["red"], templates=[], encoder="colours")
    none = steps.classify(context, inputs=[], labels=["red"], templates=[], encoder="colours")
    assert none.num_rows == 0 and none.schema == full.schema


def test_the_steps_work_together_in_a_recipe(tmp_path: Path, pictures: Path) -> None:
    recipe = tmp_path / "colours.toml"
    recipe.write_text(
        """
        [recipe]
        name = "colours"
        [[step]]
        id = "index"
        use = "index"
        with = { inputs = "pictures/*.png" }
        [[step]]
        id = "search"
        use = "match"
        with = { gallery = "${index}", queries = ["something green"], k = 1, contact_sheet = "hits.png" }
        [[step]]
        id = "classes"
        use = "classify"
        with = { inputs = "pictures/*.png", labels = ["red", "green", "blue"] }
        """
    )
    given = Settings(cache_dir=tmp_path / "cache")
    result = run_recipe(recipe, settings=given, out=tmp_path / "out")
    search = result.tables["search"].to_pylist()
    assert [Path(row["source"]).name for row in search] == ["green.png"]
    assert result.tables["classes"].num_rows == 3
    assert list((tmp_path / "out").rglob("hits.png"))
    assert (result.failures, result.exit_code) == (2, 3)  # the broken picture, met by two steps
