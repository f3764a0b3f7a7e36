"""How fast a library of 10,000 clips of 10 seconds is indexed and asked, on the CPU.

python plugins/motion/bench/library.py --clips 10000
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import tempfile
import time
from pathlib import Path

import numpy as np
from mmkit_motion.encoder import MotionEncoder
from mmkit_motion.searching import CLIPS, Library, index_motions
from mmkit_motion.training.procedural import ACTIONS, draw_clip

from mmkit.config import settings
from mmkit.store import Store
from mmkit.types import Item

FRAMES = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--library", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=100)
    given = parser.parse_args()
    draw, rng = random.Random(0), np.random.default_rng(0)
    drawn = [draw_clip(action, draw) for action in ACTIONS for _ in range(4)]
    texts = [text for _, own in drawn for text in own][: given.queries]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        items = []
        for number in range(given.clips):
            joints = drawn[number % len(drawn)][0]
            long = np.resize(joints, (FRAMES, 22, 3)) + rng.normal(0, 0.005, (FRAMES, 22, 3))
            np.save(folder / f"{number}.npy", long.astype(np.float32))
            items.append(Item.from_path(folder / f"{number}.npy", "motion"))
        encoder = MotionEncoder("vector", settings())
        encoder.lamp.motion_input(drawn[0][0])
        began = time.perf_counter()
        report = index_motions(folder / "store", encoder, items, moments=False)
        indexed = time.perf_counter() - began
        more = given.library - report.clips
        if more > 0:
            rows = rng.normal(size=(more, 128)).astype(np.float32)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            names = [f"filled-{number}" for number in range(more)]
            keys = [hashlib.sha256(name.encode()).hexdigest() for name in names]
            with Store.open(folder / "store" / CLIPS).writer() as writer:
                writer.add(names, keys, names, rows, "motion", [{"start": 0.0, "end": 10.0}] * more)
        library = Library(folder / "store", encoder)
        began = time.perf_counter()
        library.load()
        loaded = time.perf_counter() - began
        took, busy = [], []
        for text in texts:
            began, worked = time.perf_counter(), time.process_time()
            library.search(text, k=10)
            took.append(time.perf_counter() - began)
            busy.append(time.process_time() - worked)
    milliseconds = np.array(took) * 1e3
    print(
        json.dumps(
            {
                "clips": report.clips,
                "index seconds": round(indexed, 1),
                "clips a second": round(report.clips / indexed, 1),
                "seconds of motion a second": round(report.clips * 10 / indexed, 1),
                "load seconds": round(loaded, 2),
                "library": len(library),
                "queries": len(took),
                "median ms a query": round(float(np.median(milliseconds)), 1),
                "median CPU ms a query": round(float(np.median(busy)) * 1e3, 1),
                "95 % ms a query": round(float(np.percentile(milliseconds, 95)), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
