"""Measure the plugin on the data that bench/prepare.py wrote, by its own commands.

    python bench/run.py --data DIR [--only abt-buy]

Prints a JSON line for each measurement, with the command that made it. Thresholds and models see the training and the
validation pairs only; test labels are read for the final count alone.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SHOWN = ("f1", "precision", "recall", "average_precision", "brier", "ari", "candidate_recall", "threshold")


def measure(name: str, what: str, folder: Path, command: str) -> None:
    started = time.perf_counter()
    arguments = [sys.executable, "-m", "mmkit", "link", *shlex.split(command), "--json"]
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    kept = {key: found[key] for key in SHOWN if found.get(key) is not None}
    seconds = round(time.perf_counter() - started, 1)
    print(json.dumps({"data": name, "what": what, **kept, "seconds": seconds, "command": command}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    for folder in sorted((given.data / "pairs").iterdir()):
        name = folder.name
        if given.only and name != given.only:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            model = Path(scratch) / "model"
            more = "--records train.csv --records valid.csv"
            measure(name, "training", folder, f"train --pairs train.csv --valid valid.csv -o {model}")
            measure(name, "labels, test file alone", folder, f"eval --pairs test.csv --model {model}")
            measure(name, "labels, all records", folder, f"eval --pairs test.csv --model {model} {more}")
        measure(name, "no labels, test file alone", folder, "eval --pairs test.csv")
        measure(name, "no labels, all records", folder, f"eval --pairs test.csv {more}")
        tables = given.data / "tables" / name
        if tables.is_dir():
            command = "eval --left left.csv --right right.csv --truth truth.csv"
            measure(name, "no labels, whole tables", tables, command)


if __name__ == "__main__":
    main()
