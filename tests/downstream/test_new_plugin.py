"""A plugin as ``mmkit plugins new`` writes it, installed and used from start to end in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

import mmkit

HOME = Path(mmkit.__file__).parents[1]
NAME = "colour-tone"


@dataclass(frozen=True)
class Workplace:
    folder: Path
    source: Path

    def run(self, *arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(self.folder / "site"), str(HOME)])
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=cwd or self.folder,
            timeout=240,
            check=False,
        )

    def mmkit(self, *arguments: object) -> str:
        """What a command prints; it must end with 0 and say nothing on stderr that begins with an error."""
        done = self.run("-m", "mmkit", *arguments)
        assert done.returncode == 0, done.stderr + done.stdout
        assert "error" not in done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    from mmkit.cli.entry import run
    from mmkit.plugins import registry

    folder = tmp_path_factory.mktemp("downstream")
    registry.cache_clear()
    assert run(["plugins", "new", NAME, "--in", str(folder)]) == 0
    source, site = folder / f"mmkit-{NAME}", folder / "site"
    # What `pip install` would leave behind.
    metadata = site / "mmkit_colour_tone-0.1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "entry_points.txt").write_text(f"[mmkit]\n{NAME} = mmkit_colour_tone.plugin\n")
    (site / "mmkit_colour_tone").symlink_to(source / "mmkit_colour_tone")
    (folder / "pictures").mkdir()
    for name in ("red", "green", "blue"):
        Image.new("RGB", (40, 30), name).save(folder / "pictures" / f"{name}.png")
    Image.new("RGB", (64, 64), (230, 20, 40)).save(folder / "rose.png")
    yield Workplace(folder, source)


def test_it_declares_what_pip_needs(work: Workplace) -> None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    project = tomllib.loads((work.source / "pyproject.toml").read_text())["project"]
    assert project["name"] == f"mmkit-{NAME}"
    assert project["entry-points"]["mmkit"] == {NAME: "mmkit_colour_tone.plugin"}
    assert project["dependencies"][0] == f"mmkit>={mmkit.__version__}"
    written = [path for path in work.source.rglob("*") if path.is_file() and path.suffix in (".py", ".md", ".toml")]
    assert len(written) == 9
    assert not [path for path in written if "$" in path.read_text("utf-8")]


def test_it_is_clean_in_the_eyes_of_the_linter(work: Workplace) -> None:
    pytest.importorskip("ruff")
    rules = ["--isolated", "--line-length", "120", "--select", "E,F,W,B,UP,C4,SIM,RET,PIE,PTH,PERF,RUF"]
    done = work.run("-m", "ruff", "check", "--no-cache", *rules, "--ignore", "PERF203,PTH123", work.source)
    assert done.returncode == 0, done.stdout


def test_it_keeps_the_contract(work: Workplace) -> None:
    lines = [json.loads(line) for line in work.mmkit("plugins", "check", NAME, "--json").splitlines()]
    assert len(lines) > 10
    assert {line["state"] for line in lines} == {"ok"}


def test_its_command_works(work: Workplace) -> None:
    assert NAME in work.mmkit("--help")
    assert work.mmkit(NAME, "pictures/red.png", "pictures/blue.png", "--count", "1").splitlines() == [
        "pictures/red.png\t#e02020 100%",
        "pictures/blue.png\t#2020e0 100%",
    ]


def test_its_command_goes_on_after_a_picture_that_cannot_be_read(work: Workplace) -> None:
    (work.folder / "broken.png").write_bytes(b"x")
    done = work.run("-m", "mmkit", NAME, "broken.png", "missing.png", "pictures/red.png")
    assert (done.returncode, done.stdout) == (3, "pictures/red.png\t#e02020 100%\n")
    assert "broken.png: is not a picture that can be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_its_encoder_indexes_and_matches(work: Workplace) -> None:
    work.mmkit("index", "add", "tones.mm", "pictures", "--encoder", NAME)
    (line,) = work.mmkit("match", "rose.png", "--in", "tones.mm", "-k", "1", "--json").splitlines()
    assert Path(json.loads(line)["hits"][0]["id"]).name == "red.png"
    words = work.run("-m", "mmkit", "match", "a rose", "--in", "tones.mm")
    assert words.returncode == 2
    assert "needs an encoder of text, and colour-tone encodes image" in words.stderr
    assert len(words.stderr.splitlines()) == 1
    mixed = work.run("-m", "mmkit", "index", "add", "tones.mm", "pictures", "--encoder", "mini")
    assert mixed.returncode == 1
    assert "mini" in mixed.stderr
    assert NAME in mixed.stderr


def test_its_step_works_in_a_recipe(work: Workplace) -> None:
    recipe = work.folder / "tones.toml"
    recipe.write_text(
        f'[recipe]\nname = "tones"\n[[step]]\nid = "read"\nuse = "{NAME}.colours"\n'
        'with = { inputs = "pictures/*.png", count = 1 }\n'
    )
    work.mmkit("run", "tones.toml", "--out", "out")
    (work.folder / "pictures" / "broken.png").write_bytes(b"x")
    partial = work.run("-m", "mmkit", "run", "tones.toml", "--out", "out")
    (work.folder / "pictures" / "broken.png").unlink()
    assert partial.returncode == 3
    assert "broken.png" in partial.stderr + (work.folder / "out" / "run.json").read_text()
    rows = [json.loads(line) for line in (work.folder / "out" / "read.jsonl").read_text().splitlines()]
    assert {Path(row["path"]).name: row["colours"] for row in rows} == {
        "red.png": ["#e02020"],
        "green.png": ["#20a020"],
        "blue.png": ["#2020e0"],
    }


def test_its_own_tests_pass(work: Workplace) -> None:
    done = work.run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=work.source)
    assert done.returncode == 0, done.stdout
    assert "9 passed" in done.stdout
