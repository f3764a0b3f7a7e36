"""The options that verbs share come from one place, and every verb takes them."""

from __future__ import annotations

import inspect
from dataclasses import fields

import pytest
from mmkit_link.cli.explaining import explain
from mmkit_link.cli.linking import dedupe, match
from mmkit_link.cli.shared import ComparedOptions, RunOptions

from mmkit.cli.entry import run as mmkit
from mmkit.media import read_table


@pytest.mark.parametrize(("verb", "kind"), [(match, RunOptions), (dedupe, RunOptions), (explain, ComparedOptions)])
def test_a_verb_has_the_shared_options_as_parameters(verb, kind):
    parameters = inspect.signature(verb).parameters
    assert {each.name: each.default for each in fields(kind)}.items() <= {
        name: parameter.default for name, parameter in parameters.items()
    }.items()
    assert "options" not in parameters


@pytest.mark.parametrize("verb", ["match", "dedupe"])
def test_shared_options_reach_the_run(verb, write_rows, people, tmp_path, capsys):
    left, right = people(40, 30)
    tables = [write_rows("left.csv", left), write_rows("right.csv", right)][: 2 if verb == "match" else 1]
    out, page = tmp_path / "out.csv", tmp_path / "page.html"
    arguments = ["link", verb, *map(str, tables), "--on", "name,born", "--threshold", "0.5", "-k", "5"]
    assert mmkit([*arguments, "-o", str(out), "--html", str(page)]) == 0
    assert read_table(out).column_names[0] == ("left" if verb == "match" else "id")
    assert "score of 0.5" in capsys.readouterr().err and "<html" in page.read_text("utf-8")
    assert mmkit([*arguments, "-o", str(out)]) == 2
