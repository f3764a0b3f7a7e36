"""Turn published linkage data into the tables and pair files that bench/run.py measures on.

    git clone https://github.com/megagonlabs/ditto && git clone https://github.com/AI-team-UoA/pyJedAI
    python bench/prepare.py --ditto ditto --pyjedai pyJedAI --data DIR

Writes DIR/pairs/NAME/{train,valid,test}.csv (the official splits of the Magellan sets as Ditto serialises them) and
DIR/tables/NAME/{left,right,truth}.csv (whole tables as pyJedAI has them).
"""

from __future__ import annotations

import argparse
import csv
import re
from pathlib import Path

PAIRS = {
    "abt-buy": "Textual/Abt-Buy",
    "amazon-google": "Structured/Amazon-Google",
    "dblp-acm": "Structured/DBLP-ACM",
}
TABLES = {
    "abt-buy": ("D2", "|", "abt", "buy"),
    "amazon-google": ("D3", "#", "amazon", "gp"),
    "dblp-acm": ("D4", "%", "dblp", "acm"),
}


def fields(text: str) -> dict[str, str]:
    """The columns of a record written ``COL name VAL value COL …``."""
    parts = re.split(r"(?:^|\s)COL (\S+) VAL ?", text)
    return {parts[place]: parts[place + 1].strip() for place in range(1, len(parts), 2)}


def write(path: Path, rows: list[list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    print(path, len(rows) - 1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ditto", type=Path, required=True)
    parser.add_argument("--pyjedai", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()
    for name, folder in PAIRS.items():
        for split in ("train", "valid", "test"):
            source = given.ditto / "data" / "er_magellan" / folder / f"{split}.txt"
            rows: list[list[str]] = []
            for line in source.read_text("utf-8").splitlines():
                left, right, label = line.split("\t")
                one, other = fields(left), fields(right)
                head = [*(f"left_{key}" for key in one), *(f"right_{key}" for key in other), "label"]
                rows = rows or [head]
                rows.append([*one.values(), *other.values(), label.strip()])
            write(given.data / "pairs" / name / f"{split}.csv", rows)
    for name, (folder, delimiter, left, right) in TABLES.items():
        for stem, target in ((left, "left"), (right, "right"), ("gt", "truth")):
            source = given.pyjedai / "data" / "ccer" / folder / f"{stem}.csv"
            with open(source, newline="", encoding="utf-8") as file:
                rows = list(csv.reader(file, delimiter=delimiter))
            if target == "truth":
                rows[0] = ["left", "right"]
            width = len(rows[0])
            write(given.data / "tables" / name / f"{target}.csv", [(row + [""] * width)[:width] for row in rows])


if __name__ == "__main__":
    main()
