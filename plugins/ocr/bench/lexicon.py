"""Crops against a lexicon: top-1 and top-5 by vectors alone and with the decoder's likelihoods, beside free reading.

    python plugins/ocr/bench/lexicon.py crops/iiit5k/labels.tsv --words words.txt --crops 1000 --size 5000

The lexicon holds the words of the crops and is filled up from ``--words``; all comparisons are made over 36 characters
(lower case letters and digits). The control scores the same hits against shuffled words.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from mmkit_ocr.encoder import OcrWordEncoder
from mmkit_ocr.evaluate import folded
from mmkit_ocr.lexicon import Lexicon
from mmkit_ocr.recogniser.crops import fitted

from mmkit.media import read_image


def _score(result: dict[str, float], name: str, hits: list[list[str]], wanted: list[str]) -> None:
    result[f"top1_{name}"] = float(np.mean([own[0] == word for own, word in zip(hits, wanted, strict=True)]))
    result[f"top5_{name}"] = float(np.mean([word in own for own, word in zip(hits, wanted, strict=True)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--words", type=Path, required=True)
    parser.add_argument("--crops", type=int, default=1000)
    parser.add_argument("--size", type=int, default=5000)
    parser.add_argument("--vectors", type=int, default=1000, help="crops that are also ranked by vectors alone")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    rows = [line.split("\t") for line in given.labels.read_text("utf-8-sig").splitlines() if line]
    rows = [row for row in rows if folded(row[1])]
    rows = [rows[place] for place in np.sort(rng.permutation(len(rows))[: given.crops])]
    crops = [fitted(np.asarray(read_image(given.labels.parent / name))) for name, _ in rows]
    wanted = [folded(text) for _, text in rows]
    own = dict.fromkeys(wanted)
    others = list(dict.fromkeys(folded(word) for word in given.words.read_text("utf-8").split()))
    others = [others[place] for place in rng.permutation(len(others)) if others[place] and others[place] not in own]
    encoder = OcrWordEncoder(given.weights)
    started = time.perf_counter()
    lexicon = Lexicon([*own, *others[: given.size - len(own)]], encoder)
    result: dict[str, float] = {
        "crops": len(rows),
        "lexicon": len(lexicon.words),
        "seconds_lexicon": round(time.perf_counter() - started, 1),
    }
    started = time.perf_counter()
    found = list(lexicon.match(crops, k=5))
    result["crops_per_second"] = round(len(rows) / (time.perf_counter() - started), 1)
    _score(result, "rescored", [[hit.word for hit in one.hits] for one in found], wanted)
    free = [folded(one.reading.text) == word for one, word in zip(found, wanted, strict=True)]
    result["free"] = float(np.mean(free))
    some = crops[: given.vectors]
    result["crops_vectors"] = len(some)
    near = [[hit.word for hit in one.hits] for one in lexicon.match(some, k=5, rescore=False)]
    _score(result, "vectors", near, wanted[: len(some)])
    result["free_vectors"] = float(np.mean(free[: len(some)]))
    shuffled = [wanted[place] for place in rng.permutation(len(wanted))]
    result["top1_shuffled"] = float(
        np.mean([one.hits[0].word == word for one, word in zip(found, shuffled, strict=True)])
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
