"""Words of FUNSD's forms: how many are found and read, beside rapidocr's and tesseract's own pipelines.

    python plugins/ocr/bench/funsd.py FUNSD --split testing_data --systems rapidocr+bundled,rapidocr,own-rapidocr

FUNSD holds ``training_data`` and ``testing_data`` with ``images`` and ``annotations``. A word counts as read where a
word of the same text is paired with it one to one, and the centre of one of the two boxes lies in the other box.
``cased`` compares texts as they are, ``uncased`` without case. ``bag`` compares the words of a page without their
places; ``tokens`` compares runs of letters and digits without case or places, which is blind to how a word and the
punctuation beside it are divided, in which the annotations vary. Words without text in the annotations are left out.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

Words = list[tuple[str, tuple[float, float, float, float]]]
MEASURES = ("cased", "uncased", "bag", "tokens")


def truth(path: Path) -> Words:
    form = json.loads(path.read_text("utf-8"))["form"]
    return [
        (word["text"].strip(), tuple(word["box"])) for item in form for word in item["words"] if word["text"].strip()
    ]


def mmkit_system(name: str) -> Callable[[Path], Words]:
    from mmkit_ocr.pages.page import PageImage
    from mmkit_ocr.pages.quads import bounds
    from mmkit_ocr.pages.reader import page_reader

    reader = page_reader(name, device="cpu")

    def read(path: Path) -> Words:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        page = reader(PageImage(str(path), 1, pixels))
        return [(word.text, bounds(word.quad)) for line in page.lines for word in line.words]

    return read


def own_rapidocr() -> Callable[[Path], Words]:
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.log_level": "critical"})

    def read(path: Path) -> Words:
        found = engine(str(path), return_word_box=True)
        words: Words = []
        for line in found.word_results or ():
            for text, _, box in line:
                corners = np.array(box, np.float32)
                words += [(part, (*corners.min(axis=0), *corners.max(axis=0))) for part in text.split()]
        return words

    return read


def own_tesseract(enlarged: int = 1, mode: int = 3) -> Callable[[Path], Words]:
    def read(path: Path) -> Words:
        image = Image.open(path).convert("RGB")
        image = image.resize((image.width * enlarged, image.height * enlarged), Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        command = ["tesseract", "stdin", "stdout", "--psm", str(mode), "tsv"]
        shown = subprocess.run(command, input=buffer.getvalue(), capture_output=True, check=True).stdout.decode("utf-8")
        words: Words = []
        for row in csv.DictReader(io.StringIO(shown), delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["level"] == "5" and row["text"].strip():
                x, y, width, height = (int(row[name]) / enlarged for name in ("left", "top", "width", "height"))
                words.append((row["text"].strip(), (x, y, x + width, y + height)))
        return words

    return read


SYSTEMS: dict[str, Callable[[], Callable[[Path], Words]]] = {
    "own-rapidocr": own_rapidocr,
    "own-tesseract": own_tesseract,
    "own-tesseract-2x": lambda: own_tesseract(2),
    "own-tesseract-2x-sparse": lambda: own_tesseract(2, 11),
}


def placed_hits(found: Words, wanted: Words) -> int:
    """Pairs of like words that overlap as described above, one to one, closest first."""
    pairs = []
    for i, (text, a) in enumerate(found):
        for j, (other, b) in enumerate(wanted):
            if text == other and (_inside(_centre(a), b) or _inside(_centre(b), a)):
                pairs.append((abs(_centre(a)[0] - _centre(b)[0]) + abs(_centre(a)[1] - _centre(b)[1]), i, j))
    left: set[int] = set()
    right: set[int] = set()
    for _, i, j in sorted(pairs):
        if i not in left and j not in right:
            left.add(i)
            right.add(j)
    return len(left)


def bag_hits(found: Iterable[str], wanted: Iterable[str]) -> int:
    return sum((Counter(found) & Counter(wanted)).values())


def counts(found: Words, wanted: Words) -> dict[str, tuple[int, int, int]]:
    """(hits, found, wanted) a measure."""
    lower = [[(text.lower(), box) for text, box in words] for words in (found, wanted)]
    tokens = [[token for text, _ in words for token in re.findall(r"[a-z0-9]+", text)] for words in lower]
    return {
        "cased": (placed_hits(found, wanted), len(found), len(wanted)),
        "uncased": (placed_hits(*lower), len(found), len(wanted)),
        "bag": (bag_hits((text for text, _ in found), (text for text, _ in wanted)), len(found), len(wanted)),
        "tokens": (bag_hits(*tokens), len(tokens[0]), len(tokens[1])),
    }


def scores(totals: Sequence[int]) -> tuple[float, float, float]:
    hits, found, wanted = totals
    recall, precision = hits / max(wanted, 1), hits / max(found, 1)
    return recall, precision, 2 * recall * precision / max(recall + precision, 1e-9)


def _centre(box: tuple[float, ...]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _inside(point: tuple[float, float], box: tuple[float, ...]) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--split", default="training_data", choices=("training_data", "testing_data"))
    parser.add_argument("--systems", default="rapidocr+bundled,own-rapidocr,own-tesseract")
    parser.add_argument("--pages", type=int, default=0, help="a fixed random part of the pages; 0 takes all")
    parser.add_argument("--only", type=Path, help="a JSON list of annotations: only their pages")
    parser.add_argument("--show", action="store_true", help="list the words that were missed and made up")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    pages = sorted((options.root / options.split / "images").glob("*.png"))
    if options.only:
        wanted = {Path(name).stem for name in json.loads(options.only.read_text("utf-8"))}
        pages = [page for page in pages if page.stem in wanted]
    if options.pages:
        pages = sorted(random.Random(0).sample(pages, options.pages))
    results = {}
    print(f"{len(pages)} pages of {options.split}")
    print("system".ljust(26) + "".join(f"{name} R / P / F1".rjust(25) for name in MEASURES) + "   s/page")
    for name in options.systems.split(","):
        read = SYSTEMS[name]() if name in SYSTEMS else mmkit_system(name)
        totals = {measure: np.zeros(3, np.int64) for measure in MEASURES}
        missed: Counter[str] = Counter()
        extra: Counter[str] = Counter()
        started = time.perf_counter()
        for page in pages:
            found, wanted = read(page), truth(options.root / options.split / "annotations" / f"{page.stem}.json")
            for measure, numbers in counts(found, wanted).items():
                totals[measure] += numbers
            bags = Counter(text for text, _ in found), Counter(text for text, _ in wanted)
            missed += bags[1] - bags[0]
            extra += bags[0] - bags[1]
        seconds = (time.perf_counter() - started) / len(pages)
        results[name] = {
            measure: dict(zip(("recall", "precision", "f1"), scores(totals[measure].tolist()), strict=True))
            for measure in MEASURES
        } | {"seconds_a_page": seconds, "n": len(pages), "words": int(totals["cased"][2])}
        cells = [" / ".join(f"{100 * value:.2f}" for value in scores(totals[measure].tolist())) for measure in MEASURES]
        print(name.ljust(26) + "".join(cell.rjust(25) for cell in cells) + f"{seconds:9.2f}", flush=True)
        if options.show:
            print("missed", missed.most_common(80), "\nextra", extra.most_common(80))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), "utf-8")


if __name__ == "__main__":
    main()
