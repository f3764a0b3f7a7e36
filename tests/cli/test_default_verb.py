"""An app whose default verb takes what begins with no verb."""

from __future__ import annotations

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from mmkit.cli.options import new_app


@pytest.fixture
def app() -> typer.Typer:
    app = new_app("Take sounds apart.", default="mix")

    @app.command()
    def mix(mixture: str, query: Annotated[list[str] | None, typer.Option("-q")] = None) -> None:
        """Take one apart."""
        print("mix", mixture, query or [])

    @app.command()
    def train(data: str) -> None:
        """Train."""
        print("train", data)

    return app


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["a.wav", "-q", "dog"], "mix a.wav ['dog']"),
        (["-q", "dog", "a.wav"], "mix a.wav ['dog']"),
        (["mix", "a.wav"], "mix a.wav []"),
        (["./train", "-q", "dog"], "mix ./train ['dog']"),
        (["-"], "mix - []"),
        (["train", "folder"], "train folder"),
    ],
)
def test_what_begins_with_no_verb_goes_to_the_default(app: typer.Typer, arguments: list[str], printed: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert result.output.strip() == printed


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_that_of_the_default_with_the_verbs_under_it(app: typer.Typer, option: str) -> None:
    printed = CliRunner().invoke(app, [option]).output
    assert printed.startswith("Usage: root [OPTIONS] ") and "\n  -q " in printed
    assert "Verbs (without one: mix):\n  mix    Take one apart.\n  train  Train.\n" in printed


def test_nothing_shows_the_help(app: typer.Typer) -> None:
    assert "Usage:" in CliRunner().invoke(app, []).output


def test_an_error_of_the_default_is_its_own(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["a.wav", "--quarry", "dog"])
    assert result.exit_code == 2 and "--quarry" in result.output
