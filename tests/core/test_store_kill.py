"""SIGKILL: at random moments of a real process, and at every single step that touches the disk.

Run as a script, this file is the process that forks one victim for each step (see ``every_step``).
"""

from __future__ import annotations

import builtins
import importlib.util
import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmkit.store import Store, content_key
from mmkit.types import EncoderSpec

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL and fork")

SPEC = EncoderSpec("toy", "toy-space", ("text",), 4, fingerprint="f" * 64)


def test_random_kills_lose_double_and_repeat_nothing(tmp_path: Path) -> None:
    path = Path(__file__).parents[1] / "bench" / "bench_store.py"
    described = importlib.util.spec_from_file_location("bench_store", path)
    assert described is not None and described.loader is not None
    bench = importlib.util.module_from_spec(described)
    sys.modules["bench_store"] = bench
    described.loader.exec_module(bench)
    found = bench.kill_runs(tmp_path, kills=5, items=5000, shard_rows=128, seed=None)
    assert found["kills"] == 5


@pytest.mark.parametrize("act", ["create", "add", "replace", "remove", "compact", "overwrite"])
def test_a_kill_at_any_step_leaves_the_state_before_or_after(tmp_path: Path, act: str) -> None:
    ran = subprocess.run([sys.executable, __file__, act, str(tmp_path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) >= 6, "too few steps: the calls that touch the disk were not intercepted"


def test_the_lock_dies_with_its_process_even_if_a_forked_child_lives(tmp_path: Path) -> None:
    Store.create(tmp_path / "s", SPEC)
    victim = subprocess.Popen([sys.executable, __file__, "hold", str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None
    child = int(victim.stdout.readline())
    try:
        with pytest.raises(Exception, match=f"another writer .process {victim.pid}"):
            Store.open(tmp_path / "s").remove("x")
        victim.kill()
        victim.wait()
        os.kill(child, 0)  # still alive
        assert Store.open(tmp_path / "s").remove("x") == 0
    finally:
        os.kill(child, signal.SIGKILL)
        victim.stdout.close()


# ---- the script


def key(content: object) -> str:
    return content_key(str(content).encode(), settings="", fingerprint=SPEC.fingerprint)


def add(store: Store, contents: dict[str, str], *, shard_rows: int = 2) -> None:
    vectors = np.full((len(contents), 4), 0.5, dtype=np.float32)
    with store.writer(shard_rows=shard_rows, flush_seconds=None) as writer:
        writer.add(list(contents), [key(c) for c in contents.values()], None, vectors, "text")


def rows_of(store: Store) -> list[tuple[str, str]]:
    return [(row["id"], row["key"]) for row in store.rows(range(len(store)))]


BASE = {name: name for name in "abcdefg"}

ACTS: dict[str, Callable[[Path], Any]] = {
    "create": lambda path: Store.open_or_create(path, SPEC),
    "add": lambda path: add(Store.open(path), {**BASE, **{name: name for name in "uvwxyz"}}),
    "replace": lambda path: add(Store.open(path), {"b": "new b", "c": "new c", "g": "new g"}),
    "remove": lambda path: Store.open(path).remove(["a", "c", "d"]),
    "compact": lambda path: Store.open(path).compact(shard_rows=3),
    "overwrite": lambda path: Store.create(path, SPEC, overwrite=True),
}


def allowed(act: str) -> list[list[tuple[str, str]]]:
    """The rows a killed act may leave: those after any of its finished shards."""
    base = [(name, key(name)) for name in BASE]
    added = [(name, key(name)) for name in "uvwxyz"]
    without = [row for row in base if row[0] not in "bc"]
    replaced = [*without, ("b", key("new b")), ("c", key("new c"))]
    return {
        "create": [[]],
        "add": [base + added[:n] for n in (0, 2, 4, 6)],
        "replace": [base, replaced, [row for row in replaced if row[0] != "g"] + [("g", key("new g"))]],
        "remove": [base, [row for row in base if row[0] not in "acd"]],
        "compact": [base],
        "overwrite": [base, []],
    }[act]


def die_at(step: int) -> None:
    """Makes this process kill itself before or after the step-th call that changes the disk."""
    taken = iter(range(1 << 30))

    def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(taken) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*arguments, **options)
            if next(taken) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for name in ("fsync", "replace", "unlink", "mkdir"):
        setattr(os, name, deadly(getattr(os, name)))
    reading, writing = open, deadly(open)

    def open_(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        return (writing if "w" in mode else reading)(file, mode, *arguments, **options)

    # Just after it is opened for writing a file is empty: it must not yet have its final name.
    builtins.open = io.open = open_


def every_step(act: str, root: Path) -> int:
    """Kills a forked victim at each step of ``act`` in turn; checks, and lets the act run again to its end."""
    origin = root / "origin"
    if act != "create":
        add(Store.create(origin, SPEC), BASE)
    if act == "compact":
        # Twice the base with a half removed, so that there is something to drop.
        add(Store.open(origin), {name: name for name in "123"})
        Store.open(origin).remove(list("123"))
    # A kill loses nothing that was handed to the kernel, so real syncs would only cost time.
    os.fsync = lambda descriptor: None
    step = 0
    while True:
        path = root / f"{step}"
        if origin.exists():
            shutil.copytree(origin, path)
        victim = os.fork()
        if not victim:
            die_at(step)
            ACTS[act](path)
            os._exit(0)
        _, status = os.waitpid(victim, 0)
        assert status in (0, signal.SIGKILL), f"{act}, step {step}: the victim failed with {status}"
        if status or act != "create":
            check(act, path, f"{act}, step {step}")
        if not status:
            return step
        step += 1


def check(act: str, path: Path, where: str) -> None:
    if (path / "manifest.json").exists():
        store = Store.open(path)
        report = store.verify()
        assert report.ok, f"{where}: {report.problems}"
        assert rows_of(store) in allowed(act), f"{where}: {rows_of(store)}"
    else:
        assert act == "create", f"{where}: the store is gone"
    ACTS[act](path)
    with Store.open(path).writer() as writer:
        writer.flush()
    store = Store.open(path)
    report = store.verify()
    assert report.ok and not report.leftovers, f"{where}, run again: {report}"
    assert rows_of(store) == allowed(act)[-1], f"{where}, run again: {rows_of(store)}"


def hold(root: Path) -> None:
    with Store.open(root / "s").writer():
        child = os.fork()
        if child:
            print(child, flush=True)
        signal.pause()


if __name__ == "__main__":
    if sys.argv[1] == "hold":
        hold(Path(sys.argv[2]))
    else:
        print(every_step(sys.argv[1], Path(sys.argv[2])))
