"""``mmkit index``: every kind of input, extending, looking after, and what a store refuses."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest


def rows_of(cli: Any, store: object) -> list[dict[str, Any]]:
    assert cli("index", "export", store, "rows.jsonl", "--overwrite").code == 0
    return [json.loads(line) for line in Path("rows.jsonl").read_text("utf-8").splitlines()]


def added(result: Any) -> int:
    return int(result.records[0]["added"])


def test_adding_twice_adds_once(cli: Any, pictures: Path) -> None:
    first = cli("index", "add", "a.mm", pictures)
    assert (first.code, first.err) == (0, "")
    assert first.out.startswith("a.mm: 6 rows (6 added, 0 already there")
    (second,) = cli("index", "add", "a.mm", pictures, "--json").records
    assert (second["rows"], second["added"], second["unchanged"], second["failed"]) == (6, 0, 6, 0)


def test_the_same_file_from_another_folder_is_the_same_row(
    cli: Any, store: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures)
    assert added(cli("index", "add", store, "espresso.jpg", "./latte.jpg", "--json")) == 0


def test_a_changed_file_replaces_its_row(cli: Any, pictures: Path) -> None:
    shutil.copy(pictures / "espresso.jpg", "one.jpg")
    assert added(cli("index", "add", "a.mm", "one.jpg", "--json")) == 1
    shutil.copy(pictures / "latte.jpg", "one.jpg")
    (report,) = cli("index", "add", "a.mm", "one.jpg", "--json").records
    assert (report["rows"], report["added"]) == (1, 1)


def test_globs_are_expanded_by_mmkit_too(cli: Any, pictures: Path) -> None:
    (report,) = cli("index", "add", "a.mm", f"{pictures}/*drawing*", "--json").records
    assert report["rows"] == 2
    nothing = cli("index", "add", "b.mm", "*.nothing")
    assert nothing.code == 3
    assert "*.nothing: no file matches the pattern" in nothing.err


def test_names_come_from_stdin(cli: Any, pictures: Path) -> None:
    lines = f"{pictures}/espresso.jpg\n\nmissing.jpg\r\n{pictures}/latte.jpg".encode()
    result = cli("index", "add", "a.mm", "-", "--json", stdin=lines)
    assert result.code == 3
    assert (result.records[0]["added"], result.records[0]["failed"]) == (2, 1)


def test_texts_come_from_stdin_and_files(cli: Any) -> None:
    assert added(cli("index", "add", "a.mm", "-", "-m", "text", "--json", stdin="naïve\ncoffee\n".encode())) == 2
    Path("more.txt").write_text("coffee\ntea\n", "utf-8")
    (report,) = cli("index", "add", "a.mm", "more.txt", "--json").records
    assert (report["rows"], report["added"], report["unchanged"]) == (3, 1, 1)
    assert {row["source"] for row in rows_of(cli, "a.mm")} == {"naïve", "coffee", "tea"}


def test_an_archive_gives_its_members(cli: Any, pictures: Path) -> None:
    with tarfile.open("a.tar", "w") as archive:
        archive.add(pictures / "espresso.jpg", "000.jpg")
        archive.add(pictures / "latte.jpg", "001.jpg")
        archive.add(pictures / "latte.jpg", "../escape.jpg")
    result = cli("index", "add", "a.mm", "a.tar", "--json")
    assert (result.code, result.records[0]["rows"]) == (0, 3)
    # Members are read where they lie; nothing is unpacked, wherever its name points.
    assert not Path("../escape.jpg").exists()
    assert cli("index", "remove", "a.mm", "a.tar/../escape.jpg").code == 0
    (record,) = cli("match", "espresso", "--in", "a.mm", "-k", 2, "--json").records
    assert {hit["id"] for hit in record["hits"]} == {"a.tar/000.jpg", "a.tar/001.jpg"}


def test_a_table_gives_a_row_a_line_and_keeps_the_other_columns(cli: Any, pictures: Path) -> None:
    Path("t.csv").write_text(f"photo,price\n{pictures}/espresso.jpg,2.5\nmissing.jpg,3\n", "utf-8")
    asked = cli("index", "add", "a.mm", "t.csv")
    assert asked.code == 3
    assert "choose what to encode with --column: photo, price" in asked.err
    unknown = cli("index", "add", "a.mm", "t.csv", "--column", "phto")
    assert "has no column 'phto'; its columns are photo, price" in unknown.err
    result = cli("index", "add", "a.mm", "t.csv", "--column", "photo", "--json")
    assert (result.code, result.records[0]["added"], result.records[0]["failed"]) == (3, 1, 1)
    (record,) = cli("match", "coffee", "--in", "a.mm", "--json").records
    assert record["hits"][0]["metadata"] == {"price": 2.5} or record["hits"][0]["metadata"] == {"price": "2.5"}


def test_a_parquet_column_of_texts_is_indexed(cli: Any) -> None:
    parquet.write_table(pa.table({"caption": ["a dog", "a cup of coffee"], "n": [1, 2]}), "t.parquet")
    assert added(cli("index", "add", "a.mm", "t.parquet", "--column", "caption", "--json")) == 2
    (record,) = cli("match", "an espresso", "--in", "a.mm", "-k", 1, "--json").records
    assert record["hits"][0]["metadata"] == {"n": 2}


def test_strict_stops_at_the_first_failure_and_leaves_a_sound_store(cli: Any, pictures: Path) -> None:
    Path("a.jpg").write_bytes(b"")
    result = cli("index", "add", "a.mm", "a.jpg", pictures, "--strict")
    assert result.code == 1
    assert result.error.endswith("a.jpg: is empty (0 bytes)")
    assert cli("index", "verify", "a.mm").code == 0


def test_failures_are_listed_and_the_list_goes_when_they_are_mended(cli: Any, pictures: Path) -> None:
    Path("a.jpg").write_bytes(b"")
    assert cli("index", "add", "a.mm", "a.jpg", "missing.jpg").code == 3
    records = [json.loads(line) for line in Path("a.mm/failures.jsonl").read_text().splitlines()]
    assert [record.keys() for record in records] == [{"id", "reason"}] * 2
    assert cli("index", "add", "a.mm", "a.jpg", "--failures", "deep/er/list.jsonl").code == 3
    assert len(Path("deep/er/list.jsonl").read_text().splitlines()) == 1
    shutil.copy(pictures / "latte.jpg", "a.jpg")
    assert cli("index", "add", "a.mm", "a.jpg").code == 0
    assert not Path("a.mm/failures.jsonl").exists()


def test_an_old_store_is_replaced_only_on_request(cli: Any, store: Path, pictures: Path) -> None:
    (report,) = cli("index", "add", store, pictures / "latte.jpg", "--overwrite", "--float32", "--json").records
    assert (report["rows"], report["added"]) == (1, 1)
    (facts,) = cli("index", "info", store, "--json").records
    assert (facts["rows"], facts["dtype"], facts["encoder"]) == (1, "float32", "mini")


def test_exports_can_be_read_and_are_not_overwritten(cli: Any, built: Path) -> None:
    import numpy as np

    assert cli("index", "export", built, "a.npy").out.splitlines() == ["a.npy", "a.ids.txt"]
    vectors = np.load("a.npy", allow_pickle=False)
    assert vectors.shape[0] == len(Path("a.ids.txt").read_text().splitlines()) == 6
    assert cli("index", "export", built, "a.parquet").code == 0
    assert parquet.read_table("a.parquet").num_rows == 6
    again = cli("index", "export", built, "a.npy")
    assert again.code in (1, 2)
    assert "is there already" in again.error
    assert cli("index", "export", built, "a.csv").code == 2


def test_rows_are_removed_by_name_by_glob_and_by_nothing_else(cli: Any, store: Path, pictures: Path) -> None:
    shutil.copy(pictures / "latte.jpg", "a[1].jpg")
    shutil.copy(pictures / "latte.jpg", "a1.jpg")
    assert cli("index", "add", store, "a[1].jpg", "a1.jpg").code == 0
    assert cli("index", "remove", store, "a[1].jpg", "--json").records[0]["removed"] == 1
    assert cli("index", "remove", store, "a?.jpg", "--json").records[0]["removed"] == 1
    assert cli("index", "remove", store, "*drawing*", "--json").records[0]["removed"] == 2
    unknown = cli("index", "remove", store, "never.jpg")
    assert unknown.code == 1
    assert unknown.error == f"mmkit: no row of {store} is called never.jpg"
    (compacted,) = cli("index", "compact", store, "--json").records
    assert compacted["dropped_rows"] == 4
    assert cli("index", "verify", store, "--json").records == [{"store": str(store), "rows": 4, "problems": []}]


def test_a_damaged_store_is_told_and_not_searched_silently(cli: Any, store: Path) -> None:
    shard = next(store.glob("*.arrow"))
    raw = bytearray(shard.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    shard.write_bytes(raw)
    result = cli("index", "verify", store)
    assert result.code == 1
    assert shard.name in result.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["info", "nowhere.mm"], 1, "nowhere.mm: there is no store here; make one with: mmkit index add"),
        (["verify", "folder"], 1, "folder: is not a store"),
        (["info", "file"], 1, "file: is a file, but a store is a directory"),
        (["add", "file", "PICTURE"], 1, "file: is a file, but a store is a directory"),
        (["add", "file/inside.mm", "PICTURE"], 1, "file/inside.mm"),
        (["add", "a.mm", "PICTURE", "-e", "mini:x"], 2, "takes nothing after its name"),
        (["add", "a.mm", "PICTURE", "-e", "openclip"], 2, "needs a model after a colon"),
        (["add", "a.mm", "PICTURE", "-e", "minni"], 4, "no encoder is called 'minni'; did you mean mini?"),
        (["add", "a.mm", "PICTURE", "--batch", "0"], 2, "--batch: Expected 'auto' or a whole number above 0"),
        (["add", "a.mm", "PICTURE", "-m", "smell"], 2, "--modality: Expected one of"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_code(
    arguments: list[str], code: int, said: str, cli: Any, pictures: Path
) -> None:
    Path("folder").mkdir()
    Path("folder/other.txt").write_text("x")
    Path("file").write_text("x")
    picture = str(pictures / "latte.jpg")
    result = cli("index", *(picture if argument == "PICTURE" else argument for argument in arguments))
    assert result.code == code
    assert said in result.error
    assert not Path("a.mm").exists()


def test_a_folder_that_is_no_store_is_never_overwritten(cli: Any, pictures: Path) -> None:
    Path("precious").mkdir()
    Path("precious/thesis.txt").write_text("years of work")
    result = cli("index", "add", "precious", pictures, "--overwrite")
    assert result.code == 1
    assert Path("precious/thesis.txt").read_text() == "years of work"


def test_names_that_are_not_utf8_are_stores_and_pictures_like_any_other(cli: Any, pictures: Path) -> None:
    name, place = os.fsdecode(b"caf\xe9.jpg"), os.fsdecode(b"na\xefve.mm")
    shutil.copy(pictures / "latte.jpg", name)
    Path("folder").mkdir()
    shutil.copy(pictures / "espresso.jpg", Path("folder", name))
    result = cli("index", "add", "a.mm", name, "folder", "--json")
    assert (result.code, result.records[0]["rows"]) == (0, 2)
    assert cli("index", "remove", "a.mm", name, "--json").records[0]["removed"] == 1
    assert cli("index", "add", place, name, "--json").code == 0
    assert cli("index", "verify", place, "--json").code == 0
