r"""Build the training corpus and the test folders of the bundled weights from copies of the sources.

    python plugins/motion/bench/corpus.py --bandai DIR --cmu DIR --humanml DIR --out DIR \
        [--cmu-index FILE] [--hdm05 DIR]

``--bandai`` is a copy of Bandai-Namco-Research-Motiondataset, ``--cmu`` any folder of CMU recordings named
``SUBJECT_TRIAL.amc`` (with their .asf) or ``.bvh``, ``--humanml`` holds HumanML3D's ``index.csv`` and ``texts/``,
``--cmu-index`` is the spreadsheet of CMU's descriptions as .csv, ``--hdm05`` holds HDM05's cut recordings.

CMU subjects 01-03 and the last tenth of the takes of each Bandai-Namco content and style are the test, and are in no
corpus; some more of either are for validation. Writes ``corpus`` for training, and ``cmu``, ``bandai`` and
``mirrored`` with their captions for ``mmkit motion eval``; ``bandai96`` is what its generation is measured on.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sources
from mmkit_motion.reading import read_clip
from mmkit_motion.skeleton import mirror
from mmkit_motion.training.captions import CONTENTS, STYLES, caption, mirrored, paced, style_of
from mmkit_motion.training.prepare import CorpusBuilder
from mmkit_motion.training.procedural import ACTIONS, draw_clip
from numpy.typing import NDArray

#: Shares of the draws in training.
SHARES = {"bandai": 0.33, "cmu": 0.41, "described": 0.06, "hdm05": 0.06, "drawn": 0.14}
#: Drawn clips of each verb.
DRAWN = 24
#: Sentences that there are for one content, style and pace, and how many of them a clip has.
SENTENCES, OF_A_CLIP = 24, 10

Row = tuple[str, NDArray[np.float32], list[str], dict[str, str]]


def write_test(folder: Path, rows: Sequence[Row]) -> None:
    """Joints and captions for ``mmkit motion eval``."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.jsonl").open("w", encoding="utf-8") as out:
        for name, joints, captions, more in rows:
            np.save(folder / f"{name}.npy", joints)
            out.write(json.dumps({"id": name, "captions": captions, **more}) + "\n")
    print(folder, len(rows), flush=True)


class BandaiSentences:
    """The sentences of a content, style and pace: a few dozen of each, from which every take draws its own."""

    def __init__(self, builder: CorpusBuilder, draw: random.Random) -> None:
        self.builder, self.draw = builder, draw
        self.contents = {name: builder.label(name) for name in sorted(CONTENTS)}
        self.styles = {name: number for number, name in enumerate(sorted(STYLES))}
        self.pools: dict[tuple[str, str, float], list[int]] = {}

    def of(self, content: str, style: str, pace: float) -> list[int]:
        key = (content, style_of(style), pace)
        if key not in self.pools:
            self.pools[key] = [self._sentence(*key) for _ in range(SENTENCES)]
        return self.draw.sample(self.pools[key], OF_A_CLIP)

    def labels(self, content: str, style: str) -> list[int]:
        return [self.contents[content], self.styles[style_of(style)]]

    def _sentence(self, content: str, style: str, pace: float) -> int:
        manner = style if self.draw.random() < 0.75 else None
        text = paced(caption(content, manner, self.draw), pace, self.draw)
        told = manner is not None and style != "normal"
        return self.builder.text(text, self.contents[content], self.styles[style] if told else -1)


def add_bandai(builder: CorpusBuilder, folder: Path, draw: random.Random) -> list[tuple[Any, ...]]:
    """Adds train and validation takes; returns the test's."""
    sentences = BandaiSentences(builder, draw)
    rows = []
    for file, content, style, part in sources.bandai_parts(folder):
        joints = read_clip(file).joints
        if part == "test":
            rows.append((file.stem, joints, content, style_of(style)))
            continue
        builder.takes.append(joints)
        for flipped in (False, True):
            shown = mirrored(content) if flipped else content
            for pace, share in ((1.0, 1.0), (0.75, 0.35), (1.3, 0.35)) if part == "train" else ((1.0, 1.0),):
                builder.clips.append(
                    {
                        "take": len(builder.takes) - 1,
                        "first": 0,
                        "last": len(joints),
                        "mirrored": flipped,
                        "speed": pace,
                        "texts": sentences.of(shown, style, pace),
                        "labels": sentences.labels(shown, style),
                        "part": part,
                        "weight": share,
                        "id": f"bandai {file.stem}",
                    }
                )
    return rows


def bandai_tests(out: Path, held_out: Sequence[tuple[Any, ...]]) -> None:
    """The folders of the takes kept out: all, 96 for generation, and those that have a left and a right."""
    plain = random.Random(2)
    rows = [(n, j, [caption(c, s, plain)], {"content": c, "style": s}) for n, j, c, s in held_out]
    write_test(out / "bandai", rows)
    some = random.Random(3).sample(rows, min(96, len(rows)))
    (out / "bandai96.jsonl").write_text(
        "".join(json.dumps({"id": name, "captions": captions}) + "\n" for name, _, captions, _ in some), "utf-8"
    )
    both: list[Row] = []
    for name, joints, content, style in held_out:
        if mirrored(content) != content:
            text = caption(content, style, plain)
            both.append((name, joints, [text], {}))
            both.append((f"{name}-mirrored", mirror(joints).astype(np.float32), [mirrored(text)], {}))
    write_test(out / "mirrored", both)


def add_recordings(builder: CorpusBuilder, kind: str, found: Sequence[sources.Recording]) -> None:
    """Adds what is not the test's: whole clips, and in training the pieces that a caption is of."""
    for clip in found:
        if clip.part == "test":
            continue
        builder.add_captioned(f"{kind} {clip.name}", clip.joints, clip.whole, part=clip.part)
        for start, piece, text in clip.pieces() if clip.part == "train" else ():
            builder.add_captioned(f"{kind} {clip.name} {start}", piece, [text])


def weigh(builder: CorpusBuilder) -> None:
    """Give each kind of clip its share of the draws, whatever the number of its clips."""
    totals: dict[str, float] = defaultdict(float)
    for clip in builder.clips:
        totals[clip["id"].split()[0]] += clip["weight"] * (clip["part"] == "train")
    for clip in builder.clips:
        kind = clip["id"].split()[0]
        clip["weight"] *= 1000 * SHARES[kind] / max(totals[kind], 1e-9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("bandai", "cmu", "humanml", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--cmu-index", type=Path)
    parser.add_argument("--hdm05", type=Path)
    given = parser.parse_args()
    draw, builder = random.Random(1), CorpusBuilder(1)
    captioned = list(sources.captioned_cmu(given.cmu, given.humanml))
    write_test(given.out / "cmu", [(c.name, c.joints, c.whole, {}) for c in captioned if c.part == "test"])
    add_recordings(builder, "cmu", captioned)
    if given.cmu_index:
        described = list(sources.described_cmu(given.cmu, given.humanml, given.cmu_index))
        add_recordings(builder, "described", [c for c in described if c.part == "train"])
    if given.hdm05:
        add_recordings(builder, "hdm05", list(sources.labelled_hdm05(given.hdm05)))
    bandai_tests(given.out, add_bandai(builder, given.bandai, draw))
    for action in ACTIONS:
        for number in range(DRAWN):
            joints, texts = draw_clip(action, draw)
            builder.add_captioned(f"drawn {action} {number}", joints, texts)
    weigh(builder)
    counts = Counter((clip["id"].split()[0], clip["part"]) for clip in builder.clips if not clip["mirrored"])
    print(dict(counts), len(builder.takes), "takes", len(builder.texts), "texts", flush=True)
    builder.write(given.out / "corpus")
    print(given.out / "corpus", flush=True)


if __name__ == "__main__":
    main()
