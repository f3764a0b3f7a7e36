"""The bundled captioner's training data, as ``mmkit caption train`` and ``mmkit caption eval`` take it.

    git archive of github.com/multi30k/dataset (data/task1, data/task2) unpacked below RAW, the pictures of
    github.com/RlNZLER/Image-Text-Matching b77c65f1 (data/images) in PICTURES, and Flickr8k.token.txt and
    Flickr_8k.{train,dev,test}Images.txt of the Flickr8k text archive in RAW, then

    python bench/gather.py --raw RAW --pictures PICTURES --out data

writes ``corpus.jsonl`` (text, lang, group: the sentences about one photo, and where a sentence is a translation, of),
``unpaired/`` (Flickr8k's training photos), ``dev/`` and ``test/`` (1,000 photos each with ``captions.jsonl``, and with
``captions.de.jsonl`` for those of them that Multi30k captions in German).
Every sentence about a photo of dev or test is left out of the corpus, by the photo's number in Multi30k, and so is any
sentence whose normalised text equals one of that photo's captions, wherever it stands.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
from collections import defaultdict
from pathlib import Path

_WORDS = re.compile(r"[^\w]+")


def normalised(text: str) -> str:
    """Lower case, words only."""
    return " ".join(_WORDS.sub(" ", text.lower()).split())


def lines(path: Path) -> list[str]:
    """A gzipped file's lines, with no-break spaces as spaces."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        return [" ".join(line.replace("\xa0", " ").split()) for line in file.read().split("\n")[:-1]]


def number(name: str) -> str:
    """The photo's number on Flickr: what both data sets name it by."""
    return name.strip().split(".")[0].split("_")[0]


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    raw, out = given.raw, given.out
    captions: dict[str, list[str]] = defaultdict(list)
    for line in (raw / "Flickr8k.token.txt").read_text("utf-8").splitlines():
        name, _, text = line.partition("\t")
        captions[name.split("#")[0]].append(text.strip())
    held: set[str] = set()
    held_numbers: set[str] = set()
    for split in ("dev", "test", "train"):
        names = (raw / f"Flickr_8k.{split}Images.txt").read_text("utf-8").split()
        names = [name for name in names if (given.pictures / name).is_file()]
        folder = out / ("unpaired" if split == "train" else split)
        folder.mkdir(parents=True, exist_ok=True)
        if split == "train":
            names = [name for name in names if number(name) not in held_numbers]
        else:
            held |= {normalised(text) for name in names for text in captions[name]}
            held_numbers |= {number(name) for name in names}
            with open(folder / "captions.jsonl", "w", encoding="utf-8") as file:
                for name in names:
                    file.write(json.dumps({"file": name, "captions": captions[name]}) + "\n")
        for name in names:
            if not (folder / name).exists():
                os.link(given.pictures / name, folder / name)
        print(f"{folder}: {len(names)} photos")
    for split in ("dev", "test"):
        write_german(raw / "data", out / split)
    write_corpus(raw / "data", out / "corpus.jsonl", held, held_numbers)


def write_german(data: Path, folder: Path) -> None:
    """``captions.de.jsonl``: the German captions that Multi30k has of the folder's photos."""
    photos = [number(name) for name in (data / "task2/image_splits/train_images.txt").read_text().split()]
    german = [lines(data / f"task2/raw/train.{place}.de.gz") for place in range(1, 6)]
    row_of = {photo: row for row, photo in enumerate(photos)}
    told = [json.loads(line)["file"] for line in (folder / "captions.jsonl").read_text("utf-8").splitlines()]
    with open(folder / "captions.de.jsonl", "w", encoding="utf-8") as file:
        for name in told:
            if number(name) in row_of:
                texts = [column[row_of[number(name)]] for column in german]
                record = {"file": name, "captions": [text for text in texts if text]}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_corpus(data: Path, target: Path, held: set[str], held_numbers: set[str]) -> None:
    """The training splits of both tasks, less what is about a held-out photo."""
    photos = [number(name) for name in (data / "task2/image_splits/train_images.txt").read_text().split()]
    english = [lines(data / f"task2/raw/train.{place}.en.gz") for place in range(1, 6)]
    german = [lines(data / f"task2/raw/train.{place}.de.gz") for place in range(1, 6)]
    parallel = {lang: lines(data / f"task1/raw/train.{lang}.gz") for lang in ("en", "de", "fr", "cs")}
    named = [number(name) for name in (data / "task1/image_splits/train.txt").read_text().split()]
    assert all(len(column) == len(photos) for column in (*english, *german, *parallel.values(), named))
    left_out = {"by photo": 0, "by text": 0}
    counts: dict[str, int] = defaultdict(int)
    with open(target, "w", encoding="utf-8") as file:

        def write(text: str, lang: str, photo: str, source: str = "") -> None:
            if not text:
                return
            if photo in held_numbers:
                left_out["by photo"] += 1
                return
            if normalised(source if source or lang != "en" else text) in held:
                left_out["by text"] += 1
                return
            counts[lang] += 1
            record = {"text": text, "lang": lang, "group": photo}
            if source:
                record["of"] = source
            file.write(json.dumps(record, ensure_ascii=False) + "\n")

        for row, photo in enumerate(photos):
            for lang, columns in (("en", english), ("de", german)):
                for column in columns:
                    write(column[row], lang, photo)
        for row, photo in enumerate(named):
            source = parallel["en"][row]
            for lang in ("de", "fr", "cs"):
                write(parallel[lang][row], lang, photo, source)
            if all(source != column[row] for column in english):
                write(source, "en", photo)
    print(f"{target}: {dict(counts)}; left out {left_out}")


if __name__ == "__main__":
    main()
