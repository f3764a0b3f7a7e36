"""``mmkit run`` and ``mmkit recipes``."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

GOOD = """
[recipe]
name = "two-steps"
description = "Index and search"
[params]
pictures = "*.jpg"
[[step]]
id = "store"
use = "index"
with = { inputs = "${params.pictures}" }
[[step]]
id = "hits"
use = "match"
with = { gallery = "${store}", queries = ["a cat"], k = 1, contact_sheet = "hits.png" }
"""
BAD = """[recipe]
name = "bad"
[[step]]
id = "a"
use = "embd"
[[step]]
id = "a"
use = "match"
with = { galery = "${b}" }
"""


@pytest.fixture
def recipe(cli: Any, pictures: Path) -> Path:
    """The recipe, beside one picture."""
    path = Path("two-steps.toml")
    path.write_text(GOOD)
    shutil.copy(pictures / "latte.jpg", "latte.jpg")
    return path


def test_a_recipe_is_planned_run_and_cached(cli: Any, recipe: Path, pictures: Path) -> None:
    arguments = ["run", recipe, "-p", f"pictures={pictures}/*"]
    plan = cli(*arguments, "--dry-run")
    assert (plan.code, plan.err) == (0, "")
    assert plan.out.splitlines()[0] == "two-steps: 2 steps, 2 to run"
    assert not Path("out").exists()
    first = cli(*arguments, "--out", "out", "--json")
    assert first.code == 0
    (record,) = first.records
    assert [(step["id"], step["status"], step["rows"]) for step in record["steps"]] == [
        ("store", "done", 1),
        ("hits", "done", 1),
    ]
    assert json.loads(Path("out/run.json").read_text())
    assert Path("out/hits/hits.png").read_bytes().startswith(b"\x89PNG")
    hits = [json.loads(line) for line in Path("out/hits.jsonl").read_text().splitlines()]
    assert "tabby-cat.jpg" in json.dumps(hits)
    again = cli(*arguments, "--out", "out")
    assert again.code == 0
    assert again.out.count("cached") == 2
    assert again.err.splitlines() == ["mmkit: store: cached", "mmkit: hits: cached"]


def test_every_error_of_a_recipe_is_told_with_its_place(cli: Any) -> None:
    Path("bad.toml").write_text(BAD)
    result = cli("recipes", "check", "bad.toml")
    assert result.code == 2
    lines = result.out.splitlines()
    assert all(re.match(r"bad\.toml:[5-9]:\d+: ", line) for line in lines)
    assert any(re.match(r"bad.toml:5:\d+: unknown step 'embd'; did you mean 'embed'\?$", line) for line in lines)
    assert any(re.match(r"bad.toml:9:\d+: unknown parameter 'galery'", line) for line in lines)
    assert any(re.match(r"bad.toml:7:\d+: the id 'a' is taken", line) for line in lines)
    run = cli("run", "bad.toml")
    assert (run.code, run.out) == (2, "")
    assert [line.removeprefix("mmkit: error: ") for line in run.err.splitlines()] == lines


def test_good_and_bad_recipes_are_checked_together(cli: Any, recipe: Path) -> None:
    Path("note.toml").write_text("not toml")
    Path("binary.toml").write_bytes(b"\x89\xff")
    result = cli("recipes", "check", recipe, "note.toml", "binary.toml", "missing.toml", ".")
    assert result.code == 2
    assert len(result.out.splitlines()) == 5
    assert "two-steps.toml: no errors" in result.out
    assert cli("recipes", "check", recipe).code == 0


def test_recipes_are_listed_and_shown(cli: Any, recipe: Path, samples: Path) -> None:
    (listed,) = cli("recipes", "list", "--json").records
    assert (listed["name"], listed["description"]) == ("two-steps", "Index and search")
    assert "quickstart" in cli("recipes", "list", samples.parent).out
    shown = cli("recipes", "show", recipe)
    assert shown.out.splitlines()[0] == "two-steps: Index and search"
    assert [step["id"] for step in cli("recipes", "show", recipe, "--json").records[0]["steps"]] == ["store", "hits"]
    nowhere = cli("recipes", "list", "nowhere")
    assert (nowhere.code, nowhere.error) == (2, "mmkit: error: nowhere: there is no such folder")


def test_the_recipes_that_ship_have_no_errors(cli: Any, samples: Path) -> None:
    recipes = sorted(samples.parent.glob("*.toml"))
    assert recipes
    assert cli("recipes", "check", *recipes).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["missing.toml"], 2, "missing.toml: no such recipe"),
        (["two-steps.toml", "-p", "x"], 2, "--param: Expected NAME=VALUE, but received 'x'"),
        (["two-steps.toml", "-p", "x=1"], 2, "unknown parameter 'x'; valid: pictures"),
        (["two-steps.toml", "--from", "x"], 2, "--from: no step 'x' in two-steps; valid: hits, store"),
        (["two-steps.toml", "--engine", "x"], 2, "--engine: no engine 'x'; valid: local, ray"),
        (["two-steps.toml", "--out", "two-steps.toml"], 2, "Expected a folder for the outputs"),
        (["two-steps.toml", "--device", "toaster"], 2, "Expected auto, cpu, cuda, cuda:N or mps"),
    ],
)
def test_what_run_refuses(arguments: list[str], code: int, said: str, cli: Any, recipe: Path) -> None:
    result = cli("run", *arguments)
    assert result.code == code
    assert said in result.err


def test_a_run_with_a_bad_picture_finishes_with_code_3(cli: Any, recipe: Path) -> None:
    Path("broken.jpg").write_bytes(b"x")
    result = cli("run", recipe, "--out", "out", "--json")
    assert result.code == 3
    steps = {step["id"]: step for step in result.records[0]["steps"]}
    assert steps["store"]["failures"] == 1
    assert steps["hits"]["status"] == "done"
