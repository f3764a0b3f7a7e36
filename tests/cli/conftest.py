"""The command line, in this process and in one of its own, and a small store of the sample pictures."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import mmkit

SAMPLES = Path(__file__).parents[2] / "recipes" / "samples"
NAMES = (
    "espresso.jpg",
    "latte.jpg",
    "tabby-cat.jpg",
    "rocket-launch-pad.jpg",
    "guitar-drawing.png",
    "apple-drawing.png",
)


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """The lines of stdout, each of which must be a JSON object."""
        records = [json.loads(line) for line in self.out.splitlines()]
        assert all(isinstance(record, dict) for record in records)
        return records

    @property
    def error(self) -> str:
        """The one line of stderr."""
        (line,) = self.err.splitlines()
        return line


Cli = Callable[..., Result]


def _checked(result: Result) -> Result:
    assert "Traceback" not in result.err, result.err
    assert "unforeseen" not in result.err, result.err
    assert "\x1b" not in result.out + result.err
    return result


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs one command line in this process, in an empty folder; no error may be an unforeseen one."""
    from mmkit.cli.entry import run

    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    # The command line changes it for its children.
    monkeypatch.setenv("MMKIT_NO_PLUGIN", os.environ.get("MMKIT_NO_PLUGIN", ""))

    def call(*arguments: object, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capfd.readouterr()
        code = run([os.fspath(a) if isinstance(a, Path) else str(a) for a in arguments])
        sys.stdout.flush()
        return _checked(Result(code, *capfd.readouterr()))

    return call


@pytest.fixture
def process(tmp_path: Path) -> Cli:
    """Runs one command line in a process of its own, as a shell would."""
    folder = tmp_path / "there"
    folder.mkdir()

    def call(*arguments: object, environment: dict[str, str] | None = None, **options: Any) -> Result:
        command = [sys.executable, "-m", "mmkit", *map(str, arguments)]
        options = {"cwd": folder, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 120, **options}
        done = subprocess.run(command, env=environment or child_environment(), check=False, **options)
        out, err = ((stream or b"").decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
        return _checked(Result(done.returncode, out, err))

    return call


def child_environment(**more: str) -> dict[str, str]:
    """This process's environment, in which a child finds the same mmkit."""
    home = str(Path(mmkit.__file__).parents[1])
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, **more}


@pytest.fixture
def child() -> Callable[..., dict[str, str]]:
    return child_environment


@pytest.fixture(scope="session")
def samples() -> Path:
    return SAMPLES


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six sample pictures."""
    folder = tmp_path_factory.mktemp("photos") / "pictures"
    folder.mkdir()
    for name in NAMES:
        shutil.copy(SAMPLES / "pictures" / name, folder)
    return folder


@pytest.fixture(scope="session")
def built(pictures: Path) -> Path:
    """A store of the six pictures, to be read only."""
    from mmkit.cli.entry import run

    store = pictures.parent / "photos.mm"
    assert run(["index", "add", str(store), str(pictures)]) == 0
    return store


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Path:
    """A copy of that store of the test's own."""
    return Path(shutil.copytree(built, tmp_path / "photos.mm"))


@pytest.fixture(scope="session")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of three texts."""
    from mmkit.cli.entry import run

    folder = tmp_path_factory.mktemp("notes")
    (folder / "notes.txt").write_text("an espresso, please\n\nthe cat sleeps\na guitar solo\n", "utf-8")
    assert run(["index", "add", str(folder / "notes.mm"), str(folder / "notes.txt")]) == 0
    return folder / "notes.mm"
