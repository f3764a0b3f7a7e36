"""``models``, ``plugins``, ``doctor``, and the help of every verb."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from mmkit import __version__
from mmkit.plugins import load_target, registry


def spoken(verb: tuple[str, ...]) -> list[tuple[str, ...]]:
    """How a verb may be written: a group's default goes without its own name."""
    command = typer.main.get_command(load_target(registry().commands[verb[0]].target))
    return [verb, verb[:-1]] if getattr(command, "default_verb", "") == verb[-1] else [verb]


def verbs() -> Iterator[tuple[str, ...]]:
    """Every command of the core that takes arguments of its own."""
    for name, entry in registry().commands.items():
        command = typer.main.get_command(load_target(entry.target))
        inner = getattr(command, "commands", None)
        yield from ((name, child) for child in inner) if inner else [(name,)]


def test_the_help_of_every_verb_has_an_example(cli: Any) -> None:
    found = list(verbs())
    assert len(found) > 20
    for verb in found:
        result = cli(*verb, "--help")
        assert (result.code, result.err) == (0, ""), verb
        shown = result.out.partition("Example")[2]
        assert any(f"mmkit {' '.join(name)}" in shown for name in spoken(verb)), verb
        assert cli(*verb, "-h").out == result.out


def test_groups_and_the_root_explain_themselves(cli: Any) -> None:
    root = cli("--help")
    assert root.code == 0
    for name, entry in registry().commands.items():
        assert name in root.out
        assert entry.summary in root.out
        assert cli(name, "--help").code == 0
    bare = cli()
    assert bare.code == 2
    assert bare.out.rstrip() == root.out.rstrip()
    assert cli("--version").out == f"mmkit {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["indx"], "No such command 'indx'. Did you mean 'index'?"),
        (["index", "ad"], "No such command 'ad'"),
        (["match", "--thresh", "1"], "No such option: --thresh"),
        (["match", "x", "-k", "0"], "Invalid value for '-k'"),
        (["match", "x", "-k", "many"], "Invalid value for '-k'"),
        (["index", "add", "a.mm"], "Missing argument 'INPUTS...'"),
        (["eval", "zero-shot"], "Missing option '--root'"),
        (["completions", "tcsh"], "Expected bash, zsh, fish, but received 'tcsh'"),
        (["--no-plugin"], "--no-plugin needs the name of a plugin"),
    ],
)
def test_a_wrong_command_line_ends_with_code_2_and_says_how_to_mend_it(
    arguments: list[str], said: str, cli: Any
) -> None:
    result = cli(*arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_models_are_listed_with_their_families(cli: Any) -> None:
    records = cli("models", "list", "--json").records
    assert records[0]["name"] == "mini"
    assert {"openclip:…", "st:…"} <= {record["name"] for record in records}
    assert "mini" in cli("models", "list").out
    (card,) = cli("models", "info", "mini", "--json").records
    assert card["task"] == "encoder"
    assert card["files"]
    assert "licence" in cli("models", "info", "mini").out
    where = Path(cli("models", "path", "mini").out.strip())
    assert {file.name for file in where.iterdir()} >= card["files"].keys()


def test_models_are_verified(cli: Any) -> None:
    records = cli("models", "verify", "--json").records
    assert {"name": "mini", "problems": []} in records
    assert not any(record["problems"] for record in records)
    assert cli("models", "verify", "mini").out == "mini: weights match its card\n"


@pytest.mark.parametrize("verb", ["info", "verify", "path", "pull"])
def test_a_model_that_is_not_known_ends_with_code_4(verb: str, cli: Any) -> None:
    result = cli("models", verb, "nope")
    assert (result.code, result.out) == (4, "")
    assert "'nope'" in result.error


@pytest.mark.parametrize("verb", ["path", "pull"])
def test_a_hub_that_is_switched_off_ends_with_code_4(verb: str, cli: Any) -> None:
    result = cli("models", verb, "hf:some/model", "--offline")
    assert result.code == 4
    assert result.error.startswith("mmkit: error: hf:some/model: not in the local cache")


SPECS = "from mmkit.hookspecs import *\nfrom mmkit.hookspecs import hookimpl\napi = 1\n"


def test_a_model_without_its_card_is_shown_and_hides_no_other(cli: Any, site: Any) -> None:
    site.add(
        "ghost",
        f"{SPECS}@hookimpl\ndef mmkit_models():\n    return [ModelEntry('ghost', 'ocr', 'site_ghost:no/card.toml')]",
    )
    listed = cli("models", "list")
    assert "mini" in listed.out
    assert "ghost" in listed.error
    verified = cli("models", "verify", "--json")
    assert verified.code == 1
    assert [(r["name"], bool(r["problems"])) for r in verified.records] == [("mini", False), ("ghost", True)]
    doctor = cli("doctor", "--json")
    assert doctor.code == 1
    assert [r["what"] for r in doctor.records if r["state"] == "broken"] == ["model ghost"]
    assert cli("models", "info", "ghost").code == 1


def test_doctor_finds_nothing_broken_here(cli: Any) -> None:
    result = cli("doctor", "--json")
    assert (result.code, result.err) == (0, "")
    states = {record["what"]: record["state"] for record in result.records}
    assert "broken" not in states.values()
    assert states["plugin core"] == states["model mini"] == states["torch"] == "ok"
    assert len(cli("doctor").out.splitlines()) == len(result.records)


def test_doctor_tells_settings_that_are_wrong(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMKIT_DTYPE", "int8")
    result = cli("doctor", "--json")
    assert result.code == 1
    assert [r["what"] for r in result.records if r["state"] == "broken"] == ["settings"]


def test_a_cache_that_cannot_be_written_stops_nothing(
    cli: Any, monkeypatch: pytest.MonkeyPatch, pictures: Path
) -> None:
    Path("file").write_text("")
    monkeypatch.setenv("MMKIT_CACHE_DIR", str(Path("file").absolute() / "cache"))
    shutil.copy(pictures / "latte.jpg", "a.jpg")
    assert cli("index", "add", "a.mm", "a.jpg").code == 0
    assert cli("match", "coffee", "--in", "a.mm").code == 0
    assert cli("doctor").code == 0


def test_plugins_are_listed_and_described(cli: Any, site: Any) -> None:
    site.add("good", f"{SPECS}@hookimpl\ndef mmkit_commands():\n    return [CommandEntry('fly', 'a:b', 's')]")
    site.add("bad", "raise ValueError('no wings')")
    records = {record["name"]: record for record in cli("plugins", "list", "--json").records}
    assert [record["status"] for record in records.values()] == ["active", "skipped", "active"]
    assert records["bad"]["reason"] == "ValueError: no wings"
    assert records["good"]["provides"] == {"commands": ["fly"]}
    table = cli("plugins", "list").out
    assert "bad     0.1.0    skipped  ValueError: no wings" in table
    assert "no wings" in cli("plugins", "info", "bad").out
    assert cli("plugins", "info", "good", "--json").records == [records["good"]]
    unknown = cli("plugins", "info", "ugly")
    assert (unknown.code, unknown.error) == (
        1,
        "mmkit: error: no plugin is called 'ugly'; installed: core, bad, good",
    )
    checked = cli("plugins", "check", "bad", "--json")
    assert checked.code == 1
    assert checked.records == [{"check": "loads", "state": "failed", "detail": "ValueError: no wings"}]


@pytest.mark.parametrize("name", ["Bad", "1st", "a_b", "a--b", "-a", "a/b", "", "match", "mini", "core", "installed"])
def test_a_plugin_is_not_started_under_a_name_that_cannot_work(name: str, cli: Any, site: Any) -> None:
    site.add("installed", "api = 1")
    result = cli("plugins", "new", "--", name)
    assert (result.code, result.out) == (2, "")
    assert list(Path().iterdir()) == []


def test_a_plugin_that_is_there_is_not_overwritten(cli: Any) -> None:
    made = cli("plugins", "new", "blur")
    assert (made.code, made.out) == (0, "mmkit-blur\n")
    kept = Path("mmkit-blur/README.md")
    kept.write_text("mine")
    again = cli("plugins", "new", "blur")
    assert again.code == 2
    assert again.error == "mmkit: error: mmkit-blur: is there already; give --overwrite, or another name"
    assert kept.read_text() == "mine"
    assert cli("plugins", "new", "blur", "--overwrite").code == 0
    assert kept.read_text() != "mine"
