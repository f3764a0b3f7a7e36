"""Filling a store: each item once, each content encoded once, and what changed replaced."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmkit.config import Settings
from mmkit.errors import BadInput, SpaceMismatch, UsageError
from mmkit.media.text import read_text
from mmkit.pipeline.index import IndexReport, index_items
from mmkit.store import Store
from mmkit.types import Embeddings, EncoderSpec, Failure, Item, Modality


class Toy:
    """A text becomes a unit row that depends on its characters; the texts encoded are noted."""

    spec = EncoderSpec("toy", "toy", ("text",), 4, fingerprint="a" * 64)

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def prepare(self, item: Item) -> str:
        return read_text(item)

    def encode(self, batch: Sequence[str], modality: Modality) -> Embeddings:
        self.encoded += batch
        return Embeddings(np.concatenate([row_of(text) for text in batch]))


class Sets(Toy):
    """A text becomes a row for each of its words."""

    spec = EncoderSpec("sets", "sets", ("text",), 4, kind="multivector", fingerprint="b" * 64)

    def encode(self, batch: Sequence[str], modality: Modality) -> Embeddings:
        self.encoded += batch
        words = [text.split() for text in batch]
        width = max(map(len, words))
        rows = [np.concatenate([row_of(w) for w in ws] + [np.zeros((1, 4))] * (width - len(ws))) for ws in words]
        mask = np.array([[position < len(ws) for position in range(width)] for ws in words])
        return Embeddings(np.stack(rows).astype(np.float32), kind="multivector", mask=mask)


def row_of(text: str) -> Any:
    row = np.random.default_rng(list(text.encode())).standard_normal((1, 4)).astype(np.float32)
    return row / np.linalg.norm(row)


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache", batch="4", workers=2)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store.mm", Toy.spec, dtype="float32")


def write(path: Path, text: str) -> Item:
    path.write_text(text, "utf-8")
    return Item.from_path(path, "text")


def vector_of(store: Store, name: str) -> Any:
    return store.vectors().vectors[store.ids().index(name)]


def counts(report: IndexReport) -> tuple[int, int, int, int]:
    return report.added, report.reused, report.unchanged, len(report.failures)


def test_a_second_run_encodes_nothing(store: Store, chosen: Settings) -> None:
    items = [Item.from_text(f"text {n}") for n in range(11)]
    assert counts(index_items(store, Toy(), items, chosen=chosen)) == (11, 0, 0, 0)
    again = Toy()
    assert counts(index_items(store, again, items, chosen=chosen)) == (0, 0, 11, 0)
    assert again.encoded == []
    assert store.ids() == [f"text {n}" for n in range(11)]
    np.testing.assert_allclose(vector_of(store, "text 7"), row_of("text 7")[0], atol=1e-6)


def test_only_what_is_new_is_encoded(store: Store, chosen: Settings) -> None:
    index_items(store, Toy(), [Item.from_text(f"text {n}") for n in range(5)], chosen=chosen)
    toy = Toy()
    report = index_items(store, toy, [Item.from_text(f"text {n}") for n in range(3, 8)], chosen=chosen)
    assert counts(report) == (3, 0, 2, 0)
    assert sorted(toy.encoded) == ["text 5", "text 6", "text 7"]


def test_a_file_whose_content_changed_is_replaced(store: Store, chosen: Settings, tmp_path: Path) -> None:
    item = write(tmp_path / "a.txt", "before")
    index_items(store, Toy(), [item], chosen=chosen)
    assert counts(index_items(store, Toy(), [write(tmp_path / "a.txt", "after")], chosen=chosen)) == (1, 0, 0, 0)
    assert store.ids() == [str(tmp_path / "a.txt")]
    np.testing.assert_allclose(vector_of(store, item.id), row_of("after")[0], atol=1e-6)
    assert store.verify().problems == ()


def test_a_copy_of_a_file_takes_the_vector_that_is_there(store: Store, chosen: Settings, tmp_path: Path) -> None:
    first = write(tmp_path / "a.txt", "content")
    index_items(store, Toy(), [first], chosen=chosen)
    shutil.copy(tmp_path / "a.txt", tmp_path / "b.txt")
    toy = Toy()
    report = index_items(store, toy, [Item.from_path(tmp_path / "b.txt", "text")], chosen=chosen)
    assert counts(report) == (1, 1, 0, 0) and toy.encoded == []
    np.testing.assert_array_equal(vector_of(store, first.id), vector_of(store, str(tmp_path / "b.txt")))


def test_a_copy_takes_a_set_of_vectors_as_well(chosen: Settings, tmp_path: Path) -> None:
    store = Store.create(tmp_path / "sets.mm", Sets.spec, dtype="float32")
    items = [write(tmp_path / "a.txt", "three short words"), write(tmp_path / "b.txt", "one")]
    index_items(store, Sets(), items, chosen=chosen)
    report = index_items(store, Sets(), [write(tmp_path / "c.txt", "one")], chosen=chosen)
    assert counts(report) == (1, 1, 0, 0)
    found = store.vectors()
    assert found.mask is not None and found.mask.sum(1).tolist() == [3, 1, 1]
    np.testing.assert_array_equal(found.vectors[1], found.vectors[2])


def test_the_same_item_twice_in_one_run_is_one_row(store: Store, chosen: Settings, tmp_path: Path) -> None:
    item = write(tmp_path / "a.txt", "content")
    report = index_items(store, Toy(), [item] * 9 + [Item.from_text("other")], chosen=chosen)
    assert (report.added, report.unchanged) == (2, 8)
    assert sorted(store.ids()) == sorted([item.id, "other"])


def test_the_same_content_under_two_names_in_one_run_is_two_rows(
    store: Store, chosen: Settings, tmp_path: Path
) -> None:
    items = [write(tmp_path / f"{n}.txt", "content") for n in range(3)]
    report = index_items(store, Toy(), items, chosen=chosen)
    assert report.added == 3 and report.unchanged == 0
    assert len(store) == 3


def test_contents_that_change_places_are_encoded_again(store: Store, chosen: Settings, tmp_path: Path) -> None:
    # When "b" is reached, the only row with its content was "a"'s, which this very run has replaced.
    index_items(store, Toy(), [write(tmp_path / "a.txt", "one"), write(tmp_path / "b.txt", "two")], chosen=chosen)
    items = [write(tmp_path / "a.txt", "two"), write(tmp_path / "b.txt", "one")]
    report = index_items(store, Toy(), items, chosen=chosen)
    assert report.added == 2 and report.failures == []
    np.testing.assert_allclose(vector_of(store, items[0].id), row_of("two")[0], atol=1e-6)
    np.testing.assert_allclose(vector_of(store, items[1].id), row_of("one")[0], atol=1e-6)
    assert store.verify().problems == ()


def test_bad_items_are_reported_and_the_rest_is_stored(store: Store, chosen: Settings, tmp_path: Path) -> None:
    items: list[Item | Failure] = [
        Failure("found", "was lost"),
        Item.from_path(tmp_path / "missing.txt", "text"),
        Item.from_text("good"),
    ]
    report = index_items(store, Toy(), items, chosen=chosen)
    assert counts(report) == (1, 0, 0, 2)
    assert [failure.id for failure in report.failures] == ["found", str(tmp_path / "missing.txt")]
    assert "No such file" in report.failures[1].reason
    assert store.ids() == ["good"]


def test_strict_stops_at_a_bad_item_and_keeps_what_was_done(store: Store, chosen: Settings, tmp_path: Path) -> None:
    good = [Item.from_text(f"text {n}") for n in range(40)]
    with pytest.raises(BadInput, match=r"missing\.txt"):
        index_items(store, Toy(), [*good, Item.from_path(tmp_path / "missing.txt", "text")], chosen=chosen, strict=True)
    assert set(store.ids()) <= {item.id for item in good} and len(store) > 0
    with store.writer():
        pass  # the lock was given back


def test_files_are_named_by_their_absolute_path(
    store: Store, chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.txt", "content")
    monkeypatch.chdir(tmp_path)
    index_items(store, Toy(), [Item.from_path("a.txt", "text")], chosen=chosen)
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    report = index_items(store, Toy(), [Item.from_path(Path("..") / "a.txt", "text")], chosen=chosen)
    assert report.unchanged == 1
    assert store.ids() == [str(tmp_path / "a.txt")]


def test_metadata_and_source_are_kept(store: Store, chosen: Settings, tmp_path: Path) -> None:
    item = Item.from_text("words", id="row 1", metadata={"year": 1999})
    index_items(store, Toy(), [item], chosen=chosen)
    row = store.row(0)
    assert (row["id"], row["source"], row["modality"], row["metadata"]) == ("row 1", "words", "text", {"year": 1999})


def test_another_space_or_modality_is_refused(chosen: Settings, tmp_path: Path) -> None:
    store = Store.create(tmp_path / "other.mm", EncoderSpec("o", "o", ("text",), 4, fingerprint="c" * 64))
    with pytest.raises(SpaceMismatch):
        index_items(store, Sets(), [Item.from_text("words")], chosen=chosen)
    with pytest.raises(UsageError, match="needs an encoder of image"):
        index_items(store, Toy(), [Item.from_path("a.png", "image")], chosen=chosen)


def test_progress_accounts_for_every_item(store: Store, chosen: Settings) -> None:
    seen: list[int] = []
    items = [Item.from_text(f"text {n}") for n in range(10)]
    index_items(store, Toy(), items, chosen=chosen, on_progress=lambda done: seen.append(done.seen))
    assert sum(seen) == 10 and len(seen) == 3


def test_shards_are_written_as_they_fill(store: Store, chosen: Settings) -> None:
    shards: list[int] = []
    items = [Item.from_text(f"text {n}") for n in range(20)]
    watching = Store.open(store.path)

    def look(_: object) -> None:
        watching.refresh()
        shards.append(len(watching))

    index_items(store, Toy(), items, chosen=chosen, shard_rows=5, on_progress=look)
    assert shards == [0, 5, 10, 15, 20]
