"""Japanese firm names in noisy OCR: which of five candidates is the firm?

Data: jp_pr_tk431.csv of the PyPI wheel linktransformer (linktransformer/data).

    pip download --no-deps linktransformer && unzip linktransformer-*.whl
    python bench/firms.py --data linktransformer/data/jp_pr_tk431.csv

Top-1 accuracy, without labels, over the firms whose true match is among their candidates, from their titles alone and
from all columns; beside it Levenshtein's similarity of the titles. Candidates with equal scores share the credit.

What the plugin does with such names was chosen on the 300 firms of jp_pr_tkv2.csv that jp_pr_tk431.csv lacks:

    python bench/firms.py --data linktransformer/data/jp_pr_tkv2.csv --but linktransformer/data/jp_pr_tk431.csv
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmkit_link.glyphs import glyph_similarities
from mmkit_link.linking import compare_tables
from mmkit_link.records import Records
from mmkit_link.scoring import score_pairs
from mmkit_link.words import fold
from rapidfuzz.distance import Levenshtein

SHARED = ("firm_title", "address", "product", "est_date", "capital", "bank", "shareholder")


def read(path: Path) -> list[dict[str, str]]:
    """Each candidate of each firm once."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = {(row["source"], row["tk_firm_title"], row["tk_path_value"]): row for row in csv.DictReader(file)}
    return list(rows.values())


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


def show(what: str, rows: list[dict[str, str]], scores: Sequence[float], **about: object) -> None:
    accuracy, asked = top1(rows, scores)
    print(json.dumps({"what": what, "top1": round(100 * accuracy, 1), "firms": asked, **about}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--but", type=Path, help="leave the firms of this file out")
    given = parser.parse_args()
    known = {row["source_firm_title"] for row in read(given.but)} if given.but else set()
    rows = [row for row in read(given.data) if row["source_firm_title"] not in known]
    titles = [[row[f"{side}_firm_title"] for row in rows] for side in ("source", "tk")]
    folded = [[fold(title) for title in side] for side in titles]
    for what, (one, other) in (("Levenshtein, titles", titles), ("Levenshtein, titles folded", folded)):
        show(what, rows, [Levenshtein.normalized_similarity(*pair) for pair in zip(one, other, strict=True)])
    every = np.arange(len(rows))
    show("looks, titles", rows, glyph_similarities([*folded[0], *folded[1]], every, every + len(rows)).tolist())
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
        compared = compare_tables(left, right, also=np.array(pairs))
        scored = score_pairs(compared)
        where = {tuple(pair): place for place, pair in enumerate(compared.pairs.tolist())}
        places = [where[tuple(pair)] for pair in pairs]
        about = {"columns": len(columns), "seconds": round(time.perf_counter() - started, 1)}
        show("candidates' similarity", rows, compared.similarity[places].tolist(), **about)
        show("mmkit link, no labels", rows, scored.scores[places].tolist(), **about)


if __name__ == "__main__":
    main()
