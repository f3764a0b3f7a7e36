"""``mmkit match``: queries of every kind, what is shown, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


def names(record: dict[str, Any]) -> list[str]:
    return [Path(hit["id"]).name for hit in record["hits"]]


def test_words_find_pictures(cli: Any, built: Path) -> None:
    result = cli("match", "a cup of coffee", "--in", built, "-k", 2)
    assert (result.code, result.err) == (0, "")
    lines = [line.split("  ") for line in result.out.splitlines()]
    assert {Path(path).name for _, path in lines} == {"espresso.jpg", "latte.jpg"}
    assert float(lines[0][0]) >= float(lines[1][0])


def test_a_picture_finds_itself_first_and_json_tells_all(cli: Any, built: Path, pictures: Path) -> None:
    (record,) = cli("match", pictures / "espresso.jpg", "--in", built, "--json", "-k", 3).records
    assert record["query"] == str(pictures / "espresso.jpg")
    assert [hit["rank"] for hit in record["hits"]] == [1, 2, 3]
    assert record["hits"][0]["source"] == str(pictures / "espresso.jpg")
    assert record["hits"][0]["score"] == pytest.approx(1, abs=2e-3)
    assert record["hits"][0].keys() == {"rank", "score", "id", "source", "modality", "metadata"}


def test_several_queries_are_answered_in_their_order(cli: Any, built: Path, tmp_path: Path) -> None:
    file = tmp_path / "queries.txt"
    file.write_text("a cat\n\na guitar\n", "utf-8")
    argued = cli("match", "a cat", "a guitar", "--in", built, "-k", 1, "--json").records
    assert [record["query"] for record in argued] == ["a cat", "a guitar"]
    assert [names(record) for record in argued] == [["tabby-cat.jpg"], ["guitar-drawing.png"]]
    assert cli("match", "--queries", file, "--in", built, "-k", 1, "--json").records == argued
    assert cli("match", "-", "--in", built, "-k", 1, "--json", stdin=b"a cat\r\na guitar").records == argued
    text = cli("match", "a cat", "a guitar", "--in", built, "-k", 1).out
    assert text.splitlines()[0] == "a cat:"


def test_the_same_query_twice_is_answered_twice(cli: Any, built: Path) -> None:
    records = cli("match", "a cat", "a cat", "--in", built, "-k", 2, "--json").records
    assert len(records) == 2
    assert records[0] == records[1]


def test_a_threshold_leaves_out_hits(cli: Any, built: Path) -> None:
    (all_of_them,) = cli("match", "a rocket", "--in", built, "--json").records
    scores = [hit["score"] for hit in all_of_them["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 6
    (some,) = cli("match", "a rocket", "--in", built, "--threshold", scores[1], "--json").records
    assert [hit["score"] for hit in some["hits"]] == scores[:2]
    (none,) = cli("match", "a rocket", "--in", built, "--threshold", 1.5, "--json").records
    assert none["hits"] == []


def test_one_store_is_matched_with_another(cli: Any, built: Path, notes: Path) -> None:
    records = cli("match", notes, "--in", built, "-k", 1, "--json").records
    assert [record["query"] for record in records] == ["an espresso, please", "the cat sleeps", "a guitar solo"]
    assert [names(r)[0] for r in records][1:] == ["tabby-cat.jpg", "guitar-drawing.png"]


def test_one_to_one_uses_every_row_at_most_once(cli: Any, built: Path, notes: Path) -> None:
    twice = cli("match", "a guitar", "an acoustic guitar", "--in", built, "--one-to-one", "--json").records
    assert len({names(record)[0] for record in twice}) == 2
    records = cli("match", notes, "--in", built, "--one-to-one", "--json").records
    assert all(len(record["hits"]) == 1 for record in records)
    more_than_rows = cli("match", built, "--in", notes, "--one-to-one", "--json").records
    assert sum(len(record["hits"]) for record in more_than_rows) == 3
    strict = cli("match", notes, "--in", built, "--one-to-one", "--threshold", 0.99, "--json").records
    assert all(record["hits"] == [] for record in strict)


def test_a_folder_is_searched_without_a_store(cli: Any, built: Path, pictures: Path) -> None:
    (record,) = cli("match", "a guitar", "--in", pictures, "-k", 1, "--json").records
    assert names(record) == ["guitar-drawing.png"]
    assert list(Path().iterdir()) == []


def test_a_contact_sheet_is_a_picture_and_is_not_overwritten(
    cli: Any, built: Path, pictures: Path, notes: Path
) -> None:
    assert (
        cli("match", pictures / "latte.jpg", "a cat", "--in", built, "-k", 3, "--contact-sheet", "hits.png").code == 0
    )
    with Image.open("hits.png") as sheet:
        sheet.load()
        assert sheet.format == "PNG"
        assert min(sheet.size) > 200
        assert len(set(sheet.convert("L").resize((32, 32)).tobytes())) > 20
    refused = cli("match", "a cat", "--in", built, "--contact-sheet", "hits.png")
    assert refused.code == 2
    assert refused.error == "mmkit: error: hits.png: is there already; give --overwrite to replace it"
    assert cli("match", "a cat", "--in", built, "--contact-sheet", "hits.png", "--overwrite").code == 0
    # Rows of texts, and queries that come from a store, are written out.
    assert cli("match", notes, "--in", notes, "--contact-sheet", "texts.png", "-k", 2).code == 0
    assert cli("match", built, "--in", built, "--contact-sheet", "store.png", "-k", 2).code == 0


def test_hits_whose_files_are_gone_do_not_spoil_the_sheet(cli: Any, pictures: Path) -> None:
    shutil.copy(pictures / "latte.jpg", "gone.jpg")
    assert cli("index", "add", "gone.mm", "gone.jpg").code == 0
    Path("gone.jpg").unlink()
    result = cli("match", "coffee", "--in", "gone.mm", "--contact-sheet", "hits.png")
    assert (result.code, result.err) == (0, "")


def test_a_query_that_cannot_be_read_stops_no_other(cli: Any, built: Path) -> None:
    Path("broken.jpg").write_bytes(b"\xff\xd8\xff")
    result = cli("match", "broken.jpg", "a cat", "--in", built, "-k", 1, "--json")
    assert result.code == 3
    assert [record["query"] for record in result.records] == ["a cat"]
    (failure,) = [json.loads(line) for line in Path("failures.jsonl").read_text().splitlines()]
    assert failure["id"] == "broken.jpg"
    assert cli("match", "broken.jpg", "a cat", "--in", built, "--strict").code == 1


def test_queries_that_are_not_utf8(cli: Any, built: Path, pictures: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    shutil.copy(pictures / "latte.jpg", name)
    result = cli("match", "-", "--in", built, "-k", 1, "--json", stdin=b"caf\xe9.jpg\nna\xefve\na cat\n")
    assert result.code == 3
    assert [record["query"] for record in result.records] == ["caf\\xe9.jpg", "a cat"]
    assert names(result.records[0]) == ["latte.jpg"]
    assert "na\\xefve" in result.err


def test_more_hits_than_rows_are_all_the_rows(cli: Any, built: Path) -> None:
    (record,) = cli("match", "a cat", "--in", built, "-k", 10**20, "--json").records
    assert len(record["hits"]) == 6


def test_a_long_sentence_is_a_text_and_not_a_file_name(cli: Any, built: Path) -> None:
    assert cli("match", "a cat that sleeps " * 300, "--in", built, "-k", 1).code == 0
    assert cli("match", "a\0b", "--in", built, "-k", 1).code == 0


def test_a_file_name_that_is_mistyped_is_told(cli: Any, built: Path) -> None:
    result = cli("match", "expresso.jpg", "--in", built, "-k", 1)
    assert result.code == 0
    assert result.error == "mmkit: no file is called expresso.jpg, so it is taken for a text"
    assert cli("match", "expresso.jpg", "--in", built, "-k", 1, "--modality", "text").err == ""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["a cat"], 2, "--in: match needs a gallery"),
        (["--in", "STORE"], 2, "match needs a query"),
        (["a cat", "--in", "nowhere.mm"], 2, "nowhere.mm: there is no such store, folder or file"),
        (["a cat", "--in", "STORE", "--device", "toaster"], 2, "--device: Expected auto, cpu, cuda, cuda:N or mps"),
        (["a cat", "--in", "STORE", "--device", "cuda:99"], 2, "--device: cuda:99 is not here"),
        (["a cat", "--in", "STORE", "--dtype", "int8"], 2, "--dtype: Expected auto, float32"),
        (["a cat", "--in", "STORE", "--modality", "smell"], 2, "--modality: Expected one of image, text"),
        (["a cat", "--in", "STORE", "--threshold", "nan"], 2, "--threshold: Expected a number"),
        (["a cat", "--in", "STORE", "--scorer", "cosin"], 2, "no scorer is named 'cosin'"),
        (["a cat", "--in", "STORE", "--index", "magic"], 2, "Expected the index exact or faiss:FACTORY"),
        (["a cat", "--in", "STORE", "--encoder", "minni"], 4, "no encoder is called 'minni'; did you mean mini?"),
        (["a cat", "--in", "STORE", "--encoder", "openclip:a/b"], 1, "made with mini, and --encoder says openclip:a/b"),
        (["a cat", "--in", "STORE", "--queries", "none.txt"], 1, "none.txt: no such file"),
        (["a cat", "--in", "STORE", "--contact-sheet", "a.xyz"], 2, "no picture format has the suffix '.xyz'"),
        (["a cat", "--in", "STORE", "--contact-sheet", "no/a.png"], 1, "no/a.png: cannot be written"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_code(
    arguments: list[str], code: int, said: str, cli: Any, built: Path
) -> None:
    result = cli("match", *(str(built) if argument == "STORE" else argument for argument in arguments))
    assert result.code == code
    assert said in result.error


def test_an_empty_store_answers_with_nothing(cli: Any) -> None:
    Path("empty").mkdir()
    assert cli("index", "add", "empty.mm", "empty").code == 0
    assert cli("match", "a cat", "--in", "empty.mm", "--json").records == [{"query": "a cat", "hits": []}]
    assert cli("match", "empty.mm", "--in", "empty.mm").out == ""


def test_a_store_of_other_weights_is_refused_naming_both(cli: Any, store: Path, built: Path) -> None:
    (facts,) = cli("index", "info", store, "--json").records
    mine, other = facts["fingerprint"], "f" * 64
    manifest = store / "manifest.json"
    manifest.write_text(manifest.read_text().replace(mine, other))
    for arguments in (
        ["match", "a cat", "--in", store],
        ["match", built, "--in", store],
        ["match", built, "--in", store, "--one-to-one"],
        ["index", "add", store, __file__],
    ):
        refused = cli(*arguments)
        assert refused.code == 1
        assert mine[:12] in refused.error
        assert other[:12] in refused.error
