"""Files that are whole or not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmkit.errors import BadInput
from mmkit.media import target
from mmkit.media.target import atomic_path


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(RuntimeError), atomic_path(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "before"
    with atomic_path(path) as partial:
        partial.write_text("after")
    assert path.read_text() == "after"
    with pytest.raises(BadInput, match="cannot be written"), atomic_path(tmp_path / "no" / "a.txt") as partial:
        partial.write_text("x")


@pytest.mark.skipif(os.name != "posix", reason="there are no such signals")
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import os, signal, sys\n"
        "from mmkit.media.target import atomic_path\n"
        "with atomic_path(sys.argv[1]) as partial:\n"
        "    partial.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.txt")], check=False)
    (left,) = tmp_path.iterdir()
    kept = [tmp_path / ".b.notes.part.txt", tmp_path / f".c.{os.getpid()}.part.txt", tmp_path / ".hidden"]
    for path in kept:
        path.write_text("mine")
    young = tmp_path / left.name.replace(".a.", ".young.")
    young.write_text("another machine's")
    for path in (left, *kept):
        os.utime(path, (0, 0))
    monkeypatch.setattr(target, "_swept", set())
    with atomic_path(tmp_path / "z.txt") as partial:
        partial.write_text("whole")
    assert sorted(tmp_path.iterdir()) == sorted([*kept, young, tmp_path / "z.txt"])
