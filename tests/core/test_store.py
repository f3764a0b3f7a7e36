from __future__ import annotations

import datetime
import errno
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mmkit.errors import BadInput, SpaceMismatch, StoreError, UsageError
from mmkit.store import Store, StoreWriter, content_key
from mmkit.store import writer as writer_module
from mmkit.types import Embeddings, EncoderSpec

SPEC = EncoderSpec("toy", "toy-space", ("image", "text"), 8, fingerprint="f" * 64)


def unit(rows: int, dim: int = 8, seed: int = 0) -> Any:
    vectors = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def key(content: object) -> str:
    return content_key(str(content).encode("utf-8", "surrogatepass"), settings="", fingerprint=SPEC.fingerprint)


def add(store: Store, names: list[str], *, shard_rows: int = 1024, seed: int = 0, metadata: Any = None) -> Any:
    vectors = unit(len(names), seed=seed)
    with store.writer(shard_rows=shard_rows) as writer:
        writer.add(names, [key(n) for n in names], None, vectors, "text", metadata)
    return vectors


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "s", SPEC)


# ---- round trip


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_rows_come_back_as_they_were_added(tmp_path: Path, dtype: Any) -> None:
    store = Store.create(tmp_path / "deep" / "s", SPEC, dtype=dtype, metadata={"note": ["x", 1]})
    vectors = unit(10)
    with store.writer(shard_rows=4) as writer:
        assert (
            writer.add([f"n{i}" for i in range(10)], [key(i) for i in range(10)], ["src"] * 10, vectors, "image") == 10
        )
    again = Store.open(tmp_path / "deep" / "s")
    assert len(again) == len(store) == 10
    assert again.ids() == [f"n{i}" for i in range(10)]
    assert [len(block) for block in again.blocks()] == [4, 4, 2]
    assert all(block.dtype == dtype and not block.flags.owndata for block in again.blocks())
    whole = again.vectors()
    assert whole.vectors.dtype == np.float32 and whole.ids == tuple(again.ids())
    assert (whole.space, whole.fingerprint) == (SPEC.space, SPEC.fingerprint)
    np.testing.assert_array_equal(whole.vectors, vectors.astype(dtype).astype(np.float32))
    assert again.rows([9, 0])[0] == {"id": "n9", "source": "src", "key": key(9), "modality": "image", "metadata": {}}
    assert again.row(0)["id"] == "n0"
    assert again.manifest.metadata == {"note": ["x", 1]}
    assert again.spec_fields.encoder == "toy" and again.spec_fields.dim == 8
    assert again.verify().ok and again.info()["modalities"] == {"image": 10}


def test_an_empty_store_reads_as_no_rows(store: Store) -> None:
    store = Store.open(store.path)
    assert len(store) == 0 and store.ids() == [] and list(store.blocks()) == []
    assert store.vectors().vectors.shape == (0, 8)
    assert store.table().num_rows == 0 and store.table().column_names[0] == "id"
    assert store.verify().ok and store.remove("absent") == 0 and store.compact().shards_after == 0
    with store.writer() as writer:
        assert writer.add([], [], [], np.zeros((0, 8), np.float32), "text") == 0
    assert store.manifest.shards == ()


def test_the_table_is_a_view_of_the_files(store: Store) -> None:
    add(store, list("abcdef"), shard_rows=3)
    before = pa.total_allocated_bytes()
    table = store.table()
    assert table.column("vector").num_chunks == 2
    assert pa.total_allocated_bytes() - before < 1024
    assert table.column("id").to_pylist() == list("abcdef")


@pytest.mark.parametrize("index", [-1, 3, 10**9])
def test_a_row_outside_is_an_index_error(store: Store, index: int) -> None:
    add(store, list("abc"))
    with pytest.raises(IndexError, match="Expected a row from 0 to 2"):
        store.rows([0, index])


def test_multivectors_keep_their_tokens_and_masks(tmp_path: Path) -> None:
    spec = replace(SPEC, kind="multivector", outputs=frozenset({"tokens"}))
    store = Store.create(tmp_path / "m", spec)
    tokens = unit(5 * 4).reshape(5, 4, 8)
    mask = np.array([[1, 1, 1, 0], [1, 0, 0, 0], [0, 1, 0, 1], [1, 1, 1, 1], [1, 1, 0, 0]], dtype=bool)
    with store.writer(shard_rows=2) as writer:
        writer.add(list("abcde"), [key(c) for c in "abcde"], None, Embeddings(tokens, "multivector", mask), "text")
        np.testing.assert_array_equal(writer.vector_of(key("c")), tokens[2][mask[2]].astype(np.float16))
    store.remove("d")
    for one in (store, Store.open(store.path)):
        whole = one.vectors()
        assert whole.vectors.shape == (4, 3, 8) and whole.mask is not None
        np.testing.assert_array_equal(whole.mask.sum(axis=1), [3, 1, 2, 2])
        np.testing.assert_array_equal(whole.vectors[2, :2], tokens[2][mask[2]].astype(np.float16))
        assert not whole.vectors[~whole.mask].any()
        assert one.verify().ok
    with pytest.raises(UsageError, match="token_blocks"):
        list(store.blocks())
    store.compact()
    store.export(tmp_path / "m.parquet")
    again = Store.from_file(tmp_path / "again", tmp_path / "m.parquet")
    np.testing.assert_array_equal(again.vectors().vectors, whole.vectors)
    with pytest.raises(UsageError, match="parquet"):
        store.export(tmp_path / "m.npy")
    with pytest.raises(BadInput, match="has no token"), store.writer() as writer:
        writer.add(["e"], [key("e")], None, Embeddings(tokens[:1], "multivector", mask[:1] & False), "text")


# ---- metadata


def test_metadata_keep_their_types_also_when_shards_disagree(store: Store) -> None:
    when = datetime.datetime(2024, 2, 3, 4, 5, 6, 7, tzinfo=datetime.timezone.utc)
    rows: list[dict[str, Any]] = [
        {"n": 1, "id": "mine", "ok": True, "when": when, "day": datetime.date(2024, 1, 1), "raw": b"\xff"},
        {"n": 2, "big": 2**70, "list": [1, [2]], "odd": "\udcff"},
        {"n": 2.5, "list": {"a": None}},
        {"n": 2**60, "mixed": 1},
        {"n": "five", "mixed": "1"},
        {"n": None, "np": np.float32(0.5)},
    ]
    add(store, list("abcdef"), shard_rows=2, metadata=rows)
    kept = [row["metadata"] for row in store.rows(range(6))]
    expected = [{k: v for k, v in row.items() if v is not None} for row in rows]
    assert kept == expected
    assert type(kept[3]["mixed"]) is int and type(kept[4]["mixed"]) is str
    schema = store.table().schema
    assert schema.field("meta.ok").type == pa.bool_() and schema.field("meta.when").type == pa.timestamp("us", "UTC")
    assert schema.field("meta.n").type == pa.string()
    store.compact()
    assert [row["metadata"] for row in store.rows(range(6))] == expected


def test_integers_and_floats_of_two_shards_are_one_column_of_floats(store: Store) -> None:
    add(store, list("ab"), shard_rows=1, metadata=[{"n": 1}, {"n": 2.5}])
    assert store.table().column("meta.n").to_pylist() == [1.0, 2.5]


@pytest.mark.parametrize("shard_rows", [1, 2])
def test_an_integer_too_long_for_a_float_keeps_its_digits_beside_one(store: Store, shard_rows: int) -> None:
    add(store, list("ab"), shard_rows=shard_rows, metadata=[{"n": 2**53 + 1}, {"n": 0.5}])
    store.compact()
    assert [row["metadata"]["n"] for row in store.rows([0, 1])] == [2**53 + 1, 0.5]


# ---- keys and ids


def test_the_same_content_under_the_same_id_is_skipped(store: Store) -> None:
    add(store, list("abc"))
    generation = store.manifest.generation
    with store.writer() as writer:
        assert writer.has(key("a")) and writer.has(key("a"), "a") and not writer.has(key("a"), "b")
        assert writer.add(list("abc"), [key(c) for c in "abc"], None, unit(3, seed=9), "text") == 0
    assert store.manifest.generation == generation


def test_a_copy_under_another_id_keeps_both_rows_and_lends_its_vector(store: Store) -> None:
    vectors = add(store, ["a"])
    with store.writer() as writer:
        assert writer.vector_of(key("absent")) is None
        lent = writer.vector_of(key("a"))
        assert lent is not None
        writer.add(["copy"], [key("a")], None, lent[None], "text")
        assert writer.has(key("a"), "copy") and writer.has(key("a"), "a")
    np.testing.assert_array_equal(store.vectors().vectors, vectors.astype(np.float16).repeat(2, axis=0))
    store.remove("a")
    with store.writer() as writer:
        assert writer.has(key("a")) and not writer.has(key("a"), "a") and writer.vector_of(key("a")) is not None
    store.remove("copy")
    with store.writer() as writer:
        assert not writer.has(key("a")) and writer.vector_of(key("a")) is None


def test_a_changed_file_replaces_its_row_in_one_switch(store: Store) -> None:
    add(store, list("abc"))
    reader, generation = Store.open(store.path), store.manifest.generation
    with store.writer() as writer:
        assert writer.add(["b"], [key("new b")], ["src"], unit(1, seed=5), "image") == 1
        assert not writer.has(key("b")) and writer.has(key("new b"), "b")
    assert store.manifest.generation == generation + 1
    assert store.ids() == ["a", "c", "b"] and store.row(2)["key"] == key("new b")
    assert store.info()["modalities"] == {"image": 1, "text": 2}
    assert store.verify().ok
    assert reader.ids() == list("abc"), "a view stays as it was"
    reader.refresh()
    assert reader.ids() == ["a", "c", "b"]


def test_the_last_of_several_contents_under_one_id_wins_also_before_it_is_written(store: Store) -> None:
    with store.writer() as writer:
        assert writer.add(["a", "a", "b", "a"], [key(i) for i in range(4)], None, unit(4), "text") == 4
        assert not writer.has(key(0)) and writer.has(key(3), "a")
    assert store.ids() == ["b", "a"] and store.verify().ok


def test_names_that_are_not_utf8_are_stored_and_found_either_way(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    path = tmp_path / os.fsdecode(b"st\xf6re")
    store = Store.create(path, SPEC)
    with store.writer() as writer:
        writer.add([name, "b"], [key(1), key(2)], [Path(name), "b"], unit(2), "image")
        assert writer.has(key(1), name)
    store = Store.open(path)
    assert store.ids() == [r"caf\xe9.jpg", "b"] and store.row(0)["source"] == r"caf\xe9.jpg"
    assert store.verify().ok and store.vectors().vectors.shape == (2, 8)
    assert store.remove([name]) == 1
    with pytest.raises(StoreError) as caught:
        Store.create(path, SPEC)
    str(caught.value).encode()


# ---- what a writer refuses


def bad_calls() -> list[Any]:
    nan, long = unit(2), unit(2) * 1.1
    nan[1, 3] = np.nan
    keys = [key(1), key(2)]
    return [
        pytest.param((keys, nan, "text"), BadInput, "b: vector of row 1: is not finite", id="nan"),
        pytest.param((keys, long, "text"), BadInput, "a: .*length 1.1 .and 1 more", id="length"),
        pytest.param((keys, unit(2) * 0, "text"), BadInput, "length 0", id="zero"),
        pytest.param((keys, unit(2, 9), "text"), SpaceMismatch, "Expected 8 dims.*received 9", id="dim"),
        pytest.param((keys, unit(3), "text"), UsageError, "Expected 2 vectors", id="count"),
        pytest.param((keys, unit(2)[0], "text"), UsageError, r"shape \(N, D\)", id="rank"),
        pytest.param((keys, unit(2).astype(int), "text"), UsageError, "Expected floats", id="integers"),
        pytest.param((keys[:1], unit(2), "text"), UsageError, "Expected 2 keys", id="keys"),
        pytest.param((["x", "y"], unit(2), "text"), UsageError, "64 hexadecimal", id="no key"),
        pytest.param((keys, unit(2), "smell"), UsageError, "Expected a modality of image", id="modality"),
        pytest.param((keys, Embeddings(unit(2), space="other"), "text"), SpaceMismatch, "toy-space.*other", id="space"),
        pytest.param((keys, Embeddings(unit(2), fingerprint="e"), "text"), SpaceMismatch, "ffff.*'e'", id="print"),
    ]


@pytest.mark.parametrize(("call", "error", "message"), bad_calls())
def test_a_bad_row_is_named_and_nothing_of_its_call_is_added(store: Store, call: Any, error: Any, message: str) -> None:
    keys, vectors, modality = call
    with store.writer() as writer:
        with pytest.raises(error, match=message):
            writer.add(["a", "b"], keys, None, vectors, modality)
        writer.add(["c"], [key("c")], None, unit(1), "text")
    assert store.ids() == ["c"]


def test_a_writer_outside_its_block_is_refused(store: Store) -> None:
    writer = store.writer()
    with pytest.raises(StoreError, match=r"with store\.writer"):
        writer.has(key(1))
    with writer:
        pass
    with pytest.raises(StoreError, match="not open"):
        writer.add(["a"], [key(1)], None, unit(1), "text")
    with pytest.raises(StoreError, match="closed"):
        writer.__enter__()
    for wrong in ({"shard_rows": 0}, {"flush_seconds": 0.0}):
        with pytest.raises(UsageError, match="but received 0"):
            store.writer(**wrong)  # type: ignore[arg-type]


def test_rows_added_before_an_exception_are_kept(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.writer() as writer:
        writer.add(["a"], [key(1)], None, unit(1), "text")
        raise KeyboardInterrupt
    assert Store.open(store.path).ids() == ["a"]


def test_the_callers_buffer_may_be_reused(store: Store) -> None:
    buffer = unit(1).astype(np.float16)
    with store.writer() as writer:
        writer.add(["a"], [key(1)], None, buffer, "text")
        buffer[:] = 0
    assert store.verify().ok


# ---- flushing


def test_rows_that_waited_long_are_written_without_another_call(store: Store) -> None:
    with store.writer(flush_seconds=0.1) as writer:
        writer.add(["a"], [key(1)], None, unit(1), "text")
        deadline = time.monotonic() + 5
        while not len(Store.open(store.path)):
            assert time.monotonic() < deadline, "nothing was written"
            time.sleep(0.02)
    assert not any(thread.name == "store-flush" and thread.is_alive() for thread in _settled_threads())


def _settled_threads() -> list[threading.Thread]:
    deadline = time.monotonic() + 2
    while any(t.name == "store-flush" for t in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return threading.enumerate()


def test_large_rows_do_not_wait_for_a_full_shard(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_WAITING_BYTES", 3 * 16)
    add(store, list("abcdefg"))
    assert [entry.rows for entry in store.manifest.shards] == [3, 3, 1]


def test_threads_may_share_a_writer(store: Store) -> None:
    with store.writer(shard_rows=7, flush_seconds=0.01) as writer:

        def work(worker: int) -> None:
            for i in range(20):
                writer.add([f"{worker}-{i}"], [key((worker, i))], None, unit(1), "text")

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(store) == 80 and store.verify().ok


# ---- one writer, many readers


def test_a_second_writer_gets_one_clear_error_and_readers_go_on(store: Store) -> None:
    add(store, ["a"])
    with store.writer() as writer:
        writer.add(["b"], [key("b")], None, unit(1), "text")
        other = Store.open(store.path)
        assert other.ids() == ["a"] and other.verify().ok
        for act in (other.writer().__enter__, lambda: other.remove("a"), other.compact):
            with pytest.raises(StoreError, match=f"another writer .process {os.getpid()}. has this store open"):
                act()
        with pytest.raises(StoreError, match="another writer"):
            Store.create(store.path, SPEC, overwrite=True)
        code = f"from mmkit.store import Store\nwith Store.open({str(store.path)!r}).writer(): pass"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "another writer" in ran.stderr
    with other.writer():
        assert other.ids() == ["a", "b"], "entering a writer brings its store up to date"


def test_reading_needs_no_lock_file(store: Store) -> None:
    add(store, ["a"])
    (store.path / ".lock").unlink()
    assert Store.open(store.path).verify().ok
    assert not (store.path / ".lock").exists()


def test_a_reader_from_before_a_compaction_is_told_to_open_again(store: Store) -> None:
    add(store, list("abcd"), shard_rows=1)
    reader, mapped = Store.open(store.path), Store.open(store.path)
    table = mapped.table()
    store.compact()
    with pytest.raises(StoreError, match=r"compacted or overwritten.*open it again"):
        reader.ids()
    assert table.column("id").to_pylist() == list("abcd")
    reader.refresh()
    assert reader.ids() == list("abcd")


# ---- remove and compact


def test_removing_marks_and_compacting_drops(store: Store) -> None:
    vectors = add(store, [f"cat/{i}.jpg" for i in range(6)] + ["dog/0.jpg", "dog/deep/1.png"], shard_rows=3)
    files = {entry.file: entry.sha256 for entry in store.manifest.shards}
    assert store.remove("cat/0.jpg") == 1
    assert store.remove(["cat/1.jpg", "cat/2.jpg", "cat/2.jpg", "absent"]) == 2
    assert store.remove(glob="dog/*") == 2
    assert store.remove(where=lambda row: row["id"].startswith("cat/5")) == 1
    assert {entry.file: entry.sha256 for entry in store.manifest.shards} == files, "shards never change"
    assert store.ids() == ["cat/3.jpg", "cat/4.jpg"] and store.row(1)["id"] == "cat/4.jpg"
    assert [len(block) for block in store.blocks()] == [2]
    assert store.info()["deleted"] == 6 and store.verify().ok
    report = store.compact()
    assert (report.dropped_rows, report.shards_before, report.shards_after) == (6, 3, 1)
    assert report.bytes_after < report.bytes_before
    assert sorted(p.name for p in store.path.glob("*.arrow")) == ["shard-000004.arrow"]
    np.testing.assert_array_equal(store.vectors().vectors, vectors[3:5].astype(np.float16))
    generation = store.manifest.generation
    assert store.compact().dropped_rows == 0 and store.manifest.generation == generation, "it is compact already"
    store.remove(glob="*")
    store.compact()
    assert len(store) == 0 and not list(store.path.glob("*.arrow")) and store.verify().ok


def test_compacting_keeps_order_and_fills_shards(store: Store) -> None:
    names = [f"n{i:02}" for i in range(20)]
    add(store, names, shard_rows=3)
    store.remove(names[::5])
    kept = [n for n in names if n not in names[::5]]
    store.compact(shard_rows=5)
    assert [entry.rows for entry in store.manifest.shards] == [5, 5, 5, 1]
    assert store.ids() == kept and store.verify().ok
    assert Store.open(store.path).vectors().vectors.shape == (16, 8)


def test_a_removed_item_can_be_added_again(store: Store) -> None:
    add(store, ["a"])
    store.remove("a")
    add(store, ["a"])
    assert store.ids() == ["a"] and store.verify().ok


@pytest.mark.parametrize("choice", [{}, {"ids": "a", "glob": "*"}])
def test_removing_needs_exactly_one_choice(store: Store, choice: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="exactly one of ids, glob and where"):
        store.remove(**choice)  # type: ignore[arg-type]


# ---- making and opening


def test_another_space_is_refused_naming_both(store: Store) -> None:
    for change in ({"space": "other"}, {"fingerprint": "e" * 64}, {"dim": 9}, {"kind": "multivector"}):
        other = replace(SPEC, name="second", **change)  # type: ignore[arg-type]
        with pytest.raises(SpaceMismatch, match=r"toy-space.*\(toy, .*encoder gives .*\(second, "):
            Store.open_or_create(store.path, other)
    assert len(Store.open_or_create(store.path, replace(SPEC, name="same space"), dtype="float32")) == 0


def test_a_store_overwritten_by_another_space_is_refused_to_a_writer_that_opened_the_old(store: Store) -> None:
    add(store, ["a"])
    Store.create(store.path, replace(SPEC, space="other"), overwrite=True)
    with pytest.raises(SpaceMismatch):
        add(store, ["b"])
    assert len(Store.open(store.path)) == 0


def test_overwriting_is_explicit_and_only_for_stores(store: Store, tmp_path: Path) -> None:
    add(store, list("ab"), shard_rows=1)
    with pytest.raises(StoreError, match="there is a store already"):
        Store.create(store.path, SPEC)
    fresh = Store.create(store.path, SPEC, overwrite=True)
    assert len(fresh) == 0 and not list(store.path.glob("*.arrow")) and fresh.manifest.next_shard == 3
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    (tmp_path / "orphan").mkdir()
    (tmp_path / "orphan" / "shard-000001.arrow").write_bytes(b"x")
    for name in ("photos", "orphan"):
        for make in (Store.open_or_create, lambda p, s: Store.create(p, s, overwrite=True)):
            with pytest.raises(StoreError, match="not empty and not a store"):
                make(tmp_path / name, SPEC)
        assert len(list((tmp_path / name).iterdir())) == 1, "nothing is left in or taken from it"


def test_what_is_no_store_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for name, message in (("absent", "no store here"), ("file", "is a file"), ("empty", "is not a store")):
        with pytest.raises(StoreError, match=message) as caught:
            Store.open(tmp_path / name)
        assert "\n" not in str(caught.value) and name in str(caught.value)
    with pytest.raises(StoreError, match="is a file"):
        Store.create(tmp_path / "file", SPEC)
    with pytest.raises(StoreError):
        Store.open_or_create(tmp_path / "file" / "below", SPEC)
    assert len(Store.create(tmp_path / "empty", SPEC)) == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"kind": "sparse"}, "Expected embeddings of kind vector or multivector"), ({"dim": 0}, "Expected a dim")],
)
def test_an_encoder_that_cannot_be_stored_is_refused(tmp_path: Path, wrong: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Store.create(tmp_path / "s", replace(SPEC, **wrong))
    with pytest.raises(UsageError, match="Expected a dtype"):
        Store.create(tmp_path / "s", SPEC, dtype="int8")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="Expected metadata that JSON can hold"):
        Store.create(tmp_path / "s", SPEC, metadata={"x": object()})
    assert not (tmp_path / "s").exists()


def test_opening_reads_no_shard(store: Store) -> None:
    add(store, list("abc"), shard_rows=1)
    for shard in store.path.glob("*.arrow"):
        shard.unlink()
    assert len(Store.open(store.path)) == 3


# ---- damage


def change_manifest(path: Path, **changes: Any) -> None:
    manifest = path / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **changes}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("\x80", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "Expected an object of format"),
        ("{}", "Expected an object of format"),
        ({"schema": 2}, "Expected schema version 1, but received 2.*upgrade mmkit"),
        ({"schema": None}, "schema version"),
        ({"dim": "8"}, "Expected 'dim' to be int"),
        ({"dim": True}, "Expected 'dim' to be int"),
        ({"dtype": "int8"}, "Expected dtype in"),
        ({"shards": None}, "Expected 'shards' to be list"),
        ({"shards": [3]}, "Expected an object for each shard"),
        ({"rows": 7}, "Expected 3 rows by the shards, but received 7"),
        ({"modalities": {"text": -1}}, "count from 0"),
        ({"next_shard": 1}, "not below next_shard"),
    ],
)
def test_a_damaged_manifest_is_a_store_error(store: Store, content: Any, message: str) -> None:
    add(store, list("abc"))
    if isinstance(content, str):
        (store.path / "manifest.json").write_text(content, "latin-1")
    else:
        change_manifest(store.path, **content)
    with pytest.raises(StoreError, match=message):
        Store.open(store.path)


@pytest.mark.parametrize("change", [{"file": "../../etc/passwd"}, {"deleted": 9}, {"deleted": 1}, {"rows": -1}])
def test_a_manifest_cannot_lead_out_of_its_directory_or_contradict_itself(store: Store, change: Any) -> None:
    add(store, list("abc"))
    entry = json.loads((store.path / "manifest.json").read_text())["shards"][0]
    change_manifest(store.path, shards=[{**entry, **change}])
    with pytest.raises(StoreError, match="is damaged"):
        Store.open(store.path)


def test_damaged_deletions_are_reported(store: Store) -> None:
    add(store, list("abc"))
    entry = json.loads((store.path / "manifest.json").read_text())["shards"][0]
    for deletions in ("!", "AAAA", "eJwDAAAAAAE="):
        change_manifest(
            store.path, shards=[{**entry, "deleted": 1, "deletions": deletions}], rows=2, modalities={"text": 2}
        )
        opened = Store.open(store.path)
        with pytest.raises(StoreError, match="is damaged"):
            opened.ids()
        assert not opened.verify().ok


def damage_missing(shard: Path) -> None:
    shard.unlink()


def damage_truncated(shard: Path) -> None:
    os.truncate(shard, shard.stat().st_size // 2)


def damage_empty(shard: Path) -> None:
    shard.write_bytes(b"")


def damage_longer(shard: Path) -> None:
    shard.write_bytes(shard.read_bytes() + b"x")


def damage_footer(shard: Path) -> None:
    shard.write_bytes(shard.read_bytes()[:-16] + b"\xff" * 16)


@pytest.mark.parametrize("damage", [damage_missing, damage_truncated, damage_empty, damage_longer, damage_footer])
def test_a_damaged_shard_is_a_store_error_and_a_problem(store: Store, damage: Any) -> None:
    add(store, list("abcd"), shard_rows=2)
    damage(store.path / "shard-000002.arrow")
    opened = Store.open(store.path)
    for read in (opened.ids, opened.table, opened.vectors, lambda: list(opened.blocks()), lambda: opened.rows([3])):
        with pytest.raises(StoreError, match="shard-000002"):
            read()
    assert opened.row(0)["id"] == "a", "what is sound can be read"
    for deep in (True, False):
        problems = Store.open(store.path).verify(deep=deep).problems
        assert problems and all(problem.where == "shard-000002.arrow" for problem in problems)
    with pytest.raises(StoreError, match="shard-000002"):
        opened.compact()
    assert len(Store.open(store.path)) == 4


def test_every_flipped_byte_is_found_by_a_deep_check(store: Store) -> None:
    add(store, ["a"])
    shard = store.path / "shard-000001.arrow"
    sound = shard.read_bytes()
    for place in range(0, len(sound), 97):
        shard.write_bytes(sound[:place] + bytes([sound[place] ^ 0x10]) + sound[place + 1 :])
        assert "sha256" in Store.open(store.path).verify().problems[0].what


def test_a_deep_check_finds_wrong_vectors_doubled_ids_and_wrong_counts(store: Store) -> None:
    from mmkit.store.manifest import write_manifest
    from mmkit.store.shards import Row, table_of, write_shard

    rows = [Row(n, bytes(32), n, "text", v, {}) for n, v in zip("aab", unit(3).astype(np.float16), strict=True)]
    rows[2].vector[:] = 0.5
    entry = write_shard(store.path, 1, table_of(rows[:2], store.spec_fields))
    other = write_shard(store.path, 2, table_of(rows, store.spec_fields))
    for shards, modalities, expected in (
        ((entry,), {"text": 2}, ["row 'a': is there 2 times"]),
        ((other,), {"text": 3}, ["shard-000002.arrow, row 2: Expected a unit row, but received length 1.414"]),
        ((replace(entry, rows=3),), {"text": 3}, ["shard-000001.arrow: Expected 3 rows of"]),
        ((entry.without([1]),), {"image": 1}, ["manifest.json: counts of modalities"]),
    ):
        manifest = replace(store.manifest, shards=shards, modalities=modalities, next_shard=3)
        write_manifest(store.path, manifest)
        found = [str(problem) for problem in Store.open(store.path).verify().problems]
        assert len(found) == len(expected) and all(f.startswith(e) for f, e in zip(found, expected, strict=True)), found


def test_leftovers_are_ignored_by_readers_and_swept_by_the_next_writer(store: Store) -> None:
    add(store, ["a"])
    stray = [store.path / n for n in ("shard-000002.arrow", "shard-000003.arrow.tmp", "manifest.json.tmp")]
    for path in stray:
        path.write_bytes(b"half")
    (store.path / "notes.txt").write_text("not ours")
    report = Store.open(store.path).verify()
    assert report.ok and report.leftovers == ("manifest.json.tmp", "shard-000002.arrow", "shard-000003.arrow.tmp")
    add(store, ["b"])
    assert store.ids() == ["a", "b"] and store.verify().leftovers == ()
    assert (store.path / "notes.txt").exists()


# ---- a disk that refuses


@pytest.mark.parametrize("call", range(6))
def test_no_space_left_is_one_store_error_and_the_store_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    add(store, list("ab"))
    before = (store.path / "manifest.json").read_bytes()
    calls = iter(range(100))
    real = os.fsync

    def full(descriptor: int) -> None:
        if next(calls) == call:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    message = "cannot write the store: No space left on device; free some space"
    with pytest.raises(StoreError, match=message) as caught, store.writer(shard_rows=2) as writer:
        monkeypatch.setattr(os, "fsync", full)
        try:
            writer.add(list("cdefg"), [key(c) for c in "cdefg"], None, unit(5), "text")
        finally:
            with pytest.raises(StoreError, match="an earlier write failed"):
                writer.has(key("a"))
    monkeypatch.undo()
    assert "\n" not in str(caught.value)
    again = Store.open(store.path)
    # Calls 0-2 come before the manifest's rename, 3 after it; 4 and 5 are those of the second shard.
    assert again.ids() == list("ab") + (list("cd") if call > 2 else [])
    assert (call > 2) or (store.path / "manifest.json").read_bytes() == before
    assert again.verify().ok and again.verify().leftovers == ()
    add(again, list("cdefg"))
    assert sorted(again.ids()) == list("abcdefg") and again.verify().ok


def test_a_failed_background_flush_is_reported_by_the_next_call(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    expected = pytest.raises(StoreError, match=r"an earlier write failed.*No space left")
    with expected, store.writer(flush_seconds=0.05) as writer:
        writer.add(["a"], [key(1)], None, unit(1), "text")
        monkeypatch.setattr(os, "fsync", full)
        deadline = time.monotonic() + 5
        while writer._failure is None and time.monotonic() < deadline:
            time.sleep(0.02)
    monkeypatch.undo()
    assert len(Store.open(store.path)) == 0


def test_a_failed_compaction_or_removal_changes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add(store, list("abcdef"), shard_rows=2)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for act in (store.compact, lambda: store.remove("a")):
        with pytest.raises(StoreError, match="No space left"):
            act()
        assert store.ids() == Store.open(store.path).ids() == list("abcdef")
    assert Store.open(store.path).verify().leftovers == ()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_a_read_only_directory_can_be_read_and_refuses_a_writer(store: Store) -> None:
    add(store, ["a"])
    (store.path / ".lock").unlink()
    store.path.chmod(0o500)
    try:
        opened = Store.open(store.path)
        assert opened.verify().ok
        with pytest.raises(StoreError, match="check the permissions"):
            opened.remove("a")
    finally:
        store.path.chmod(0o700)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_refused_lock_file_or_manifest_is_a_store_error(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    add(store, ["a"])

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", refuse)
    assert Store.open(store.path).ids() == ["a"]
    with pytest.raises(StoreError, match="cannot open the store for writing"):
        store.remove("a")
    monkeypatch.undo()
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(StoreError, match="cannot read the store"):
        Store.open(store.path)


# ---- export and import


def test_exports_hold_the_live_rows_and_come_back(store: Store, tmp_path: Path) -> None:
    names = ["a\nb", os.fsdecode(b"\xff"), "c", "gone", "d\\x0a"]
    add(store, names, shard_rows=2, metadata=[{"n": 1}, {"n": 2.5}, {"n": "x"}, {}, {"l": [1]}])
    store.remove("gone")
    for name in ("e.parquet", "e.npy", "e.jsonl"):
        written = store.export(tmp_path / name)
        assert all(path.exists() for path in written) and not list(tmp_path.glob("*.tmp"))
        with pytest.raises(StoreError, match="is there already"):
            store.export(tmp_path / name)
        assert store.export(tmp_path / name, overwrite=True) == written
    np.testing.assert_array_equal(np.load(tmp_path / "e.npy"), np.concatenate(list(store.blocks())))
    assert len((tmp_path / "e.ids.txt").read_text().splitlines()) == 4
    lines = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == store.ids() and len(lines[0]["vector"]) == 8
    from_parquet = Store.from_file(tmp_path / "p", tmp_path / "e.parquet", spec=SPEC)
    assert from_parquet.spec_fields == store.spec_fields
    assert from_parquet.rows(range(4)) == store.rows(range(4))
    from_npy = Store.from_file(tmp_path / "n", tmp_path / "e.npy", spec=SPEC)
    for other in (from_parquet, from_npy):
        assert other.ids() == store.ids() and other.verify().ok
        np.testing.assert_array_equal(other.vectors().vectors, store.vectors().vectors)


def test_exports_of_an_empty_store(store: Store, tmp_path: Path) -> None:
    for name in ("e.parquet", "e.npy", "e.jsonl"):
        store.export(tmp_path / name)
    assert np.load(tmp_path / "e.npy").shape == (0, 8)
    assert len(Store.from_file(tmp_path / "p", tmp_path / "e.parquet")) == 0
    assert len(Store.from_file(tmp_path / "n", tmp_path / "e.npy", spec=SPEC)) == 0


def test_files_that_are_no_export_are_refused(store: Store, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1]}), tmp_path / "foreign.parquet")
    (tmp_path / "junk.parquet").write_bytes(b"junk")
    (tmp_path / "junk.npy").write_bytes(b"junk")
    (tmp_path / "junk.ids.txt").write_text("a\n")
    for name, message in (
        ("foreign.parquet", "not made by an export"),
        ("junk.parquet", "not made by an export"),
        ("junk.npy", "is not a .npy file"),
        ("absent.npy", "cannot read the import"),
    ):
        with pytest.raises(StoreError, match=message):
            Store.from_file(tmp_path / "s2", tmp_path / name, spec=SPEC)
    with pytest.raises(UsageError, match="name the encoder"):
        Store.from_file(tmp_path / "s2", tmp_path / "junk.npy")
    with pytest.raises(UsageError, match="Expected a name ending in"):
        store.export(tmp_path / "e.csv")
    store.export(tmp_path / "e.parquet")
    with pytest.raises(SpaceMismatch):
        Store.from_file(tmp_path / "s2", tmp_path / "e.parquet", spec=replace(SPEC, dim=9))
    assert not (tmp_path / "s2").exists()


def test_a_store_from_arrays_refuses_ids_that_repeat(tmp_path: Path) -> None:
    store = Store.from_arrays(tmp_path / "s", SPEC, vectors=Embeddings(unit(3)), ids=list("abc"), modality="text")
    assert store.ids() == list("abc") and len({row["key"] for row in store.rows(range(3))}) == 3
    with pytest.raises(BadInput, match="Expected 2 different ids, but received 1"):
        Store.from_arrays(tmp_path / "t", SPEC, vectors=unit(2), ids=["a", "a"], modality="text")
    with pytest.raises(BadInput, match="not finite"):
        Store.from_arrays(store.path, SPEC, vectors=unit(1) * np.nan, ids=["a"], modality="text", overwrite=True)
    assert not (tmp_path / "t").exists() and len(Store.open(store.path)) == 3


# ---- imports


def test_the_room_imports_neither_numpy_nor_pyarrow_until_a_name_is_used() -> None:
    code = (
        "import sys, mmkit.store\n"
        "assert not {'numpy', 'pyarrow', 'torch'} & set(sys.modules)\n"
        "mmkit.store.content_key(b'', settings='', fingerprint='')\n"
        "assert not {'numpy', 'pyarrow', 'torch'} & set(sys.modules)\n"
        "mmkit.store.Store\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there() -> None:
    import mmkit.store

    assert all(getattr(mmkit.store, name) for name in mmkit.store.__all__)
    assert mmkit.store.StoreWriter is StoreWriter and set(mmkit.store.__all__) <= set(dir(mmkit.store))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = mmkit.store.nothing
