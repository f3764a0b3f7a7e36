"""The verbs on small synthetic tables, through the command line's own entry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mmkit_link.metrics import adjusted_rand

from mmkit.cli.entry import run as mmkit
from mmkit.media import read_table


def output_of(capsys, *arguments: object) -> dict:
    code = mmkit([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    return json.loads(shown.out)


def pair_rows(left, right, shared):
    """The true pair of every shared record, and its successor's as a wrong one."""
    rows = []
    for number in range(shared):
        for other, label in ((number, 1), ((number + 1) % shared, 0)):
            rows.append(
                {f"left_{name}": left[number][name] for name in ("name", "born", "city")}
                | {f"right_{name}": right[other][name] for name in ("name", "born", "city")}
                | {"label": label}
            )
    return rows


def test_match_links_the_misspelt_half_and_leaves_the_rest(people, write_rows, tmp_path, capsys):
    left, right = people()
    one, other = write_rows("left.csv", left), write_rows("right.jsonl", right)
    out, page = tmp_path / "links.parquet", tmp_path / "report.html"
    assert mmkit(["link", "match", str(one), str(other), "-o", str(out), "--html", str(page)]) == 0
    links = {(row["left"], row["right"]) for row in read_table(out).to_pylist()}
    truth = {(f"a{number}", f"b{number}") for number in range(80)}
    assert len(links & truth) >= 76 and len(links - truth) <= 12
    text = page.read_text("utf-8")
    assert "<svg" in text and "Borderline pairs" in text and "without labels" in text
    assert mmkit(["link", "match", str(one), str(other), "-o", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_train_then_eval_then_match_and_explain(people, write_rows, tmp_path, capsys):
    left, right = people(seed=1)
    train = write_rows("train.csv", pair_rows(left[:50], right[:50], 50))
    test = write_rows("test.csv", pair_rows(left[50:80], right[50:80], 30))
    model = tmp_path / "pairs.model"
    report = output_of(capsys, "link", "train", "--pairs", train, "-o", model, "--json")
    assert report["f1"] > 0.95 and report["pairs"] == 100
    found = output_of(capsys, "link", "eval", "--pairs", test, "--model", model, "--json")
    assert {"precision", "recall", "f1", "average_precision", "threshold"} <= set(found)
    assert found["f1"] > 0.95 and found["controls"]["shuffled_labels_f1"] < 0.8
    tuned = output_of(capsys, "link", "eval", "--pairs", test, "--tune", train, "--json")
    assert tuned["f1"] > 0.9 and tuned["threshold_from"] == "tune"
    one, other = write_rows("left.csv", left), write_rows("right.csv", right)
    page = tmp_path / "why.html"
    common = ["link", "explain", one, other, "--model", model, "--pair", "a3,b3", "--html", page, "--json"]
    why = output_of(capsys, *common)
    assert why["score"] > why["threshold"]
    assert {word["word"] for word in why["words"] if word["in"] == "same"} >= set(str(left[3]["born"]).split("-"))
    assert "<mark" in page.read_text("utf-8")


def test_eval_of_whole_tables_reports_recall_f1_and_ari(people, write_rows, capsys):
    left, right = people(seed=2)
    truth = write_rows("truth.csv", [{"left": f"a{number}", "right": f"b{number}"} for number in range(80)])
    one, other = write_rows("left.csv", left), write_rows("right.csv", right)
    found = output_of(capsys, "link", "eval", "--left", one, "--right", other, "--truth", truth, "--json")
    assert found["candidate_recall"]["@20"] == 1 and found["f1"] > 0.9 and found["ari"] > 0.9


def test_dedupe_finds_the_copies_of_one_table(people, write_rows, tmp_path):
    left, right = people(seed=3)
    rows = [{**row, "id": str(number)} for number, row in enumerate([*left, *right[:80], left[0], left[0]])]
    out = tmp_path / "clusters.csv"
    assert mmkit(["link", "dedupe", str(write_rows("all.csv", rows)), "-o", str(out)]) == 0
    table = read_table(out)
    assert table.num_rows == len(rows)
    truth = [*range(120), *range(80), 0, 0]
    assert adjusted_rand(table.column("cluster").to_pylist(), truth) > 0.9


def test_dedupe_by_vectors_at_a_cosine_that_was_tuned(people, write_rows, tmp_path, capsys):
    left, right = people(seed=4)
    rows = [{**row, "firm": number % 120, "id": str(number)} for number, row in enumerate([*left, *right[:80]])]
    table = write_rows("all.csv", rows)
    out = tmp_path / "clusters.csv"
    tuned = ["--tune", str(table), "--clusters", "firm", "--on", "name,born,city"]
    assert mmkit(["link", "dedupe", str(table), *tuned, "-o", str(out)]) == 0
    found = read_table(out).column("cluster").to_pylist()
    assert adjusted_rand(found, [row["firm"] for row in rows]) > 0.9
    measured = output_of(capsys, "link", "eval", "--table", table, *tuned, "--json")
    assert measured["ari"] > 0.9 and measured["weight"] == 0


def test_both_steps_run_in_a_recipe(people, write_rows, tmp_path):
    from mmkit.recipes import run_recipe

    left, right = people(seed=5)
    write_rows("left.csv", left)
    write_rows("right.csv", right)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        """[recipe]
name = "people"
[[step]]
id = "links"
use = "link.match"
with = { left = "left.csv", right = "right.csv", on = ["name", "born"], report = "report.html" }
[[step]]
id = "groups"
use = "link.dedupe"
with = { table = "left.csv" }
""",
        "utf-8",
    )
    result = run_recipe(recipe, out=tmp_path / "out")
    assert result.exit_code == 0
    assert list(Path(tmp_path / "out").rglob("report.html"))


def test_the_example_in_the_readme_names_only_options_that_exist():
    import re
    import subprocess
    import sys

    text = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    for verb in ("match", "dedupe", "train", "eval", "explain"):
        command = [sys.executable, "-m", "mmkit", "link", verb, "--help"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for line in re.findall(rf"^mmkit link {verb} .*$", text, re.M):
            for option in re.findall(r" (--[a-z-]+)", line.partition("#")[0]):
                assert option in shown, (option, line)


@pytest.mark.parametrize("relation", ["one-to-one", "one-to-many", "many-to-one", "many-to-many"])
def test_equal_records_are_linked_whatever_the_relation(relation):
    from mmkit_link.records import Records
    from mmkit_link.results import link_records

    names = tuple(f"company {word} {number}" for number, word in enumerate(["alpha", "beta", "gamma", "delta"] * 3))
    left = Records(tuple(map(str, range(12))), {"name": names})
    right = Records(tuple(map(str, range(14))), {"name": (*names, names[0], names[0])})
    run = link_records(left, right, relation=relation, threshold=0.99)
    linked = {(row["left"], row["right"]) for row in run.table.to_pylist()}
    assert {(str(number), str(number)) for number in range(12)} <= linked
    assert (("0", "13") in linked) == (relation in ("one-to-many", "many-to-many"))
