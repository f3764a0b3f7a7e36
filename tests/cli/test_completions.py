"""Completion scripts: those in the repository are those that mmkit prints, and bash's does complete."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FILES = {"bash": "mmkit.bash", "zsh": "_mmkit", "fish": "mmkit.fish"}
FOLDER = Path(__file__).parents[2] / "completions"


@pytest.mark.parametrize("shell", FILES)
def test_the_files_are_what_mmkit_prints(shell: str, cli: Any) -> None:
    """To renew one: mmkit completions bash > completions/mmkit.bash"""
    assert cli("completions", shell).out == (FOLDER / FILES[shell]).read_text("utf-8")


@pytest.fixture
def complete(site: Any, tmp_path: Path) -> Any:
    """What bash offers at the end of a line, through the script and the mmkit on its path."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not here")
    binaries = tmp_path / "bin"
    binaries.mkdir()
    program = binaries / "mmkit"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m mmkit "$@"\n')
    program.chmod(0o755)

    def call(line: str) -> list[str]:
        words = line.split(" ")
        script = (
            f"export PATH={shlex.quote(str(binaries))}:$PATH\n"
            f"source {shlex.quote(str(FOLDER / FILES['bash']))}\n"
            f"COMP_WORDS=({' '.join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}\n"
            "$(complete -p mmkit | sed 's/.*-F \\([^ ]*\\).*/\\1/') mmkit\n"
            'printf "%s\\n" "${COMPREPLY[@]}"\n'
        )
        done = subprocess.run(
            [bash, "--norc", "-c", script],
            capture_output=True,
            text=True,
            env=site.environment(),
            cwd=tmp_path,
            check=False,
        )
        assert done.stderr == ""
        return done.stdout.split()

    return call


def test_verbs_and_options_are_completed_those_of_plugins_too(complete: Any, site: Any) -> None:
    specs = "from mmkit.hookspecs import *\nfrom mmkit.hookspecs import hookimpl\napi = 1\n"
    site.add(
        "torn",
        f"{specs}@hookimpl\ndef mmkit_commands():\n    return [CommandEntry('mend', 'site_torn.gone:main', 's')]\n",
    )
    site.add("raises", "raise ValueError")
    assert {"match", "models", "mend"} <= set(complete("mmkit m"))
    assert complete("mmkit me") == ["mend"]
    assert complete("mmkit index e") == ["export"]
    assert complete("mmkit match --one") == ["--one-to-one"]
