"""Exact search against faiss IndexFlatIP in the same process, with the same number of threads; prints JSON.

    python tests/bench/bench_match.py [--rows 500000 --dim 512 --queries 256 --k 10 --threads 2 --runs 5]

``match`` is one call on a plain float32 array: it pays for checking and converting the gallery every time.
``index`` is ``ExactIndex.search`` on a gallery prepared once, as faiss's ``search`` follows its ``add``; both
preparations are timed beside it. Runs alternate, so that a busy machine slows every contender alike; processor time
is given beside wall time because it is less disturbed by neighbours.
``wrong`` counts hits whose id differs from float64 brute force although the scores are not equal as float32.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 500_000), ("dim", 512), ("queries", 256), ("k", 10), ("threads", 2), ("runs", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(options.threads)

    import faiss
    import numpy as np
    import torch

    from mmkit.match import ExactIndex, match

    torch.set_num_threads(options.threads)
    faiss.omp_set_num_threads(options.threads)
    draw = np.random.default_rng(0)
    gallery = _unit(draw.standard_normal((options.rows, options.dim), dtype=np.float32))
    queries = _unit(draw.standard_normal((options.queries, options.dim), dtype=np.float32))

    flat: Any = faiss.IndexFlatIP(options.dim)
    faiss_add = _seconds(lambda: flat.add(gallery))
    started = time.perf_counter()
    index = ExactIndex(gallery)
    index_prepare = time.perf_counter() - started

    contenders: dict[str, Callable[[], Any]] = {
        "faiss": lambda: flat.search(queries, options.k),
        "match": lambda: match(queries, gallery, options.k),
        "index": lambda: index.search(queries, options.k),
    }
    for run in contenders.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    busy: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(options.runs):
        for name, run in contenders.items():
            before = time.process_time()
            times[name].append(_seconds(run))
            busy[name].append(time.process_time() - before)
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratios = {
        name: [round(peer / own, 3) for peer, own in zip(times["faiss"], times[name], strict=True)]
        for name in ("match", "index")
    }
    rows, scores = _brute_force(queries, gallery, options.k)
    report = {
        **vars(options),
        "cpu": _cpu(),
        "seconds": {name: round(value, 4) for name, value in medians.items()},
        "seconds_prepare": {"faiss_add": round(faiss_add, 4), "index": round(index_prepare, 4)},
        "ratio_to_faiss": {name: round(medians["faiss"] / medians[name], 3) for name in ratios},
        "ratio_each_run": ratios,
        "ratio_of_processor_time": {
            name: round(statistics.median(busy["faiss"]) / statistics.median(busy[name]), 3) for name in ratios
        },
        "wrong": {
            "match": _wrong(match(queries, gallery, options.k), rows, scores),
            "index": _wrong(index.search(queries, options.k), rows, scores),
        },
    }
    print(json.dumps(report, indent=2))


def _unit(vectors: Any) -> Any:
    import numpy as np

    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _seconds(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _brute_force(queries: Any, gallery: Any, k: int) -> tuple[Any, Any]:
    """(Q, k) rows and scores by float64 cosines, equal ones by the lower row."""
    import numpy as np

    left = _unit(queries.astype(np.float64))
    best_rows, best_scores = np.empty((len(left), 0), np.int64), np.empty((len(left), 0))
    for start in range(0, len(gallery), 50_000):
        block = left @ _unit(gallery[start : start + 50_000].astype(np.float64)).T
        top = np.argpartition(-block, min(2 * k, block.shape[1] - 1), axis=1)[:, : 2 * k]
        best_rows = np.concatenate([best_rows, start + top], axis=1)
        best_scores = np.concatenate([best_scores, np.take_along_axis(block, top, axis=1)], axis=1)
        order = np.stack([np.lexsort((r, -s)) for r, s in zip(best_rows, best_scores, strict=True)])[:, : 2 * k]
        best_rows = np.take_along_axis(best_rows, order, axis=1)
        best_scores = np.take_along_axis(best_scores, order, axis=1)
    return best_rows[:, :k], best_scores[:, :k]


def _wrong(found: Any, rows: Any, scores: Any) -> int:
    import numpy as np

    return int(((found.indices != rows) & (found.scores != scores.astype(np.float32))).sum())


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            return next(line.partition(":")[2].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown"


if __name__ == "__main__":
    main()
