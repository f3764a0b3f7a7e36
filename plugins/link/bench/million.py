"""Deduplicate synthetic persons beside Splink on DuckDB, in one run: time, memory and F1 against the known truth.

    pip install splink && python bench/persons.py --records 1000000 -o persons.parquet
    python bench/million.py persons.parquet

Each runs in a process of its own, one after the other. Both read the same file and write nothing. Splink gets the
blocking rules, comparisons and training that its documentation recommends for such columns, and the better of three
thresholds of its match probability by the truth, which this plugin does not see.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from persons import COLUMNS


def scores(label: np.ndarray, person: np.ndarray) -> dict[str, float]:
    """Pairwise precision, recall and F1 of two labellings."""

    def pairs(counts: np.ndarray) -> float:
        return float((counts.astype(np.int64) * (counts - 1) // 2).sum())

    both = pairs(np.unique(label.astype(np.int64) * (int(person.max()) + 1) + person, return_counts=True)[1])
    found, true = (pairs(np.unique(each, return_counts=True)[1]) for each in (label, person))
    return {"precision": both / max(found, 1), "recall": both / true, "f1": 2 * both / (found + true)}


def ours(path: Path) -> None:
    from mmkit_link.records import as_records
    from mmkit_link.results import dedupe_records

    started = time.perf_counter()
    table = pq.read_table(path)
    run = dedupe_records(as_records(table, {name: name for name in COLUMNS}), k=10)
    seconds = time.perf_counter() - started
    label = run.table.column("cluster").to_numpy()
    show("mmkit link dedupe", seconds, scores(label, table.column("person").to_numpy()))


def splink(path: Path) -> None:
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    started = time.perf_counter()
    frame = pq.read_table(path).to_pandas()
    person = frame.pop("person").to_numpy()
    for name in COLUMNS:
        frame[name] = frame[name].replace("", None)
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="id",
        blocking_rules_to_generate_predictions=[
            block_on("phone"),
            block_on("given_name", "surname"),
            block_on("date_of_birth", "postcode"),
            block_on("surname", "date_of_birth"),
            block_on("given_name", "date_of_birth"),
            block_on("address_1", "street_number"),
            block_on("surname", "postcode"),
        ],
        comparisons=[
            cl.NameComparison("given_name"),
            cl.NameComparison("surname"),
            cl.LevenshteinAtThresholds("street_number", 1),
            cl.JaroWinklerAtThresholds("address_1", [0.9, 0.7]),
            cl.JaroWinklerAtThresholds("suburb", [0.9]),
            cl.LevenshteinAtThresholds("postcode", [1, 2]),
            cl.ExactMatch("state"),
            cl.LevenshteinAtThresholds("date_of_birth", [1, 2]),
            cl.LevenshteinAtThresholds("phone", [1, 2]),
        ],
    )
    linker = Linker(DuckDBAPI().register(frame), settings)
    linker.training.estimate_probability_two_random_records_match(
        [block_on("given_name", "surname", "date_of_birth"), block_on("phone")], recall=0.8
    )
    linker.training.estimate_u_using_random_sampling(max_pairs=2e6)
    for rule in (block_on("given_name", "surname"), block_on("date_of_birth"), block_on("phone")):
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    predictions = linker.inference.predict(threshold_match_probability=0.01)
    best: dict[str, float] = {}
    seconds = 0.0
    for cut in (0.5, 0.9, 0.99):
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predictions, cut)
        # The first clustering ends the measured time; the others only choose the threshold.
        seconds = seconds or time.perf_counter() - started
        found = clusters.as_pandas_dataframe().set_index("id")["cluster_id"].loc[frame["id"]]
        measured = scores(np.unique(found.to_numpy(), return_inverse=True)[1], person)
        if measured["f1"] > best.get("f1", -1):
            best = {**measured, "threshold": cut}
    show("Splink on DuckDB", seconds, best)


def show(what: str, seconds: float, found: dict[str, float]) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    rounded = {name: round(value, 4) for name, value in found.items()}
    cost = {"seconds": round(seconds), "cpu_s": round(used.ru_utime + used.ru_stime), "gb": used.ru_maxrss / 2**20}
    print(json.dumps({"what": what, **rounded, **cost}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("table", type=Path)
    parser.add_argument("--only", choices=("ours", "splink"))
    given = parser.parse_args()
    if given.only:
        (ours if given.only == "ours" else splink)(given.table)
        return
    for which in ("ours", "splink"):
        subprocess.run([sys.executable, __file__, str(given.table), "--only", which], check=True)


if __name__ == "__main__":
    main()
