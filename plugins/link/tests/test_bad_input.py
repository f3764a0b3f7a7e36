"""Every bad input is one clear line, or handled with nothing lost."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np
import pytest
from mmkit_link.records import Records, as_records, open_table, parse_columns
from mmkit_link.results import dedupe_records, link_records

from mmkit.cli.entry import run as mmkit
from mmkit.errors import BadInput, UsageError
from mmkit.media import read_table
from mmkit.types import Embeddings, EncoderSpec


def fails(capsys, code: int, *arguments: object) -> str:
    assert mmkit([str(argument) for argument in arguments]) == code
    shown = capsys.readouterr().err.strip().splitlines()
    assert len(shown) == 1, shown
    return shown[0]


def test_duplicate_ids_are_named_with_their_rows(write_rows, capsys):
    table = write_rows("twice.csv", [{"id": "x", "name": "a"}, {"id": "y", "name": "b"}, {"id": "x", "name": "c"}])
    line = fails(capsys, 1, "link", "dedupe", table)
    assert "'x' in rows 1, 3" in line and "--id" in line


def test_a_row_without_an_id_is_named(write_rows, capsys):
    table = write_rows("none.csv", [{"id": "x", "name": "a"}, {"id": "", "name": "b"}])
    assert "row 2 has no id" in fails(capsys, 1, "link", "dedupe", table)


def test_a_missing_column_brings_the_nearest_name(write_rows, capsys):
    table = write_rows("t.csv", [{"id": "x", "title": "a"}])
    line = fails(capsys, 2, "link", "match", table, table, "--on", "titel")
    assert "no column 'titel'" in line and "did you mean 'title'" in line
    assert "share no column" in fails(capsys, 2, "link", "match", table, write_rows("u.csv", [{"id": "x", "y": "a"}]))
    with pytest.raises(UsageError, match="twice"):
        parse_columns("title,title", ["title"], ["title"])


def test_a_missing_column_is_told_beside_the_option_that_names_it(write_rows, capsys):
    table = write_rows("t.csv", [{"id": "x", "title": "a"}])
    assert "--image-col: " in fails(capsys, 2, "link", "match", table, table, "--image-col", "crop")
    assert "--id: " in fails(capsys, 2, "link", "match", table, table, "--id", "key")
    command = ["link", "dedupe", table, "--tune", table, "--clusters", "firm"]
    assert "--clusters: " in fails(capsys, 2, *command)


def test_empty_tables_give_empty_results(write_rows, tmp_path, capsys):
    full = write_rows("full.csv", [{"id": "x", "name": "a"}])
    empty = tmp_path / "empty.csv"
    empty.write_text("id,name\n", "utf-8")
    out = tmp_path / "links.parquet"
    assert mmkit(["link", "match", str(full), str(empty), "-o", str(out)]) == 0
    table = read_table(out)
    assert table.num_rows == 0 and table.column_names == ["left", "right", "score", "similarity"]
    out = tmp_path / "clusters.parquet"
    assert mmkit(["link", "dedupe", str(empty), "-o", str(out)]) == 0
    assert read_table(out).num_rows == 0


def test_all_null_columns_are_left_out_and_nothing_but_nulls_is_told(write_rows, tmp_path, capsys):
    names = ["maria bold", "peter quick", "anna sharp", "olga stern"]
    rows = [{"id": str(number), "name": name, "fax": None} for number, name in enumerate(names)]
    out = tmp_path / "links.csv"
    table = write_rows("nulls.jsonl", rows)
    assert mmkit(["link", "match", str(table), str(table), "--threshold", "0.5", "-o", str(out)]) == 0
    assert read_table(out).num_rows == 4
    capsys.readouterr()
    assert "no compared column holds a value" in fails(capsys, 1, "link", "match", table, table, "--on", "fax")


def test_mixed_encodings_are_read_line_by_line(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_bytes("id,name\n1,Müller\n".encode() + "2,Möller\n".encode("cp1252") + b"3,Plain\n")
    assert open_table(path).column("name").to_pylist() == ["Müller", "Möller", "Plain"]


@dataclass
class MeanColour:
    """Pictures as their mean colour."""

    spec: EncoderSpec = field(default_factory=lambda: EncoderSpec("mean", "mean", ("image",), 3))

    def prepare(self, item):
        from mmkit.media import read_image

        return np.asarray(read_image(item), np.float32).mean(axis=(0, 1)) + 1

    def encode(self, batch, modality):
        rows = np.stack(batch) if batch else np.zeros((0, 3), np.float32)
        return Embeddings(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_a_picture_that_is_gone_costs_only_itself(write_rows, tmp_path, monkeypatch, capsys):
    from PIL import Image

    monkeypatch.setattr("mmkit_link.encoding.load", lambda name, chosen: MeanColour())
    monkeypatch.chdir(tmp_path)
    rows = []
    for number, name in enumerate(["red fox", "blue whale", "green frog"]):
        Image.new("RGB", (8, 8), ["red", "blue", "green"][number]).save(tmp_path / f"{number}.png")
        rows.append({"id": f"r{number}", "name": name, "crop": f"{number}.png"})
    rows[1]["crop"] = "gone.png"
    table = write_rows("t.csv", rows)
    out, page = tmp_path / "links.csv", tmp_path / "page.html"
    arguments = ["link", "match", str(table), str(table), "--image-col", "crop", "--threshold", "0.5"]
    assert mmkit([*arguments, "-o", str(out), "--html", str(page)]) == 3
    assert read_table(out).num_rows == 3
    failures = [json.loads(line) for line in (tmp_path / "failures.jsonl").read_text("utf-8").splitlines()]
    assert {failure["id"] for failure in failures} == {"r1"}
    assert "data:image/jpeg;base64," in page.read_text("utf-8")


def test_one_block_of_equal_rows_is_one_group_and_loses_nothing():
    count = 100_000
    records = Records(tuple(map(str, range(count))), {"name": ("the same",) * (count - 1) + ("another",)})
    table = dedupe_records(records).table
    assert table.num_rows == count
    assert table.column("size").to_pylist()[0] == count - 1 and table.column("size").to_pylist()[-1] == 1


def test_records_without_any_value_stay_apart():
    records = Records(("a", "b", "c", "d"), {"name": ("", "", "acme trading", "acme trading")})
    assert dedupe_records(records).table.column("cluster").to_pylist() == [0, 1, 2, 2]


def test_one_record_a_side_is_compared_too():
    one = Records(("a",), {"name": ("acme trading",)})
    assert link_records(one, one).table.num_rows == 1


def test_bad_pair_files_say_what_is_wrong(write_rows, tmp_path, capsys):
    good = {"left_name": "a", "right_name": "b", "label": 1}
    assert "'label'" in fails(
        capsys, 2, "link", "eval", "--pairs", write_rows("a.csv", [{"left_name": "a", "right_name": "b"}])
    )
    line = fails(capsys, 1, "link", "eval", "--pairs", write_rows("b.csv", [{**good, "label": 7}]))
    assert "label 0 or 1" in line and "row 1" in line
    assert "left_NAME" in fails(capsys, 2, "link", "eval", "--pairs", write_rows("c.csv", [{"x": 1, "label": 1}]))
    line = fails(capsys, 1, "link", "train", "--pairs", write_rows("d.csv", [good, good]), "-o", tmp_path / "m")
    assert "one class" in line
    assert "Expected one of --pairs" in fails(capsys, 2, "link", "eval")


def test_truth_must_name_records_that_exist(write_rows, capsys):
    table = write_rows("t.csv", [{"id": "x", "name": "a"}])
    truth = write_rows("truth.csv", [{"left": "x", "right": "nobody"}])
    line = fails(capsys, 1, "link", "eval", "--left", table, "--right", table, "--truth", truth)
    assert "'nobody'" in line and "row 1" in line


def test_a_pair_to_explain_must_exist(write_rows, capsys):
    table = write_rows("t.csv", [{"id": "x", "name": "a"}])
    assert "no id 'z'" in fails(capsys, 2, "link", "explain", table, table, "--pair", "x,z")
    assert "comma" in fails(capsys, 2, "link", "explain", table, table, "--pair", "x")


def test_an_id_of_a_float_column_reads_as_the_integer_it_is():
    import pyarrow as pa

    table = pa.table({"id": [1.0, 2.0], "name": ["a", None]})
    records = as_records(table, {"name": "name"})
    assert records.ids == ("1", "2") and records.columns["name"] == ("a", "")
    with pytest.raises(BadInput, match="no id"):
        as_records(pa.table({"id": [None, "b"], "name": ["a", "b"]}), {"name": "name"})
