"""Japanese firm names in noisy OCR: which of five candidates is the firm?

Data: jp_pr_tk431.csv of the repository dell-research-harvard/linktransformer (src/linktransformer/data).

    python bench/firms.py --data jp_pr_tk431.csv

Top-1 accuracy, without labels, over the firms whose true match is among their candidates; Levenshtein's similarity of
the titles beside it. Equal scores share the credit.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmkit_link.linking import compare_tables
from mmkit_link.records import Records
from mmkit_link.scoring import score_pairs
from rapidfuzz.distance import Levenshtein

SHARED = ("firm_title", "address", "product", "est_date", "capital", "bank", "shareholder")


def top1(rows: list[dict[str, str]], scores: Sequence[float]) -> tuple[float, int]:
    """The share of firms whose best candidate is the true one."""
    groups: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(row["source"], []).append(place)
    hits, asked = 0.0, 0
    for places in groups.values():
        truth = [place for place in places if rows[place]["tk_truth"] == "1"]
        if truth:
            best = max(scores[place] for place in places)
            tied = [place for place in places if scores[place] == best]
            hits += len(set(tied) & set(truth)) / len(tied)
            asked += 1
    return hits / asked, asked


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    with open(parser.parse_args().data, newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    edit = [Levenshtein.normalized_similarity(row["source_firm_title"], row["tk_firm_title"]) for row in rows]
    accuracy, asked = top1(rows, edit)
    print(json.dumps({"what": "Levenshtein, title", "top1": accuracy, "firms": asked}))
    for columns in (SHARED[:1], SHARED):
        started = time.perf_counter()
        keys: tuple[dict[tuple[str, ...], int], ...] = ({}, {})
        pairs = []
        for row in rows:
            sides = [tuple(row[f"{prefix}_{name}"].strip() for name in columns) for prefix in ("source", "tk")]
            pairs.append([known.setdefault(side, len(known)) for known, side in zip(keys, sides, strict=True)])
        left, right = (
            Records(
                tuple(map(str, range(len(known)))),
                {name: tuple(key[place] for key in known) for place, name in enumerate(columns)},
            )
            for known in keys
        )
        listed = np.array(pairs)
        compared = compare_tables(left, right, also=listed)
        scored = score_pairs(compared)
        where = {tuple(pair): place for place, pair in enumerate(compared.pairs.tolist())}
        places = [where[tuple(pair)] for pair in pairs]
        seconds = round(time.perf_counter() - started, 1)
        for what, scores in (("similarity", compared.similarity), ("self-taught", scored.scores)):
            accuracy, _ = top1(rows, [float(scores[place]) for place in places])
            print(json.dumps({"what": what, "columns": columns, "top1": accuracy, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
