"""Lay out the public training data as `mmkit translate pack` reads it: aligned lines, further captions, pictures.

    python plugins/translate/bench/corpus.py OUT --multi30k multi30k --tatoeba LASER/data/tatoeba/v1 --pictures photos

`--pairs de deu.txt --pairs fr fra.txt` add the pairs of tatoeba.org that manythings.org/anki hands out (English, tab,
other language), to widen the domain.

OUT gets parallel/ (train), captions/ (task 2 of the same pictures), pictures/, val/, test/ and held-out/. Lines of
pictures that are kept apart for the table of right and wrong pictures are in held-out/ and in no training file, and so
are the last 200 pairs of each Tatoeba language.
"""

from __future__ import annotations

import argparse
import gzip
from collections import defaultdict
from itertools import zip_longest
from pathlib import Path

LANGUAGES = ("en", "de", "fr", "cs")
TATOEBA = {"de": "deu", "fr": "fra", "cs": "ces"}
TATOEBA_HELD_OUT = 200
#: Every second pictured line of the training part is kept apart, up to this many.
PICTURED_HELD_OUT = 400


def lines_of(path: Path) -> list[str]:
    """The lines of a plain or gzipped file, without their ends; only line feeds end a line."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [line.strip() for line in data.decode("utf-8").removesuffix("\n").split("\n")]


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def multi30k(root: Path, pictures: dict[str, Path], out: Path) -> None:
    """Task 1 in four languages, task 2's captions of the same pictures, and the pictured lines."""
    raw, splits = root / "data/task1/raw", root / "data/task1/image_splits"
    names = lines_of(splits / "train.txt")
    train = {language: lines_of(raw / f"train.{language}.gz") for language in LANGUAGES}
    pictured = [n for n, name in enumerate(names) if Path(name).stem in pictures]
    apart = set(pictured[1::2][:PICTURED_HELD_OUT])
    kept = [n for n in range(len(names)) if n not in apart]
    for language in LANGUAGES:
        write(out / f"parallel/multi30k.{language}", [train[language][n] for n in kept])
    for language in ("en", "de"):
        for number in range(1, 6):
            captions = lines_of(root / f"data/task2/raw/train.{number}.{language}.gz")
            write(out / f"captions/multi30k.{number}.{language}", [captions[n] for n in kept])
    with_picture = [
        f"{line}\t{pictures[Path(names[n]).stem].resolve()}"
        for line, n in enumerate(kept)
        if Path(names[n]).stem in pictures
    ]
    write(out / "pictures/multi30k.tsv", with_picture)
    held: dict[str, list[str]] = {language: [train[language][n] for n in sorted(apart)] for language in LANGUAGES}
    images = [str(pictures[Path(names[n]).stem].resolve()) for n in sorted(apart)]
    for split, folder in (("val", "val"), ("test_2016_flickr", "test")):
        names = lines_of(splits / f"{split}.txt")
        texts = {language: lines_of(raw / f"{split}.{language}.gz") for language in LANGUAGES}
        seen = [n for n, name in enumerate(names) if Path(name).stem in pictures]
        images += [str(pictures[Path(names[n]).stem].resolve()) for n in seen]
        for language in LANGUAGES:
            write(out / f"{folder}/{split}.{language}", texts[language])
            held[language] += [texts[language][n] for n in seen]
    for language in LANGUAGES:
        write(out / f"held-out/pictured.{language}", held[language])
    write(out / "held-out/pictured.images", images)


def tatoeba(root: Path, out: Path) -> set[str]:
    """The pairs of each language; the sentences of all held-out pairs, both sides."""
    pairs = {}
    for language, code in TATOEBA.items():
        own, english = (lines_of(root / f"tatoeba.{code}-eng.{end}") for end in (code, "eng"))
        pairs[language] = list(zip(own, english, strict=True))
    # The three sets share English sentences, so what is apart for one language is apart for all.
    apart = {english for rows in pairs.values() for _, english in rows[-TATOEBA_HELD_OUT:]}
    for language, rows in pairs.items():
        kept = [row for row in rows if row[1] not in apart]
        for folder, chosen in (("parallel", kept), ("held-out", rows[-TATOEBA_HELD_OUT:])):
            write(out / f"{folder}/tatoeba-{language}.{language}", [own for own, _ in chosen])
            write(out / f"{folder}/tatoeba-{language}.en", [english for _, english in chosen])
    return apart | {own for rows in pairs.values() for own, _ in rows[-TATOEBA_HELD_OUT:]}


def further_pairs(files: list[list[str]], apart: set[str], out: Path) -> None:
    """One line an English sentence and its n-th translation into each language; held-out sentences are left out."""
    found: dict[str, dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    for language, name in files:
        for line in lines_of(Path(name)):
            english, own, *_ = [*line.split("\t"), "", ""]
            if english and own and english not in apart and own not in apart:
                found[english][language][own] = None
    languages = sorted({language for language, _ in files})
    rows = [
        (english, *translations)
        for english, by_language in found.items()
        for translations in zip_longest(*(by_language[language] for language in languages), fillvalue="")
    ]
    for column, language in enumerate(("en", *languages)):
        write(out / f"parallel/pairs.{language}", [row[column] for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--multi30k", type=Path, required=True, help="a copy of github.com/multi30k/dataset")
    parser.add_argument("--tatoeba", type=Path, required=True, help="data/tatoeba/v1 of facebookresearch/LASER")
    parser.add_argument(
        "--pairs", nargs=2, action="append", default=[], metavar=("LANG", "FILE"), help="may be repeated"
    )
    parser.add_argument("--pictures", type=Path, help="a folder of Flickr8k photos, named as Flickr8k names them")
    arguments = parser.parse_args()
    files = sorted(arguments.pictures.glob("*.jpg")) if arguments.pictures else []
    multi30k(arguments.multi30k, {file.stem.partition("_")[0]: file for file in files}, arguments.out)
    apart = tatoeba(arguments.tatoeba, arguments.out)
    if arguments.pairs:
        further_pairs(arguments.pairs, apart, arguments.out)


if __name__ == "__main__":
    main()
