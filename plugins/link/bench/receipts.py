"""Which receipts are of one firm? Header crops of SROIE with growing OCR noise; every firm of the test was never seen.

    git clone https://github.com/zzzDavid/ICDAR-2019-SROIE
    python bench/receipts.py --data ICDAR-2019-SROIE/data --work DIR

The picture is the head of the receipt, as wide as its text and six tenths as high. The text is the line, or lines, that
the firm's name stands on, as the data set's own transcription has it (with real misreadings), in which further letters
are misread, lost or added at the rate of the noise level. Labels are the firms, written alike.

Five folds by firm, large and small ones dealt out evenly: three train the adapter (stages A and B, texts at noise level
0.3), one chooses the weight and the cut of every method at every level, one is the test. ARI is the mean over the
five. How weight and cut are chosen was settled on the folds and the noise of seed 100; the table is of seed 7.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
from mmkit_link.adapter import picture_inputs
from mmkit_link.encoding import pooled
from mmkit_link.grouping import side_by_side, single_linkage
from mmkit_link.metrics import adjusted_rand
from mmkit_link.records import Records
from mmkit_link.sketches import edit_similarities, edit_sketch
from mmkit_link.stages import Pictured, fit_adapter
from mmkit_link.tuning import search_cut, search_pooling
from mmkit_link.words import fold
from PIL import Image
from rapidfuzz import fuzz

import mmkit

LEVELS = (0.0, 0.15, 0.3, 0.45, 0.6)
TAUGHT_AT = 0.3
FOLDS = 5
WEIGHTS = tuple(round(0.05 * step, 2) for step in range(21))
MISREAD = {
    "0": "OQD", "O": "0QDC", "1": "IL7", "I": "1LT", "L": "1I", "5": "S", "S": "58", "8": "B36", "B": "83R", "2": "Z",
    "Z": "2", "6": "G", "G": "6C", "C": "GO", "E": "FB", "F": "EP", "H": "NM", "N": "HM", "M": "NW", "W": "VM",
    "V": "UY", "U": "V", "Y": "V", "A": "4R", "4": "A", "R": "A", "K": "X", "X": "K", "D": "OB", "P": "F", "T": "I7",
    "7": "T1", "J": "I", "9": "G", "3": "8", ".": ",", ",": ".",
}  # fmt: skip
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def prepare(data: Path, work: Path) -> list[tuple[str, str, str]]:
    """Write the crops; name of the crop, firm and text of each receipt."""
    work.mkdir(parents=True, exist_ok=True)
    rows = []
    for path in sorted((data / "img").glob("*.jpg")):
        firm = json.loads((data / "key" / f"{path.stem}.json").read_text("utf-8")).get("company", "")
        lines = []
        for line in (data / "box" / f"{path.stem}.csv").read_text("utf-8", errors="replace").splitlines():
            parts = line.split(",", 8)
            if len(parts) == 9:
                xs, ys = list(map(int, parts[0:8:2])), list(map(int, parts[1:8:2]))
                lines.append((min(ys), max(ys), min(xs), max(xs), parts[8]))
        if not firm or not lines:
            continue
        left, right, top = min(line[2] for line in lines), max(line[3] for line in lines), min(x[0] for x in lines)
        wide = right - left
        bottom = top + 0.5 * wide
        crop = work / f"{path.stem}.png"
        if not crop.exists():
            picture = Image.open(path).convert("RGB")
            margin = int(0.03 * wide)
            box = (
                max(0, left - margin),
                max(0, int(top - 0.1 * wide)),
                min(picture.width, right + margin),
                int(bottom),
            )
            picture.crop((*box[:3], min(picture.height, box[3]))).resize((300, 300), Image.Resampling.BICUBIC).save(
                crop
            )
        head = [line[4] for line in sorted(lines) if (line[0] + line[1]) / 2 < bottom]
        texts = [" ".join(head[one : one + count]) for one in range(len(head)) for count in (1, 2, 3)]
        text = max(texts, key=lambda each: fuzz.ratio(each.upper(), firm.upper()), default="")
        rows.append((crop.name, re.sub(r"[^A-Z0-9]+", " ", firm.upper()).strip(), text))
    return rows


def noisy(text: str, level: float, rng: random.Random) -> str:
    """The text with a share of its letters misread (six in ten), lost (two), followed by a speck, or preceded."""
    found = []
    for char in text:
        kind = rng.random() if rng.random() < level else None
        if kind is None:
            found.append(char)
        elif kind < 0.6:
            found.append(rng.choice(MISREAD.get(char.upper(), LETTERS)))
        elif kind >= 0.9:
            found.append(rng.choice(LETTERS) + char)
        elif kind >= 0.8:
            found.append(char + rng.choice(" .,'|-"))
    return "".join(found)


def dealt(firms: list[str], seed: int) -> np.ndarray:
    """The fold of each receipt: firms by size, dealt out at random within each five."""
    rng, counts = random.Random(seed), collections.Counter(firms)
    names = sorted(counts, key=lambda name: (-counts[name], name))
    fold_of: dict[str, int] = {}
    for start in range(0, len(names), FOLDS):
        order = list(range(FOLDS))
        rng.shuffle(order)
        fold_of.update(zip(names[start : start + FOLDS], order, strict=False))
    return np.array([fold_of[firm] for firm in firms])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7, help="of the folds and the noise")
    given = parser.parse_args()
    rows = prepare(given.data, given.work)
    firms = [firm for _, firm, _ in rows]
    print(json.dumps({"receipts": len(rows), "firms": len(set(firms))}), flush=True)
    encoder = mmkit.encoder("mini")
    records = Records(tuple(name for name, _, _ in rows), {}, tuple(given.work / name for name, _, _ in rows))
    cache = given.work / "inputs.npy"
    inputs = np.load(cache) if cache.exists() else picture_inputs(encoder, records, [])
    np.save(cache, inputs)
    rng = random.Random(1000 + given.seed)
    texts = {level: [noisy(text, level, rng) for _, _, text in rows] for level in LEVELS}
    folds = dealt(firms, given.seed)
    found: dict[float, dict[str, list[float]]] = {level: collections.defaultdict(list) for level in LEVELS}
    plain = inputs[:, : encoder.spec.dim]
    for number in range(FOLDS):
        started = time.perf_counter()
        test, valid = (np.flatnonzero(folds == (number + step) % FOLDS) for step in (0, 1))
        train = np.flatnonzero((folds != number) & (folds != (number + 1) % FOLDS))
        taught, checked = (
            Pictured.of(inputs[part], [texts[TAUGHT_AT][row] for row in part], [firms[row] for row in part])
            for part in (train, valid)
        )
        adapter = fit_adapter(taught, checked, encoder="mini", fingerprint=encoder.spec.fingerprint)
        seconds = time.perf_counter() - started
        print(json.dumps({"fold": number, "training_s": round(seconds, 1), **adapter.about}), flush=True)
        for level in LEVELS:
            for what, ari in measured(adapter, inputs, plain, texts[level], firms, test, valid).items():
                found[level][what].append(ari)
    for level in LEVELS:
        means = {what: round(100 * float(np.mean(each)), 1) for what, each in found[level].items()}
        print(json.dumps({"noise": level, **means}), flush=True)


def measured(
    adapter: Any,
    inputs: np.ndarray,
    plain: np.ndarray,
    texts: list[str],
    firms: list[str],
    test: np.ndarray,
    valid: np.ndarray,
) -> dict[str, float]:
    """ARI on the test rows, with weight and cut from the valid rows."""
    sides = []
    for rows in (valid, test):
        own = [texts[row] for row in rows]
        label = [firms[row] for row in rows]
        vectors = side_by_side(adapter.pictures(inputs[rows]), edit_sketch([fold(text) for text in own]))
        sides.append((*vectors, label, own, plain[rows]))
    (pictures, words, labels, strings, bare), (to_pictures, to_words, truth, to_strings, to_bare) = sides
    result = {}
    for what, weights in (("pooled", WEIGHTS), ("text only", (0.0,)), ("picture only", (1.0,))):
        cut = search_pooling(pictures, words, labels, weights=weights)
        rows = pooled(to_pictures, to_words, cut.weight)
        result[what] = adjusted_rand(single_linkage(1 - rows @ rows.T, 1 - cut.threshold), truth)
    for what, one, other in (
        ("Levenshtein", edits(strings), edits(to_strings)),
        ("mini's picture vector", 1 - bare @ bare.T, 1 - to_bare @ to_bare.T),
    ):
        result[what] = adjusted_rand(single_linkage(other, search_cut(one.astype(float), labels)[0]), truth)
    return result


def edits(texts: list[str]) -> np.ndarray:
    folded = [fold(text) for text in texts]
    return 1 - edit_similarities(folded, folded).astype(float)


if __name__ == "__main__":
    main()
