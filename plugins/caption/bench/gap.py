"""What closes the gap between the towers: a table of corrections, each with a captioner trained for it, on dev.

    python bench/gap.py --data data --cache data/cache --out runs/gap --steps 1500 --device cuda

``data`` is what bench/gather.py wrote. Every row is one ``mmkit caption train`` of the same length and seed, and all
are measured with a beam of 3 on the dev split alone. Finished rows are found again, so that the table can be made in
several calls.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

# Name -> options of training: noise on text vectors, mean shift and e(x) for pictures, vectors of groups.
ROWS = {
    "none": "--sigma 0 --gap none --project 0 --group-share 0",
    "mean": "--sigma 0 --gap mean --project 0 --group-share 0",
    "noise 0.04": "--sigma 0.04 --gap none --project 0 --group-share 0",
    "noise 0.07": "--sigma 0.07 --gap none --project 0 --group-share 0",
    "noise 0.10": "--sigma 0.10 --gap none --project 0 --group-share 0",
    "mean, noise 0.07": "--sigma 0.07 --gap mean --project 0 --group-share 0",
    "mean, noise 0.10, groups": "--sigma 0.10 --gap mean --project 0 --group-share 0.5",
    "e(x)": "--sigma 0 --gap none --project 1 --group-share 0",
    "noise 0.12, mean, e(x)": "--sigma 0.12 --gap mean --project 1 --group-share 0",
    "noise 0.17, mean, e(x)": "--sigma 0.17 --gap mean --project 1 --group-share 0",
    "noise 0.17, mean, e(x), groups": "--sigma 0.17 --gap mean --project 1 --group-share 0.5",
    "noise 0.12, mean, e(x), groups": "--sigma 0.12 --gap mean --project 1 --group-share 0.5",
}


def main() -> None:
    """Train and measure each row, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", default="", help="default: DATA/unpaired")
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--only", default="", help="names of rows, parted by ;")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--options", default="", help="further options of every training")
    given = parser.parse_args()
    names = [name.strip() for name in given.only.split(";") if name.strip()] or list(ROWS)
    print("| gap correction | BLEU-4 | CIDEr | CLIPScore |\n|---|---|---|---|")
    for name in names:
        out = given.out / name.replace(" ", "-").replace(",", "")
        result = out / "result.json"
        if not result.is_file():
            out.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-m", "mmkit", "caption", "train", "--json", "--overwrite", "--out", str(out)]
            command += ["--corpus", str(given.data / "corpus.jsonl"), "--cache", str(given.cache)]
            command += ["--images", given.images or str(given.data / "unpaired"), "--dev", str(given.data / "dev")]
            command += ["--seconds", str(given.seconds), "--steps", str(given.steps), "--device", given.device]
            done = subprocess.run(
                [*command, *ROWS[name].split(), *given.options.split()], stdout=subprocess.PIPE, text=True, check=True
            )
            result.write_text(done.stdout.splitlines()[-1], encoding="utf-8")
        dev = json.loads(result.read_text("utf-8"))["dev"]["warm"]
        print(f"| {name} | {dev['bleu4']} | {dev['cider']} | {dev['clipscore']} |", flush=True)


if __name__ == "__main__":
    main()
