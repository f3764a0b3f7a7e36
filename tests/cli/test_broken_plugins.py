"""Broken plugins seen from the shell: one line each, whatever is asked, and everything else works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SPECS = "from mmkit.hookspecs import *\nfrom mmkit.hookspecs import hookimpl\napi = 1\n"


def offers(name: str, target: str) -> str:
    return f"{SPECS}@hookimpl\ndef mmkit_commands():\n    return [CommandEntry({name!r}, {target!r}, 'a command')]\n"


@pytest.fixture
def crowd(site: Any) -> dict[str, str]:
    """Five plugins that are broken in five ways, and one that works; what the warning of each says."""
    site.add("raises", "raise ValueError('no wings')")
    site.add("exits", "import sys\nsys.exit(0)")
    site.add("clash", offers("match", "a:b"))
    site.add("future", "api = 99")
    site.add("good", offers("fly", "site_good.cli:main"), files={"cli.py": "def main():\n    print('flying')\n"})
    site.add("good", "api = 1", distribution="good-again")
    return {
        "clash": "the command 'match' is already taken by core",
        "exits": "SystemExit: 0",
        "future": "it speaks api 99, and this mmkit speaks api 1",
        "good": "another plugin of this name is loaded",
        "raises": "ValueError: no wings",
    }


def warnings(crowd: dict[str, str]) -> list[str]:
    return [f"mmkit: warning: plugin {name} skipped: {reason}" for name, reason in crowd.items()]


@pytest.mark.parametrize("arguments", [["--help"], ["fly"], ["match", "--help"], ["models", "path", "mini"], ["-h"]])
def test_each_gets_one_line_and_everything_else_works(arguments: list[str], cli: Any, crowd: dict[str, str]) -> None:
    result = cli(*arguments)
    assert result.code == 0
    assert result.out
    assert result.err.splitlines() == warnings(crowd)


def test_they_are_shown_where_plugins_are_the_subject_and_nowhere_twice(cli: Any, crowd: dict[str, str]) -> None:
    for verb in (["plugins", "list", "--json"], ["doctor", "--json"]):
        result = cli(*verb)
        assert result.err == ""
        shown = json.dumps(result.records)
        assert all(reason in shown for reason in crowd.values())
    assert cli("doctor").code == 1


def test_a_plugin_is_left_out_wherever_the_option_stands(process: Any, site: Any, crowd: dict[str, str]) -> None:
    environment = site.environment()
    kept = [line for line in warnings(crowd) if "plugin raises " not in line and "plugin good " not in line]
    for arguments in (
        ["--no-plugin", "raises", "--no-plugin=good", "models", "path", "mini"],
        ["models", "--no-plugin", "raises", "path", "--no-plugin", "good", "mini"],
        ["models", "path", "mini", "--no-plugin=raises,good"],
    ):
        result = process(*arguments, environment=environment)
        assert result.code == 0
        assert result.err.splitlines() == kept
    gone = process("fly", "--no-plugin", "good", environment=environment)
    assert gone.code == 2
    assert "No such command 'fly'" in gone.err


def test_only_the_plugins_named_in_the_variable_are_loaded(process: Any, site: Any, crowd: dict[str, str]) -> None:
    result = process("fly", environment=site.environment(MMKIT_PLUGINS="good"))
    assert (result.code, result.out) == (0, "flying\n")
    assert result.err.splitlines() == warnings({"good": crowd["good"]})
    alone = process("plugins", "list", "--json", environment=site.environment(MMKIT_PLUGINS="none"))
    ours = [record for record in alone.records if record["module"].startswith(("mmkit.", "site_"))]
    assert [record["status"] for record in ours] == ["active", *["disabled"] * 6]
    assert {record["status"] for record in alone.records if record["name"] != "core"} == {"disabled"}


@pytest.mark.parametrize(
    ("target", "body", "said"),
    [
        ("site_torn.nothing:main", "", "No module named 'site_torn.nothing'"),
        ("site_torn.cli:main", "raise SystemExit(0)", "SystemExit: 0"),
        ("site_torn.cli:main", "1 / 0", "ZeroDivisionError: division by zero"),
        ("site_torn.cli:main", "main = 5", "the command torn names a int"),
    ],
)
def test_a_command_whose_code_is_not_there_is_one_line(target: str, body: str, said: str, cli: Any, site: Any) -> None:
    site.add("torn", offers("torn", target), files={"cli.py": body})
    for arguments in (["torn"], ["torn", "--help"]):
        result = cli(*arguments)
        assert (result.code, result.out) == (1, "")
        assert said in result.error
    assert "torn" in cli("--help").out


def test_a_command_may_return_raise_and_exit_as_functions_do(cli: Any, site: Any) -> None:
    body = (
        "from mmkit.errors import BadInput\n"
        "def main(how: str) -> int:\n"
        "    if how == 'exit': raise SystemExit(7)\n"
        "    if how == 'say': raise SystemExit('a last word')\n"
        "    if how == 'bad': raise BadInput('is torn', where='a.png')\n"
        "    if how == 'file': open('/no/such/file')\n"
        "    return 3\n"
    )
    site.add("acts", offers("acts", "site_acts.cli:main"), files={"cli.py": body})
    found = {how: cli("acts", how) for how in ("return", "exit", "say", "bad", "file")}
    assert {how: result.code for how, result in found.items()} == {
        "return": 3,
        "exit": 7,
        "say": 1,
        "bad": 1,
        "file": 1,
    }
    assert found["say"].error == "mmkit: error: a last word"
    assert found["bad"].error == "mmkit: error: a.png: is torn"
    assert found["file"].error == "mmkit: error: /no/such/file: No such file or directory"


def test_what_nobody_foresaw_is_one_line_and_a_traceback_on_request(process: Any, site: Any) -> None:
    site.add("odd", offers("odd", "site_odd.cli:main"), files={"cli.py": "def main():\n    {}['wings']\n"})
    command = [sys.executable, "-m", "mmkit", "odd"]
    options = {"capture_output": True, "text": True, "env": site.environment(), "cwd": site.path, "check": False}
    plain = subprocess.run(command, **options)
    assert plain.returncode == 1
    assert plain.stderr == ("mmkit: error: unforeseen KeyError: 'wings'; run it again with --debug for the traceback\n")
    debug = subprocess.run([*command, "--debug"], **options)
    assert debug.returncode == 1
    assert "Traceback (most recent call last)" in debug.stderr
    assert "cli.py" in debug.stderr


def test_a_wrong_command_line_has_no_traceback_even_on_request(cli: Any) -> None:
    assert cli("--debug").code == 2
    assert cli("match", "--wrong", "--debug").code == 2


def test_a_traceback_changes_no_exit_code(cli: Any) -> None:
    from mmkit.cli.entry import run

    assert run(["models", "info", "nope", "--debug"]) == 4
    assert run(["recipes", "show", "nope", "--debug"]) == 2


def test_nothing_heavy_is_imported_before_it_is_needed(site: Any) -> None:
    script = (
        "import sys\n"
        "from mmkit.cli.entry import run\n"
        "import mmkit\n"
        "assert run(['--help']) == 0\n"
        "assert run(['match', '--help']) == 0\n"
        "assert run(['plugins', 'list']) == 0\n"
        "assert run(['models', 'path', 'mini']) == 0\n"
        "heavy = {'torch', 'numpy', 'pyarrow', 'PIL', 'scipy', 'site_good.cli'}\n"
        "print('heavy:', *sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    site.add("good", offers("fly", "site_good.cli:main"), files={"cli.py": "import torch\n"})
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=site.environment(),
        cwd=Path(site.path),
        check=False,
    )
    assert done.stderr == "heavy:\n"
    assert done.returncode == 0
