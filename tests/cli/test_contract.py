"""What a shell sees: streams, pipes, signals, limits and encodings. Each runs in a process of its own."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes and signals")


def test_a_reader_that_goes_away_ends_it_quietly_with_code_141(child: Any, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "mmkit", "models", "list"],
        stdout=write,
        stderr=subprocess.PIPE,
        env=child(),
        cwd=tmp_path,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_pipe_into_head_shows_the_first_line_and_no_traceback(child: Any, tmp_path: Path) -> None:
    (tmp_path / "many.txt").write_text("\n".join(f"word {n}" for n in range(400)))
    script = f"{sys.executable} -m mmkit embed many.txt -m text --json | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, env=child(), cwd=tmp_path, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (141, b"")
    assert json.loads(done.stdout)["id"] == "word 0"


def test_a_closed_stdout_is_no_error_and_a_full_one_is(child: Any, tmp_path: Path) -> None:
    def shell(redirection: str) -> subprocess.CompletedProcess[str]:
        script = f"{sys.executable} -m mmkit models path mini {redirection}"
        return subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, env=child(), cwd=tmp_path, check=False
        )

    closed = shell(">&-")
    assert (closed.returncode, closed.stderr) == (0, "")
    if Path("/dev/full").exists():
        full = shell("> /dev/full")
        assert full.returncode == 1
        assert full.stderr.count("\n") == 1
        assert "No space left on device" in full.stderr


def test_ctrl_c_ends_with_code_130_and_leaves_a_store_that_goes_on(cli: Any, child: Any, tmp_path: Path) -> None:
    paths = []
    for number in range(60):
        path = tmp_path / f"{number:02}.png"
        Image.new("RGB", (8, 8), (number * 4, 90, 200)).save(path)
        paths.append(path)
    store = tmp_path / "s.mm"
    command = [sys.executable, "-m", "mmkit", "index", "add", str(store), "-"]
    options = ["--batch", "2", "--workers", "1", "--shard-rows", "4"]
    running = subprocess.Popen(
        [*command, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child(),
        cwd=tmp_path,
        # Where the tests run in a shell's background, interrupts are ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert running.stdin is not None
    # The names end, stdin does not: it waits for more when the signal comes.
    running.stdin.write(b"".join(os.fsencode(path) + b"\n" for path in paths))
    running.stdin.flush()
    until = time.monotonic() + 60
    while time.monotonic() < until and len(list(store.glob("shard-*.arrow"))) < 3:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert (out, err) == (b"", b"mmkit: error: interrupted\n")
    kept = cli("index", "verify", store, "--json").records[0]["rows"]
    assert 8 <= kept < 60
    (report,) = cli("index", "add", store, *paths, "--json").records
    assert (report["rows"], report["added"], report["unchanged"]) == (60, 60 - kept, kept)
    assert cli("index", "verify", store).code == 0


def test_a_disk_that_is_full_is_one_line_and_the_store_is_sound(
    process: Any, cli: Any, child: Any, store: Path, pictures: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (8, 8), "green").save(tmp_path / "new.png")

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))

    # The cache holds small files too, and may fail in silence.
    result = process("index", "add", store, tmp_path / "new.png", preexec_fn=limited)
    assert result.code == 1
    assert "File too large" in result.error
    assert cli("index", "verify", store, "--json").records[0]["rows"] == 6
    assert cli("index", "add", store, tmp_path / "new.png", "--json").records[0]["rows"] == 7


def test_results_that_the_terminal_cannot_show_are_escaped(child: Any, tmp_path: Path) -> None:
    (tmp_path / "na\u00efve.toml").write_text(
        '[recipe]\nname = "caf\u00e9"\n[[step]]\nid = "a"\nuse = "embed"\n', "utf-8"
    )
    for arguments, expected in (
        (["recipes", "list"], "na\\xefve.toml"),
        (["recipes", "list", "--json"], '"name": "caf\\u00e9"'),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "mmkit", *arguments],
            capture_output=True,
            text=True,
            encoding="ascii",
            env=child(PYTHONIOENCODING="ascii"),
            cwd=tmp_path,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert expected in done.stdout


def test_a_model_of_the_hub_without_a_network_is_one_line_within_seconds(process: Any, child: Any) -> None:
    if importlib.util.find_spec("open_clip") is None:
        pytest.skip("open_clip is not here")
    environment = child(
        HF_ENDPOINT="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9"
    )
    environment.pop("HF_HUB_OFFLINE", None)
    started = time.monotonic()
    result = process("embed", "-t", "x", "-e", "openclip:ViT-B-32/laion2b_s34b_b79k", environment=environment)
    assert (result.code, result.out) == (4, "")
    assert "openclip:ViT-B-32/laion2b_s34b_b79k" in result.error
    assert time.monotonic() - started < 60


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("no_color", ["", "1"])
def test_the_bar_is_on_stderr_and_keeps_to_no_color(
    no_color: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mmkit.cli import progress

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "_PATIENCE_S", 0.0)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", no_color)
    with progress.Progress("embedding", total=10) as bar:
        bar.advance(4)
        time.sleep(0.15)
        bar.advance(2)
    shown = terminal.getvalue()
    assert "embedding" in shown
    assert "/s" in shown
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", shown)) is (not no_color)
    assert capsys.readouterr().out == ""


def test_the_bar_shows_before_the_first_item_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmkit.cli import progress

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "_PATIENCE_S", 0.02)
    monkeypatch.setenv("TERM", "xterm-256color")
    with progress.Progress("embedding", total=1):
        time.sleep(0.5)
    assert "embedding" in terminal.getvalue()


def test_there_is_no_bar_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    from mmkit.cli import progress

    monkeypatch.setattr(progress, "_PATIENCE_S", 0.0)
    with progress.Progress("embedding", total=10) as bar:
        bar.advance(5)
    assert capsys.readouterr() == ("", "")
