"""The store against a dict: any order of adding, replacing, removing, compacting, killing and reopening."""

from __future__ import annotations

import fnmatch
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from mmkit.store import Store, content_key, escape_name, unescape_name
from mmkit.types import EncoderSpec

SPEC = EncoderSpec("toy", "toy-space", ("image", "text"), 3, fingerprint="f" * 64)

ids = st.sampled_from(["a", "b", "c/1", "c/2", "c/3", "\udcff", "\\xff", ""])
contents = st.integers(0, 5)
values = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=3)
    | st.lists(st.integers(), max_size=2)
)
details = st.dictionaries(st.sampled_from(["x", "y", "id"]), values, max_size=3)
entries = st.tuples(ids, contents, st.sampled_from(["image", "text"]), details)


def key_of(content: int) -> str:
    return content_key(bytes([content]), settings="", fingerprint=SPEC.fingerprint)


def vector_of(content: int) -> Any:
    vector = np.random.default_rng(content).standard_normal(3).astype(np.float32)
    return (vector / np.linalg.norm(vector)).astype(np.float16)


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Nothing here is about power cuts, and a sync costs more than everything else.
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    yield


class StoreAgainstDict(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.store = Store.create(self.root / "s", SPEC)
        # id -> (content, modality, metadata), in the order of the rows.
        self.model: dict[str, tuple[int, str, dict[str, Any]]] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @rule(
        batches=st.lists(st.lists(entries, max_size=5), max_size=3), shard_rows=st.integers(1, 4), flush=st.booleans()
    )
    def add(self, batches: list[list[Any]], shard_rows: int, flush: bool) -> None:
        with self.store.writer(shard_rows=shard_rows, flush_seconds=None) as writer:
            for batch in batches:
                names, keys = [e[0] for e in batch], [key_of(e[1]) for e in batch]
                vectors = np.array([vector_of(e[1]) for e in batch]).reshape(-1, 3)
                changed = 0
                for name, content, modality, detail in batch:
                    if self.model.get(name, (None,))[0] != content:
                        self.model.pop(name, None)
                        self.model[name] = (content, modality, {k: v for k, v in detail.items() if v is not None})
                        changed += 1
                kinds = [e[2] for e in batch]
                assert (
                    writer.add(names, keys, None, vectors.astype(np.float32), kinds, [e[3] for e in batch]) == changed
                )
                if flush:
                    writer.flush()
                self.agree_on_known(writer)

    def agree_on_known(self, writer: Any) -> None:
        held = {content for content, _, _ in self.model.values()}
        for content in range(6):
            assert writer.has(key_of(content)) == (content in held)
            lent = writer.vector_of(key_of(content))
            assert (lent is None) if content not in held else (lent == vector_of(content)).all()
        for name, (content, _, _) in self.model.items():
            assert writer.has(key_of(content), name) and not writer.has(key_of((content + 1) % 6), name)

    @rule(names=st.lists(ids, max_size=3))
    def remove(self, names: list[str]) -> None:
        gone = {name for name in names if name in self.model}
        # "\xff" as typed is also how the undecodable name is printed; ids as printed come first.
        assert self.store.remove([escape_name(name) for name in gone]) == len(gone)
        for name in gone:
            del self.model[name]

    @rule(pattern=st.sampled_from(["c/*", "?", "*", "[ab]"]))
    def remove_by_pattern(self, pattern: str) -> None:
        gone = [name for name in self.model if fnmatch.fnmatchcase(escape_name(name), pattern)]
        assert self.store.remove(glob=pattern) == len(gone)
        for name in gone:
            del self.model[name]

    @rule(shard_rows=st.none() | st.integers(1, 5))
    def compact(self, shard_rows: int | None) -> None:
        report = self.store.compact(shard_rows=shard_rows)
        assert not any(entry.deleted for entry in self.store.manifest.shards)
        assert report.shards_after == len(list(self.store.path.glob("*.arrow")))

    @rule()
    def reopen(self) -> None:
        self.store = Store.open(self.root / "s")

    @rule()
    def find_leftovers(self) -> None:
        number = self.store.manifest.next_shard
        (self.store.path / f"shard-{number:06d}.arrow").write_bytes(b"killed before the manifest")
        (self.store.path / "manifest.json.tmp").write_bytes(b"killed while writing it")

    @rule()
    def export_and_import(self) -> None:
        self.store.export(self.root / "e.parquet", overwrite=True)
        other = Store.from_file(self.root / "other", self.root / "e.parquet", overwrite=True)
        assert other.rows(range(len(other))) == self.store.rows(range(len(self.store)))

    @invariant()
    def agree(self) -> None:
        assert [unescape_name(name) for name in self.store.ids()] == list(self.model)
        assert len(self.store) == len(self.model)
        for (name, (content, modality, detail)), row in zip(
            self.model.items(), self.store.rows(range(len(self.model))), strict=True
        ):
            assert row == {
                "id": escape_name(name),
                "source": escape_name(name),
                "key": key_of(content),
                "modality": modality,
                "metadata": detail,
            }
        expected = np.array([vector_of(content) for content, _, _ in self.model.values()]).reshape(-1, 3)
        np.testing.assert_array_equal(self.store.vectors().vectors, expected.astype(np.float32))
        assert self.store.table().column("id").to_pylist() == self.store.ids()
        report = self.store.verify()
        assert report.ok, report.problems


def test_the_store_agrees_with_a_dict() -> None:
    run_state_machine_as_test(
        StoreAgainstDict,
        settings=settings(
            max_examples=40, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(details, max_size=8), shard_rows=st.integers(1, 4))
def test_any_metadata_come_back_before_and_after_compaction(rows: list[dict[str, Any]], shard_rows: int) -> None:
    expected = [{name: value for name, value in row.items() if value is not None} for row in rows]
    with tempfile.TemporaryDirectory() as root:
        store = Store.create(Path(root) / "s", SPEC)
        with store.writer(shard_rows=shard_rows, flush_seconds=None) as writer:
            vectors = np.array([vector_of(0)] * len(rows), dtype=np.float32).reshape(-1, 3)
            names = [str(i) for i in range(len(rows))]
            writer.add(names, [key_of(0)] * len(rows), None, vectors, "text", rows)
        assert [row["metadata"] for row in store.rows(range(len(rows)))] == expected
        store.compact()
        assert [row["metadata"] for row in store.rows(range(len(rows)))] == expected
