from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmkit.errors import BadInput, UsageError
from mmkit.media.tables import read_table, write_table
from mmkit.media.text import read_lines, read_text

TABLE = pa.table({"file": ["a.png", "b c.png"], "n": [1, 2], "x": [0.5, -1e-3], "text": ['say "hi"', "tab\tü\nnew"]})


@pytest.mark.parametrize(
    "suffix", ["csv", "tsv", "jsonl", "parquet", "arrow", "feather", "csv.gz", "tsv.gz", "jsonl.gz"]
)
def test_what_is_written_is_read_back(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{suffix}"
    write_table(TABLE, path)
    assert read_table(path).to_pydict() == TABLE.to_pydict()
    before = path.read_bytes()
    write_table(TABLE, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_the_header_holds(delimiter: str, tmp_path: Path) -> None:
    rows = [["file", "a, b" if delimiter != "," else "a b", "n"], ["x.png", "1", "2"]]
    (tmp_path / "t.csv").write_text("\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows))
    assert read_table(tmp_path / "t.csv").num_columns == 3


def test_only_plain_numbers_become_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "id,n,x,date,flag,some,none\n007,1,1.50,2020-01-01,true,,\n010,-2,2e3,2020-01-02,false,3,\n"
    )
    table = read_table(tmp_path / "t.csv")
    assert table.to_pydict() == {
        "id": ["007", "010"],
        "n": [1, -2],
        "x": [1.5, 2000.0],
        "date": ["2020-01-01", "2020-01-02"],
        "flag": ["true", "false"],
        "some": [None, 3],
        "none": ["", ""],
    }


def test_a_header_alone_is_a_table_of_no_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbffile,n\n")
    assert read_table(tmp_path / "t.csv").column_names == ["file", "n"]


def test_rows_of_json_lines_may_have_different_fields(tmp_path: Path) -> None:
    lines = ['{"a": 1}'] * 1500 + ['{"b": "x", "a": null}']
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    table = read_table(tmp_path / "t.jsonl")
    assert table.num_rows == 1501
    assert table.slice(1500).to_pylist() == [{"a": None, "b": "x"}]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("t.csv", b"a,b\n1,2\n1,2,3\n", r"t\.csv:3: Expected 2 columns, got 3"),
        ("t.csv", b"a,a\n1,2\n", r"t\.csv:1: two columns are called 'a'"),
        ("t.csv", b"a,b\n1,\xff\n", "not UTF-8"),
        ("t.csv", b"", "is empty"),
        ("t.csv", b"  \n\n", "no header"),
        ("t.csv", b"\xef\xbb\xbf", "no header"),
        ("t.jsonl", b'{"a": 1}\n{"a": \n', r"t\.jsonl:2: is not JSON"),
        ("t.jsonl", b'{"a": 1}\n[1]\n', r"t\.jsonl:2: Expected a JSON object"),
        ("t.jsonl", b'{"a": 1}\n{"a": "x"}\n', "column 'a' holds values of several types"),
        ("t.jsonl", b'{"a": 1}\n"\xff"\n', r"t\.jsonl:2: is not UTF-8"),
        ("t.jsonl", b"[" * 100_000, "is not JSON"),
        ("t.parquet", b"PAR1 and nothing else PAR1", "not a readable parquet file"),
        ("t.arrow", b"ARROW1\0\0 and nothing else", "not a readable arrow file"),
        ("t.feather", b"some bytes", "not a readable arrow file"),
        ("t.csv.gz", b"not gzip", "not a readable csv file"),
        ("t.csv.gz", gzip.compress(b"a,b\n1,2\n" * 9)[:-12], "not a readable csv file"),
    ],
)
def test_a_broken_table_is_bad_input_that_says_where(name: str, content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=reason):
        read_table(tmp_path / name)


def test_what_is_no_table_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Expected a table"):
        read_table(tmp_path / "t.xlsx")
    with pytest.raises(UsageError, match="Expected a table"):
        write_table(TABLE, tmp_path / "t.parquet.gz")
    with pytest.raises(BadInput, match="no such file"):
        read_table(tmp_path / "t.csv")


def test_a_cell_that_csv_cannot_hold_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be written as csv"):
        write_table(pa.table({"a": [[1, 2]]}), tmp_path / "t.csv")
    with pytest.raises(BadInput, match="cannot be written as jsonl"):
        write_table(pa.table({"a": [b"\xff"]}), tmp_path / "t.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_arrow_streams_are_read(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2]})
    with pa.OSFile(str(tmp_path / "stream.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert read_table(tmp_path / "stream.arrow").equals(table)


def test_columns_are_not_made_of_folder_names(tmp_path: Path) -> None:
    (tmp_path / "year=2020").mkdir()
    write_table(pa.table({"a": [1]}), tmp_path / "year=2020" / "t.parquet")
    assert read_table(tmp_path / "year=2020" / "t.parquet").column_names == ["a"]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["t.csv", "t.tsv", "t.jsonl", "t.parquet", "t.arrow", "t.csv.gz"]),
    content=st.binary(max_size=80) | st.text('ab,;|\t"\n{}[]:1', max_size=80).map(str.encode),
)
def test_random_tables_raise_nothing_but_bad_input(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    try:
        read_table(tmp_path / name)
    except BadInput as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_is_read_by_its_byte_order_mark(codec: str) -> None:
    assert list(read_lines("Käse\r\n\n猫\n".encode(codec))) == ["Käse", "", "猫"]
    assert read_text("one\r\ntwo".encode(codec)) == "one\ntwo"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"one\nK\xe4se\n", r"bytes:2: is not UTF-8 \(byte 0xe4\)"),
        (b"one\n\0two\n", "bytes:2: holds NUL"),
        ("ab".encode("utf-16")[:-1], "is not UTF-16"),
    ],
)
def test_what_is_not_utf8_text_is_bad_input_that_names_the_line(content: bytes, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        read_text(content)
