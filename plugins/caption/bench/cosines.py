"""How far pictures' vectors lie from their captions', and how near each correction of the gap brings them, on dev.

    python bench/cosines.py --data data --cache data/cache --pictures 400

For scale: the cosine of two captions of one picture. The corpus is ``data/corpus.jsonl``; e(x) uses 16,384 of its
sentences, as the bundled captioner does.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mmkit_caption.training.corpus import pivot_texts, read_corpus
from mmkit_caption.training.vectors import picture_vectors, text_vectors

from mmkit.encoders import encoder as load_encoder
from mmkit.generation.gap import GapCorrection, aggregate, mean_distance


def main() -> None:
    """Measure and print a line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--images", default="", help="the unpaired pictures or their vectors; default: DATA/unpaired")
    given = parser.parse_args()
    encoder = load_encoder("mini", device="cpu")
    texts = pivot_texts(read_corpus([given.data / "corpus.jsonl"]))
    corpus = torch.from_numpy(text_vectors(encoder, texts, cache=given.cache))
    unpaired = torch.from_numpy(picture_vectors(encoder, [given.images or str(given.data / "unpaired")])[1])
    entries = [json.loads(line) for line in (given.data / "dev/captions.jsonl").read_text("utf-8").splitlines()]
    entries = entries[: given.pictures]
    ready = given.data / "dev/vectors.npy"
    names = [str(ready)] if ready.is_file() else [str(given.data / "dev" / entry["file"]) for entry in entries]
    pictures = torch.from_numpy(picture_vectors(encoder, names)[1][: len(entries)])
    first, second = (
        torch.from_numpy(text_vectors(encoder, [entry["captions"][place] for entry in entries])) for place in (0, 1)
    )
    gap = GapCorrection("mean", means={"text": corpus.mean(0), "image": unpaired.mean(0)})
    shifted = gap.query(pictures, "image")
    support = corpus[np.sort(np.random.default_rng(0).permutation(len(corpus))[:16384])]
    ways = {"none": pictures, "mean": shifted}
    for temperature in (20, 30, 50, 100):
        ways[f"e(x), t = {temperature}"] = F.normalize(aggregate(pictures, support, temperature=temperature), dim=-1)
        ways[f"mean, e(x), t = {temperature}"] = F.normalize(
            aggregate(shifted, support, temperature=temperature), dim=-1
        )
    found = {name: round(float((rows * first).sum(1).mean()), 3) for name, rows in ways.items()}
    found["two captions of one picture"] = round(float((second * first).sum(1).mean()), 3)
    found["distance of the means"] = round(mean_distance(corpus, unpaired), 3)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
