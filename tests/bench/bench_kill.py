"""Kill -9 at random moments of ``mmkit index add``, then run it again: nothing lost, doubled or done twice.

A store is filled from a file of one-line texts by the command line itself. The process is killed in one of four ways
in turn: during start-up, at a random moment of the work, as soon as a new shard appears, and as soon as the manifest
is being switched. After each kill the store must verify, hold no id twice, and keep each finished shard byte for byte
and untouched. The command is then run again, to be killed again or, once ``--kills-a-store`` are reached, to finish: it
must encode exactly the items that were not in finished shards. Prints JSON. Usage:

    python tests/bench/bench_kill.py [--kills 50] [--items 5000] [--command "python -m mmkit"]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from mmkit.store import Store

WAYS = ("start-up", "any moment", "new shard", "manifest switch")
NOUNS = ("cup", "boat", "tree", "dog", "street", "tower", "river", "bread")
COLOURS = ("red", "blue", "green", "white", "black", "yellow", "brown", "grey", "pink", "golden")


class State(NamedTuple):
    """What is on disk: the ids, and of each finished shard its sha256 and time of change."""

    ids: frozenset[str]
    shards: dict[str, tuple[str, int]]


class Command:
    """``mmkit index add`` of one file of texts into one store."""

    def __init__(self, words: list[str], texts: Path, shard_rows: int) -> None:
        self.words = words
        self.texts = texts
        self.shard_rows = shard_rows

    def start(self, store: Path) -> subprocess.Popen[bytes]:
        options = ["--modality", "text", "--shard-rows", str(self.shard_rows), "--json"]
        return subprocess.Popen(
            [*self.words, "index", "add", str(store), str(self.texts), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def write_texts(path: Path, count: int) -> frozenset[str]:
    """Short texts, all different."""
    texts = [f"a {COLOURS[i % 10]} {NOUNS[i // 10 % 8]} number {i}" for i in range(count)]
    path.write_text("".join(f"{text}\n" for text in texts), "utf-8")
    return frozenset(texts)


def inspect(store: Path, texts: frozenset[str]) -> State:
    """The state of a store, which must be whole."""
    if not (store / "manifest.json").exists():
        assert not list(store.glob("shard-*.arrow")), "shards without a manifest"
        return State(frozenset(), {})
    opened = Store.open(store)
    problems = opened.verify(deep=True).problems
    assert not problems, f"the store does not verify: {problems}"
    ids = opened.ids()
    assert len(ids) == len(set(ids)), "an item is there twice"
    assert set(ids) <= texts, "an item is there that was never added"
    files = [store / name for name in opened.manifest.files]
    return State(
        frozenset(ids),
        {file.name: (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns) for file in files},
    )


def kept(before: State, after: State) -> None:
    """Nothing that was finished is lost or was written again."""
    assert before.ids <= after.ids, f"{len(before.ids - after.ids)} items are lost"
    for name, facts in before.shards.items():
        assert after.shards.get(name) == facts, f"the finished shard {name} was lost or written again"


def wait_for_moment(process: subprocess.Popen[bytes], store: Path, way: str, chance: random.Random) -> None:
    """Returns when the process is to be killed, or has ended."""
    if way == "start-up":
        until = time.monotonic() + chance.uniform(0.05, 4)
        while time.monotonic() < until and process.poll() is None:
            time.sleep(0.002)
        return
    # The other ways begin to count once this run has written something.
    first = _shard_names(store)
    shards = chance.randint(1, 3)
    half_written = chance.random() < 0.5
    while process.poll() is None and len(_shard_names(store) - first) < shards:
        names = _names(store)
        if way == "manifest switch" and "manifest.json.tmp" in names:
            return
        if way == "new shard" and half_written and any(name.endswith(".arrow.tmp") for name in names):
            return
        time.sleep(0.0002)
    if way == "any moment":
        time.sleep(chance.uniform(0, 1.5))


def _names(store: Path) -> set[str]:
    try:
        return {path.name for path in store.iterdir()}
    except FileNotFoundError:
        return set()


def _shard_names(store: Path) -> set[str]:
    return {name for name in _names(store) if name.startswith("shard-") and name.endswith(".arrow")}


def kill(process: subprocess.Popen[bytes]) -> bool:
    """Whether it was still running."""
    running = process.poll() is None
    if running:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return running


def finish(command: Command, store: Path, before: State, texts: frozenset[str]) -> dict[str, Any]:
    """The last run of a store: exactly the missing items are encoded."""
    process = command.start(store)
    out, _ = process.communicate()
    assert process.returncode == 0, f"index add failed with {process.returncode}"
    said = json.loads(out)
    after = inspect(store, texts)
    kept(before, after)
    assert after.ids == texts, f"{len(texts - after.ids)} items are missing"
    assert said["unchanged"] == len(before.ids), f"{said['unchanged']} of {len(before.ids)} were taken as they were"
    assert said["added"] - said["reused"] == len(texts) - len(before.ids), "finished items were encoded again"
    left = sorted(name for name in _names(store) if name.endswith(".tmp"))
    assert not left, f"half-written files were left: {left}"
    return {"encoded": said["added"] - said["reused"], "unchanged": said["unchanged"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--kills-a-store", type=int, default=5)
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--shard-rows", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", default=f"{sys.executable} -m mmkit")
    given = parser.parse_args()
    chance = random.Random(given.seed)
    killed: Counter[str] = Counter()
    interrupted: Counter[str] = Counter()
    finished: list[dict[str, Any]] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        texts = write_texts(work / "texts.txt", given.items)
        command = Command(given.command.split(), work / "texts.txt", given.shard_rows)
        while killed.total() < given.kills:
            store, state = work / f"{len(finished)}.mm", State(frozenset(), {})
            for _ in range(given.kills_a_store):
                way = WAYS[killed.total() % len(WAYS)]
                process = command.start(store)
                wait_for_moment(process, store, way, chance)
                if not kill(process):
                    break  # this run got to its end
                killed[way] += 1
                interrupted.update({"with a half-written file": any(n.endswith(".tmp") for n in _names(store))})
                after = inspect(store, texts)
                kept(state, after)
                unnamed = _shard_names(store) - set(after.shards)
                interrupted.update({"with a shard not yet in the manifest": bool(unnamed)})
                state = after
                print(f"{killed.total()} {way}: {len(state.ids)} rows finished", file=sys.stderr, flush=True)
                if killed.total() == given.kills:
                    break
            finished.append(finish(command, store, state, texts))
    print(
        json.dumps(
            {
                "items": given.items,
                "kills": dict(killed),
                "kills_in_all": killed.total(),
                **interrupted,
                "stores_finished": len(finished),
                "items_taken_as_they_were": sum(f["unchanged"] for f in finished),
                "items_encoded_by_last_runs": sum(f["encoded"] for f in finished),
                "lost": 0,
                "doubled": 0,
                "finished_shards_written_again": 0,
                "seconds": round(time.monotonic() - began),
            }
        )
    )


if __name__ == "__main__":
    main()
