"""The store against a plain Arrow file, the cost of opening it, and what SIGKILL leaves of it. Prints JSON.

python tests/bench/bench_store.py --rows 50000 --dim 512 --kills 50
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmkit.store import Store, content_key
from mmkit.types import EncoderSpec

BATCH = 16


def spec(dim: int) -> EncoderSpec:
    return EncoderSpec("bench", "bench-space", ("text",), dim, fingerprint="b" * 64)


def unit_rows(rows: int, dim: int, *, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    vectors = np.random.default_rng(seed).standard_normal((rows, dim), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


# ---- the process that is killed


def add_items(directory: Path, log: Path, *, items: int, shard_rows: int) -> None:
    """Adds ``items`` texts, skipping those that are there; logs each one it embeds, at the moment it does."""
    journal = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    store = Store.open_or_create(directory, spec(16))
    with store.writer(shard_rows=shard_rows) as writer:
        for start in range(0, items, BATCH):
            names = [f"item {i}" for i in range(start, min(start + BATCH, items))]
            keys = [content_key(name.encode(), settings="text", fingerprint="b" * 64) for name in names]
            todo = [(name, key) for name, key in zip(names, keys, strict=True) if not writer.has(key, name)]
            if todo:
                os.write(journal, "".join(f"{name}\n" for name, _ in todo).encode())
                seed = int(todo[0][1][:8], 16)
                writer.add(
                    [n for n, _ in todo], [k for _, k in todo], None, unit_rows(len(todo), 16, seed=seed), "text"
                )


@dataclass
class Seen:
    """What the last look at a store found: it must all be there at the next one."""

    ids: set[str] = field(default_factory=set)
    shards: dict[str, tuple[str, int, int]] = field(default_factory=dict)


def look(directory: Path, before: Seen, embedded: list[str], *, shard_rows: int) -> Seen:
    """Opens and checks the store after a kill. Raises AssertionError on anything lost, doubled or done twice."""
    if not (directory / "manifest.json").exists():
        assert not before.ids, "the store is gone"
        return before
    store = Store.open(directory)
    report = store.verify()
    assert report.ok, report.problems
    ids = store.ids()
    assert len(ids) == len(set(ids)), "an item is there twice"
    assert before.ids <= set(ids), f"lost: {sorted(before.ids - set(ids))[:5]}"
    assert not before.ids & set(embedded), "an item of a finished shard was embedded again"
    assert len(embedded) == len(set(embedded)), "one run embedded an item twice"
    lost = set(embedded) - set(ids)
    assert len(lost) <= shard_rows + BATCH, f"{len(lost)} items lost, more than the shard in flight"
    shards = {}
    for entry in store.manifest.shards:
        stat = (directory / entry.file).stat()
        shards[entry.file] = (entry.sha256, stat.st_ino, stat.st_mtime_ns)
    assert before.shards.items() <= shards.items(), "a finished shard was written again"
    return Seen(set(ids), shards)


def kill_runs(work: Path, *, kills: int, items: int, shard_rows: int, seed: int | None) -> dict[str, int]:
    """Kills the adding process ``kills`` times at random moments, checks each time, then lets it finish.

    A store that gets finished before its kill is checked whole, and the next run begins another one.
    """
    draw = random.Random(seed)
    done, stores, runs, killed_before_store = 0, 1, 0, 0
    seen = Seen()
    longest = 0.0
    while True:
        directory, log = work / f"store-{stores}", work / f"log-{runs}"
        runs += 1
        began = time.monotonic()
        command = [sys.executable, __file__, "--child", str(directory), str(log)]
        child = subprocess.Popen([*command, "--items", str(items), "--shard-rows", str(shard_rows)])
        finished = True
        if done < kills:
            try:
                child.wait(draw.uniform(0.05, longest or 1.5))
            except subprocess.TimeoutExpired:
                child.kill()
                finished = False
        code = child.wait()
        embedded = log.read_text().splitlines() if log.exists() else []
        seen = look(directory, seen, embedded, shard_rows=shard_rows)
        if not finished:
            done += 1
            killed_before_store += not seen.ids
            continue
        assert code == 0, f"the adding process failed with {code}"
        assert seen.ids == {f"item {i}" for i in range(items)}, "the finished store is not complete"
        longest = max(longest, min(2.0, time.monotonic() - began))
        if done >= kills:
            return {"kills": done, "runs": runs, "stores": stores, "killed_before_first_shard": killed_before_store}
        stores, seen = stores + 1, Seen()


# ---- speed


def best(times: int, run: Callable[[int], object]) -> float:
    seconds = []
    for turn in range(times):
        began = time.perf_counter()
        run(turn)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def write_speed(work: Path, *, rows: int, dim: int) -> dict[str, float]:
    """Rows from Python lists and a float32 array to disk: the store, and one Arrow IPC file of the same columns."""
    vectors = unit_rows(rows, dim)
    ids = [f"folder/picture-{i:07d}.jpg" for i in range(rows)]
    keys = [hashlib.sha256(name.encode()).hexdigest() for name in ids]

    def by_store(turn: int, shard_rows: int) -> None:
        with Store.create(work / f"w{shard_rows}-{turn}", spec(dim)).writer(shard_rows=shard_rows) as writer:
            for start in range(0, rows, 256):
                part = slice(start, start + 256)
                writer.add(ids[part], keys[part], ids[part], vectors[part], "image")

    def by_arrow(turn: int, *, sync: bool) -> None:
        flat = pa.array(vectors.astype(np.float16).reshape(-1))
        columns = {
            "id": pa.array(ids),
            "source": pa.array(ids),
            "key": pa.array([bytes.fromhex(key) for key in keys], pa.binary(32)),
            "modality": pa.array(["image"] * rows),
            "vector": pa.FixedSizeListArray.from_arrays(flat, dim),
        }
        table = pa.table(columns)
        with open(work / f"plain-{sync}-{turn}.arrow", "wb") as file:
            with pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table, max_chunksize=1024)
            if sync:
                os.fsync(file.fileno())

    plain = best(3, lambda turn: by_arrow(turn, sync=False))
    synced = best(3, lambda turn: by_arrow(turn, sync=True))
    small = best(3, lambda turn: by_store(turn, 1024))
    large = best(3, lambda turn: by_store(turn, 16384))
    store = Store.open(work / "w1024-0")
    before = store.vectors().vectors
    return {
        "rows": rows,
        "dim": dim,
        "plain_arrow_s": plain,
        "plain_arrow_fsync_s": synced,
        "store_1024_s": small,
        "store_16384_s": large,
        "store_1024_over_plain_fsync": synced / small,
        "store_16384_over_plain_fsync": synced / large,
        "store_1024_rows_per_s": rows / small,
        "rounding_max_abs": float(np.abs(before - vectors).max()),
    }


def open_speed(work: Path, *, shards: int) -> dict[str, float]:
    """Opening a store of many small shards, against mapping each of its shards by pyarrow."""
    rows, path = shards * 100, work / "many"
    keys = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(rows)]
    with Store.create(path, spec(16)).writer(shard_rows=100) as writer:
        vectors = unit_rows(rows, 16)
        for start in range(0, rows, 1000):
            part = slice(start, start + 1000)
            writer.add([f"row {i}" for i in range(start, start + 1000)], keys[part], None, vectors[part], "text")

    def by_arrow(_: int) -> None:
        for name in sorted(path.glob("*.arrow")):
            with pa.memory_map(str(name)) as source:
                pa.ipc.open_file(source).get_batch(0)

    def first_has(_: int) -> None:
        with Store.open(path).writer() as writer:
            writer.has(keys[0])

    opened = statistics.median(best(1, lambda _: Store.open(path)) for _ in range(9))
    mapped = best(3, by_arrow)
    return {
        "shards": shards,
        "rows": rows,
        "open_ms": opened * 1e3,
        "map_every_shard_ms": mapped * 1e3,
        "open_over_map_every_shard": mapped / opened,
        "first_has_ms": best(3, first_has) * 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--shard-rows", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", nargs=2, metavar=("STORE", "LOG"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        directory, log = map(Path, given.child)
        add_items(directory, log, items=given.items, shard_rows=given.shard_rows)
        return
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        found["write"] = write_speed(work, rows=given.rows, dim=given.dim)
        found["open"] = open_speed(work, shards=given.shards)
        found["kill"] = kill_runs(
            work, kills=given.kills, items=given.items, shard_rows=given.shard_rows, seed=given.seed
        )
    found["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
