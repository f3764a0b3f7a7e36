"""Word accuracy and speed of recognisers on labelled word pictures, all in one run.

    python plugins/ocr/bench/words.py SVT=crops/svt/labels.tsv SVTP=crops/svtp/labels.tsv \
        --recognizer bundled --recognizer rapidocr-package --recognizer tesseract --json words.json

A labels file has lines of file, tab, text; files are beside it. `rapidocr-package` is the recogniser as the package
rapidocr runs it, `rapidocr` the same model through this plugin. Accuracy is over the 36 characters of PARSeq's
protocol: lower case, letters and digits alone, all crops counted; `full` is exact. Speed is the
median of three rounds over the first 500 crops of the first set, the recognisers taking turns, after a round that
is not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from mmkit_ocr.evaluate import word_scores
from mmkit_ocr.reading import recogniser
from PIL import Image

Read = Callable[[Sequence[np.ndarray]], list[str]]
ROUNDS = 3
TIMED = 500


def rapidocr_package() -> Read:
    """rapidocr's own recogniser, in the batches of its default settings."""
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.log_level": "error"})

    def read(crops: Sequence[np.ndarray]) -> list[str]:
        # It expects blue, green, red.
        return list(engine.recognize_txt([np.ascontiguousarray(crop[..., ::-1]) for crop in crops]).txts)

    return read


def load(name: str) -> Read:
    if name == "rapidocr-package":
        return rapidocr_package()
    reader = recogniser(name)
    return lambda crops: [reading.text for reading in reader.read(crops)]


def labelled(path: Path) -> tuple[list[np.ndarray], list[str]]:
    """The crops (uint8 RGB) and texts of a labels file."""
    rows = [line.split("\t", 1) for line in path.read_text(encoding="utf-8").splitlines() if line]
    crops = [np.asarray(Image.open(path.parent / file).convert("RGB")) for file, _ in rows]
    return crops, [text for _, text in rows]


def speeds(readers: dict[str, Read], crops: Sequence[np.ndarray]) -> dict[str, float]:
    """Crops a second, the median over rounds in which the recognisers take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for number in range(ROUNDS + 1):
        for name, read in readers.items():
            start = time.perf_counter()
            read(crops)
            if number:
                seconds[name].append(time.perf_counter() - start)
    return {name: len(crops) / statistics.median(taken) for name, taken in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", help="NAME=labels.tsv")
    parser.add_argument("--recognizer", action="append", required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--no-speed", action="store_true")
    options = parser.parse_args()

    sets = {name: labelled(Path(path)) for name, path in (part.split("=", 1) for part in options.sets)}
    readers = {name: load(name) for name in options.recognizer}
    results: dict[str, dict[str, dict[str, float]]] = {name: {} for name in readers}
    for name, read in readers.items():
        for title, (crops, texts) in sets.items():
            found = read(crops)
            scores = word_scores(found, texts)
            scores["full"] = word_scores(found, texts, charset="full")["word_accuracy"]
            results[name][title] = scores
            print(f"{name} {title}: {scores}", file=sys.stderr, flush=True)
    if not options.no_speed:
        crops = next(iter(sets.values()))[0][:TIMED]
        for name, rate in speeds(readers, crops).items():
            results[name]["speed"] = {"crops_per_second": rate, "n": len(crops)}

    heads = [f"{title} ({len(sets[title][1]):,})" for title in sets]
    print("| recogniser | " + " | ".join(heads) + " | crops a second |")
    print("|---" * (len(heads) + 2) + "|")
    for name, found in results.items():
        cells = [f"{100 * found[title]['word_accuracy']:.2f}" for title in sets]
        rate = f"{found['speed']['crops_per_second']:.1f}" if "speed" in found else "–"
        print(f"| {name} | " + " | ".join(cells) + f" | {rate} |")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
