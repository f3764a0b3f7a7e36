"""Build the training corpus and the test folders of the bundled weights from copies of the sources.

    python plugins/motion/bench/corpus.py --bandai DIR --cmu DIR --humanml DIR --out DIR

``--bandai`` is a copy of Bandai-Namco-Research-Motiondataset, ``--cmu`` any folder of CMU recordings named
``SUBJECT_TRIAL.amc`` (with their .asf) or ``.bvh``, ``--humanml`` holds HumanML3D's ``index.csv`` and ``texts/``.

CMU subjects 01-03 and the last tenth of the takes of each Bandai-Namco content and style are the test, and are in no
corpus; a few more of either are for validation. Writes ``corpus`` for training, and ``cmu``, ``bandai`` and
``mirrored`` with ``captions.jsonl`` for ``mmkit motion eval``.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from mmkit_motion.reading import read_clip
from mmkit_motion.skeleton import FPS, mirror
from mmkit_motion.training.captions import CONTENTS, STYLES, caption, mirrored, paced, style_of
from mmkit_motion.training.prepare import CorpusBuilder
from mmkit_motion.training.procedural import ACTIONS, draw_clip
from numpy.typing import NDArray

from mmkit.errors import MmkitError

TEST_SUBJECTS = {"01", "02", "03"}
VALIDATION_SUBJECTS = {"10", "16", "32", "38", "49", "55", "88"}
#: Shares of the draws in training.
SHARES = {"bandai": 0.40, "cmu": 0.33, "drawn": 0.27}
DRAWN = 36


def bandai_parts(folder: Path) -> Iterator[tuple[Path, str, str, str]]:
    """File, content, style and part of every take."""
    groups: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for file in sorted(folder.rglob("*.bvh")):
        name, content, style, _ = file.stem.split("_")
        groups[name, content, style].append(file)
    for (_, content, style), files in groups.items():
        count, last = len(files), max(1, round(len(files) / 10))
        for number, file in enumerate(files):
            part = "train"
            if count > 1 and number >= count - last:
                part = "test"
            elif count >= 10 and number >= count - 2 * last:
                part = "validation"
            yield file, content, style, part


def human_captions(file: Path) -> list[tuple[str, float, float]]:
    """Sentences with the seconds that they are of; 0 and 0 is all of the clip."""
    out = []
    for line in file.read_text("utf-8").splitlines():
        fields = line.split("#")
        if len(fields) == 4:
            start, end = (0.0 if field == "nan" else float(field) for field in fields[2:])
            out.append((" ".join(fields[0].lower().rstrip(". ").split()), start, end))
    return out


def cmu_clips(
    cmu: Path, humanml: Path
) -> Iterator[tuple[str, str, NDArray[np.float32], list[tuple[str, float, float]]]]:
    """Name, subject, joints and captions of every captioned clip."""
    spans: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    with (humanml / "index.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            parts = row["source_path"].split("/")
            if "CMU" in parts:
                trial = parts[-1].removesuffix("_poses.npy")
                spans[trial].append(
                    (row["new_name"].removesuffix(".npy"), int(row["start_frame"]), int(row["end_frame"]))
                )
    files: dict[str, Path] = {}
    for file in sorted([*cmu.rglob("*.bvh"), *cmu.rglob("*.amc")]):  # an .amc takes the place of a .bvh
        subject, _, trial = file.stem.partition("_")
        if subject.isdigit() and trial.isdigit():
            files[f"{int(subject):02d}_{trial}"] = file
    for trial, file in files.items():
        if trial not in spans:
            continue
        try:
            joints = read_clip(file).joints
        except MmkitError as error:
            print(error)
            continue
        for name, start, end in spans[trial]:
            # Some copies hold only a part of a trial; its captions are of the whole.
            first, last = (start, end) if len(joints) >= end - 2 else (0, min(len(joints), 200))
            if last - first >= 16:
                yield name, trial.split("_")[0], joints[first:last], human_captions(humanml / "texts" / f"{name}.txt")


def write_test(folder: Path, rows: list[tuple[str, NDArray[np.float32], list[str], dict[str, str]]]) -> None:
    """Joints and captions for ``mmkit motion eval``."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.jsonl").open("w", encoding="utf-8") as out:
        for name, joints, captions, more in rows:
            np.save(folder / f"{name}.npy", joints)
            out.write(json.dumps({"id": name, "captions": captions, **more}) + "\n")
    print(folder, len(rows))


def add_bandai(builder: CorpusBuilder, folder: Path, draw: random.Random) -> list[tuple]:
    """Adds train and validation takes; returns the test's."""
    contents = {name: builder.label(name) for name in sorted(CONTENTS)}
    styles = {name: number for number, name in enumerate(sorted(STYLES))}
    rows = []
    for file, content, style, part in bandai_parts(folder):
        joints = read_clip(file).joints
        if part == "test":
            rows.append((file.stem, joints, content, style_of(style)))
            continue
        builder.takes.append(joints)
        for flipped in (False, True):
            shown = mirrored(content) if flipped else content
            for pace, share in ((1.0, 1.0), (0.75, 0.35), (1.3, 0.35)) if part == "train" else ((1.0, 1.0),):
                own = []
                for _ in range(14):
                    manner = style if draw.random() < 0.75 else None
                    text = paced(caption(shown, manner, draw), pace, draw)
                    told = manner is not None and style_of(style) != "normal"
                    own.append(builder.text(text, contents[shown], styles[style_of(style)] if told else -1))
                builder.clips.append(
                    {
                        "take": len(builder.takes) - 1,
                        "first": 0,
                        "last": len(joints),
                        "mirrored": flipped,
                        "speed": pace,
                        "texts": own,
                        "labels": [contents[shown], styles[style_of(style)]],
                        "part": part,
                        "weight": share,
                        "id": f"bandai {file.stem}",
                    }
                )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("bandai", "cmu", "humanml", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    draw, builder = random.Random(1), CorpusBuilder(1)
    held_out = add_bandai(builder, given.bandai, draw)
    plain = random.Random(2)
    rows = [(n, j, [caption(c, s, plain)], {"content": c, "style": s}) for n, j, c, s in held_out]
    write_test(given.out / "bandai", rows)
    both = []
    for name, joints, content, style in held_out:
        if mirrored(content) != content:
            text = caption(content, style, plain)
            both.append((name, joints, [text], {}))
            both.append((f"{name}-mirrored", mirror(joints).astype(np.float32), [mirrored(text)], {}))
    write_test(given.out / "mirrored", both)
    tests = []
    for name, subject, joints, captions in cmu_clips(given.cmu, given.humanml):
        whole = [text for text, start, end in captions if not (start or end)] or [text for text, _, _ in captions]
        if subject in TEST_SUBJECTS:
            tests.append((name, joints, whole, {}))
            continue
        part = "validation" if subject in VALIDATION_SUBJECTS else "train"
        builder.add_captioned(f"cmu {name}", joints, whole, part=part)
        for text, start, end in captions if part == "train" else ():
            piece = joints[round(start * FPS) : round(end * FPS)]
            if len(piece) >= 16:
                builder.add_captioned(f"cmu {name} {start}", piece, [text])
    write_test(given.out / "cmu", tests)
    for action in ACTIONS:
        for number in range(DRAWN):
            joints, texts = draw_clip(action, draw)
            builder.add_captioned(f"drawn {action} {number}", joints, texts)
    totals: dict[str, float] = defaultdict(float)
    for clip in builder.clips:
        totals[clip["id"].split()[0]] += clip["weight"] * (clip["part"] == "train")
    for clip in builder.clips:
        kind = clip["id"].split()[0]
        clip["weight"] *= 1000 * SHARES[kind] / totals[kind]
    builder.write(given.out / "corpus")
    print(given.out / "corpus", len(builder.clips), "clips", len(builder.texts), "texts")


if __name__ == "__main__":
    main()
