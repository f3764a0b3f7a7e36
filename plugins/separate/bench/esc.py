"""Lists of pairs of one fold of ESC-10: all pairs of classes, by words, paraphrases and pictures.

    python bench/esc.py ESC-10 --fold 5 --clips 8 --out lists [--pictures pictures/test]

ESC-10 is github.com/karolpiczak/ESC-10 at commit 553c8f1. For each ordered pair of classes and each k below --clips,
clip k of the first in alphabetical order is mixed with clip k + i + j of the other (i, j: numbers of the classes), so
that both orders ask for the two sounds of one mixture. Two clips under a Sampling+ licence are left out.
The pictures of a class (``pictures.py`` gathers them) take turns, one a pair.
"""

from __future__ import annotations

import argparse
from pathlib import Path

LEFT_OUT = {"1-40730-A", "2-96460-A"}
QUERIES = {
    "001": ("dog barking", ("a hound barking", "dog", "barking sounds")),
    "002": ("rain", ("a downpour", "rain drops hitting the ground", "the sound of a rainstorm")),
    "003": ("sea waves", ("ocean surf", "the sound of the sea at the coast", "waves rolling onto a beach")),
    "004": ("baby crying", ("an infant wailing", "a newborn baby weeping", "the cries of a baby")),
    "005": ("clock ticking", ("tick tock", "ticking of a clock", "the hands of a watch ticking")),
    "006": ("person sneezing", ("a sneezing person", "somebody goes achoo", "a loud sneeze")),
    "007": ("helicopter", ("a chopper flying overhead", "spinning helicopter blades", "helicopter noise")),
    "008": ("chainsaw", ("chain saw noise", "a motor saw cutting a log", "sawing trees with a chain saw")),
    "009": ("rooster crowing", ("cock-a-doodle", "a crowing cockerel", "the crow of a rooster at dawn")),
    "010": ("fire crackling", ("a burning fireplace", "crackle of a wood fire", "a campfire burning")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("esc", type=Path)
    parser.add_argument("--fold", type=int, default=5)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--pictures", type=Path, help="a folder with one folder of pictures a class")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    folders = sorted(p for p in given.esc.iterdir() if p.is_dir() and p.name[:3] in QUERIES)
    clips = [[p for p in sorted(f.glob(f"{given.fold}-*.ogg")) if p.stem not in LEFT_OUT] for f in folders]
    seen = sorted(given.pictures.resolve().glob("*/*")) if given.pictures else []
    pictures = {label: [p for p in seen if p.parent.name == label] for label in {p.parent.name for p in seen}}
    lists: dict[str, list[str]] = {"words": [], "paraphrases": [], "pictures": [], "words-for-pictures": []}
    for i, one in enumerate(folders):
        for j, other in enumerate(folders):
            if i == j:
                continue
            for k in range(given.clips):
                first, second = (k, k + i + j) if i < j else (k + i + j, k)
                target = clips[i][first % len(clips[i])].relative_to(given.esc)
                rest = clips[j][second % len(clips[j])].relative_to(given.esc)
                number, label = one.name[:3], one.name[6:].lower()
                words, others = QUERIES[number]
                row = f"{target}\t{rest}\t{label}"
                lists["words"].append(f"{words}\t{row}")
                lists["paraphrases"].append(f"{others[(i + j + k) % len(others)]}\t{row}")
                if label in pictures and other.name[6:].lower() in pictures:
                    lists["pictures"].append(f"{pictures[label][(i + j + k) % len(pictures[label])]}\t{row}")
                    lists["words-for-pictures"].append(f"{words}\t{row}")
    given.out.mkdir(parents=True, exist_ok=True)
    for name, rows in lists.items():
        if rows:
            (given.out / f"{name}.tsv").write_text("\n".join(rows) + "\n")
            print(f"{name}: {len(rows)} pairs")


if __name__ == "__main__":
    main()
