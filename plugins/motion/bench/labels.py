"""Content, style and side of Bandai-Namco's held-out takes, asked in words (folders of bench/corpus.py).

    python plugins/motion/bench/labels.py DIR

Content: of every sentence without a style, whether the first hit has its content. Style: of every sentence with a
style, whether the best of the hits with its content has its style. Sides: of every take and its mirror image, whether
the take scores higher with its own sentence than with the one of the mirror, and the mirror the other way round.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np
from mmkit_motion.lamp import Lamp
from mmkit_motion.reading import Clip, read_clip
from mmkit_motion.training.captions import CONTENTS, STYLES, caption, mirrored, style_of

#: Wordings that no training sentence has.
CONTENT_QUERIES = "a video of a human who {}"


def read(folder: Path) -> tuple[list[Clip], list[dict]]:
    records = [json.loads(line) for line in folder.with_suffix(".jsonl").read_text("utf-8").splitlines()]
    return [read_clip(folder / f"{record['id']}.npy") for record in records], records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    lamp, folder = Lamp(), parser.parse_args().folder
    clips, records = read(folder / "bandai")
    contents = np.array([record["content"] for record in records])
    styles = np.array([record["style"] for record in records])
    draw = random.Random(3)
    out: dict[str, float] = {}

    vectors = np.concatenate(lamp.clip_vectors(clips, best=False))

    def compare(rows: np.ndarray, texts: list[str]) -> np.ndarray:
        return rows @ lamp.text_vectors(lamp.text_inputs(texts)).T

    def groups(content: str) -> set[str]:
        # Some labels are one motion under two names, which no sentence tells apart.
        same = ({"dance-long", "dance-short"}, {"bye", "byebye"})
        return next((group for group in same if content in group), {content})

    asked = [(content, CONTENT_QUERIES.format(verb)) for content in sorted(set(contents)) for verb in CONTENTS[content]]
    scores = compare(vectors, [text for _, text in asked])
    first = contents[scores.argmax(0)]
    strict = [found == wanted for found, (wanted, _) in zip(first, asked, strict=True)]
    loose = [found in groups(wanted) for found, (wanted, _) in zip(first, asked, strict=True)]
    out["content R@1, by wording"] = float(np.mean(strict))
    out["content R@1, by wording, bye = byebye and short = long dance"] = float(np.mean(loose))
    own = [caption(content, None, draw) for content in contents]
    scores = compare(vectors, own)
    out["content R@1, a sentence a take"] = float(np.mean(contents[scores.argmax(0)] == contents))
    shuffled = np.random.default_rng(0).permutation(len(clips))
    out["content R@1, shuffled"] = float(np.mean(contents[scores.argmax(0)][shuffled] == contents))
    hits, chance = [], []
    for content in sorted(set(contents)):
        rows = np.flatnonzero(contents == content)
        there = sorted(set(styles[rows]) - {"normal"})
        if len(there) < 2:
            continue
        for style in there:
            texts = [f"a person {CONTENTS[content][0]} {manner}" for manner in STYLES[style_of(style)] if manner]
            some = compare(vectors[rows], texts)
            hits += list(styles[rows][some.argmax(0)] == style)
            chance += [float(np.mean(styles[rows] == style))] * len(texts)
    out["style given content R@1"] = float(np.mean(hits))
    out["style given content R@1, chance"] = float(np.mean(chance))
    clips, records = read(folder / "mirrored")
    vectors = np.concatenate(lamp.clip_vectors(clips, best=False))
    right = []
    for number in range(0, len(clips), 2):
        text = records[number]["captions"][0]
        pair = compare(vectors[number : number + 2], [text, mirrored(text)])
        right += [pair[0, 0] > pair[0, 1], pair[1, 1] > pair[1, 0]]
    out["left and right told apart"] = float(np.mean(right))
    out["takes"], out["mirrored takes"] = len(contents), len(clips)
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
