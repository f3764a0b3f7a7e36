"""The recordings that the bundled weights learn from, each with its sentences and the part that it belongs to."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from mmkit_motion.reading import read_clip
from mmkit_motion.skeleton import FPS
from numpy.typing import NDArray

from mmkit.errors import MmkitError

__all__ = ["Recording", "bandai_parts", "captioned_cmu", "described_cmu", "labelled_hdm05"]

TEST_SUBJECTS: Final = frozenset({"01", "02", "03"})
VALIDATION_SUBJECTS: Final = frozenset({"10", "32", "38", "49", "55", "88"})
#: Fewest frames of a clip, and of a piece of one.
SHORTEST: Final = 16
#: Most seconds of a recording whose only sentence is CMU's line on all of it.
_DESCRIBED_SECONDS: Final = 20.0

#: HDM05's classes in words.
HDM05: Final[dict[str, tuple[str, ...]]] = {
    "depositFloorR": (
        "a person bends down and puts something on the floor with the right hand",
        "someone crouches to set an object on the ground, right hand first",
        "a man lowers his right hand to the floor and stands up again",
    ),
    "elbowToKnee": (
        "a person brings the left elbow to the right knee",
        "someone lifts a knee and touches it with the opposite elbow",
        "a standing exercise, left elbow to raised right knee",
    ),
    "grabHighR": (
        "a person reaches up high with the right hand and grabs something",
        "someone takes an object from a high shelf with the right hand",
        "a man stretches his right arm up to grab something",
    ),
    "hopBothLegs": (
        "a person hops forward on both legs",
        "someone jumps once with both feet together",
        "a man does a small hop with both legs",
    ),
    "jogLeftCircle": (
        "a person jogs in a circle to the left",
        "someone runs along a curve to the left",
        "a man jogs a few steps, turning left",
    ),
    "kickLFront": (
        "a person kicks forward with the left leg",
        "someone does a front kick with the left foot",
        "a man kicks high in front of himself, left leg",
    ),
    "lieDownFloor": (
        "a person lies down on the floor",
        "someone gets down to the ground and lies on it",
        "a man sits down on the floor and then lies down",
    ),
    "rotateArmsBothBackward": (
        "a person swings both arms backward in circles",
        "someone rotates both arms backwards",
        "a man makes big backward circles with both arms",
    ),
    "sneak": (
        "a person sneaks forward",
        "someone creeps ahead with careful steps",
        "a man tiptoes forward, crouching",
    ),
    "squat": (
        "a person does a squat",
        "someone bends the knees deeply and stands up again",
        "a man squats down with the arms stretched forward",
    ),
    "throwBasketball": (
        "a person throws a basketball with both hands",
        "someone shoots a ball at a high hoop",
        "a man throws a ball up and forward",
    ),
}


@dataclass(frozen=True, slots=True)
class Recording:
    """A clip with its sentences.

    Attributes:
        joints: (T, 22, 3) metres at 20 frames a second.
        captions: each with the seconds within the clip that it is of; 0 and 0 is all of it.
    """

    name: str
    subject: str
    joints: NDArray[np.float32]
    captions: tuple[tuple[str, float, float], ...]

    @property
    def part(self) -> str:
        """Test, validation or train: whole subjects are kept apart."""
        if self.subject in TEST_SUBJECTS:
            return "test"
        return "validation" if self.subject in VALIDATION_SUBJECTS else "train"

    @property
    def whole(self) -> list[str]:
        """The sentences on all of it; where there are none, those on its pieces."""
        return [t for t, start, end in self.captions if not (start or end)] or [t for t, _, _ in self.captions]

    def pieces(self) -> Iterator[tuple[float, NDArray[np.float32], str]]:
        """Start, joints and sentence of every caption that is of a piece alone."""
        for text, start, end in self.captions:
            piece = self.joints[round(start * FPS) : round(end * FPS)]
            if len(piece) >= SHORTEST:
                yield start, piece, text


def bandai_parts(folder: Path) -> Iterator[tuple[Path, str, str, str]]:
    """File, content, style and part of every take: the last tenth of each content and style is the test."""
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


def captioned_cmu(cmu: Path, humanml: Path) -> Iterator[Recording]:
    """CMU's recordings that HumanML3D has captions for, cut as its index says."""
    spans = _spans(humanml / "index.csv")
    for trial, file in _trials(cmu).items():
        if trial not in spans or (joints := _joints(file)) is None:
            continue
        for name, start, end in spans[trial]:
            piece = joints[start:end]
            if len(joints) < end - 2:
                # Some copies hold only a part of a trial: enough of its beginning still fits what was said of it.
                piece = joints[: end - start] if start < 2 * FPS and len(joints) >= 0.6 * (end - start) else joints[:0]
            if len(piece) >= SHORTEST:
                captions = _captions(humanml / "texts" / f"{name}.txt")
                yield Recording(name, trial.split("_")[0], piece, tuple(captions))


def described_cmu(cmu: Path, humanml: Path, index: Path) -> Iterator[Recording]:
    """Short recordings without captions, outside the test, with the line that CMU's own index has on them."""
    spans, lines = _spans(humanml / "index.csv"), _descriptions(index)
    for trial, file in _trials(cmu).items():
        subject = trial.split("_")[0]
        if trial in spans or trial not in lines or subject in TEST_SUBJECTS:
            continue
        joints = _joints(file)
        if joints is not None and SHORTEST <= len(joints) <= _DESCRIBED_SECONDS * FPS:
            line = lines[trial]
            yield Recording(trial, subject, joints, ((line, 0.0, 0.0), (f"a person does this: {line}", 0.0, 0.0)))


def labelled_hdm05(folder: Path) -> Iterator[Recording]:
    """HDM05's cut recordings (``HDM_SUBJECT_classNReps_NUMBER_120.amc``) with sentences for their classes."""
    seen: set[str] = set()
    for file in sorted(folder.rglob("HDM_*.amc")):
        _, subject, label, *_ = file.stem.split("_")
        sentences = next((texts for name, texts in HDM05.items() if label.startswith(name)), None)
        if sentences is None or file.stem in seen or (joints := _joints(file)) is None or len(joints) < SHORTEST:
            continue
        seen.add(file.stem)
        yield Recording(file.stem, subject, joints, tuple((text, 0.0, 0.0) for text in sentences))


def _trials(cmu: Path) -> dict[str, Path]:
    """Files by ``SUBJECT_TRIAL``; an .amc takes the place of a .bvh."""
    files: dict[str, Path] = {}
    for file in (*sorted(cmu.rglob("*.bvh")), *sorted(cmu.rglob("*.amc"))):
        subject, _, trial = file.stem.partition("_")
        if subject.isdigit() and trial.isdigit():
            files[f"{int(subject):02d}_{int(trial):02d}"] = file
    return files


def _joints(file: Path) -> NDArray[np.float32] | None:
    try:
        return read_clip(file).joints
    except MmkitError as error:
        print(error)
        return None


def _spans(index: Path) -> dict[str, list[tuple[str, int, int]]]:
    """Name, first and last frame of HumanML3D's clips by CMU's trial."""
    spans: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    with index.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            parts = row["source_path"].split("/")
            if "CMU" in parts:
                trial = parts[-1].removesuffix("_poses.npy")
                name = row["new_name"].removesuffix(".npy")
                spans[trial].append((name, int(row["start_frame"]), int(row["end_frame"])))
    return spans


def _captions(file: Path) -> Iterator[tuple[str, float, float]]:
    for line in file.read_text("utf-8").splitlines():
        fields = line.split("#")
        if len(fields) == 4:
            start, end = (0.0 if field == "nan" else float(field) for field in fields[2:])
            yield " ".join(fields[0].lower().rstrip(". ").split()), start, end


def _descriptions(index: Path) -> dict[str, str]:
    """CMU's line on each trial, from the spreadsheet that goes with its BVH conversion."""
    lines = {}
    with index.open(encoding="utf-8", errors="replace") as file:
        for row in csv.reader(file):
            if len(row) > 1 and re.fullmatch(r"\d+_\d+", row[0]) and row[1].strip().lower() not in ("", "unknown"):
                lines[row[0]] = " ".join(row[1].lower().split())
    return lines
