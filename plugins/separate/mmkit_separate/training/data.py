"""Training data on disk: folders of sounds with labels, captions or pictures, and query vectors for them.

A data folder holds one folder a label with sound files in it, or ``sounds.jsonl`` with a line a sound:

    {"file": "a/bark.ogg", "label": "dog", "phrases": ["a dog barks"], "source": "rex", "note": false,
     "domain": "everyday", "start": 0.0, "seconds": 5.0, "pictures": ["a/bark.jpg"]}

Only ``file`` and one of ``label``, ``caption`` or ``captions`` are needed; a caption is a label of its own.

Legend: L labels, V vectors, D dims.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmkit.config import Settings
from mmkit.encoders import encoder as load_encoder
from mmkit.errors import BadInput, MmkitError, UsageError
from mmkit.media.audio import read_audio
from mmkit.types import Failure, Item, Modality
from mmkit_separate.training.pool import Sound

__all__ = ["RATE", "TrainingData", "label_queries", "modality_statistics", "read_data"]

RATE: Final = 32000
_SOUNDS: Final = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif"})
_PICTURES: Final = (".jpg", ".jpeg", ".png", ".webp")
#: Text queries: each phrase as it stands and in these frames.
_TEMPLATES: Final = (
    "{}",
    "the sound of {}",
    "a recording of {}",
    "{} sound",
    "a photo of {}",
    "{} in the background",
    "an audio clip of {}",
    "i hear {}",
    "only the {}",
)
_MOST_SECONDS: Final = 30.0


@dataclass(slots=True)
class TrainingData:
    """Attributes:
    sounds: mono at ``RATE``.
    phrases: label -> texts that mean it.
    pictures: label -> files that show it.
    domains: name -> its labels.
    """

    sounds: list[Sound] = field(default_factory=list)
    phrases: dict[str, list[str]] = field(default_factory=dict)
    pictures: dict[str, list[Path]] = field(default_factory=dict)
    domains: dict[str, list[str]] = field(default_factory=dict)


def read_data(folders: Sequence[Path], *, failures: list[Failure]) -> TrainingData:
    """All sounds of some folders.

    Raises:
        UsageError: a folder is missing, or a line of sounds.jsonl has another form.
        BadInput: fewer than two labels have a sound that can be read.
    """
    data = TrainingData()
    for folder in folders:
        if not folder.is_dir():
            raise UsageError("is not a folder", where=str(folder))
        rows = _listed(folder / "sounds.jsonl") if (folder / "sounds.jsonl").is_file() else _found(folder)
        for row in rows:
            try:
                sound = _sound(folder, row)
            except MmkitError as error:
                failures.append(Failure(str(folder / str(row["file"])), str(error)))
                continue
            _add(data, folder, row, sound)
    if len(data.phrases) < 2:
        raise BadInput(
            f"Expected sounds of two labels or more, but received {len(data.phrases)}",
            where=", ".join(map(str, folders)),
            mend="a folder a label, or sounds.jsonl",
        )
    return data


def _listed(file: Path) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            captions = row.get("captions") or ([row["caption"]] if "caption" in row else [])
            row["label"] = str(row.get("label") or captions[0])
            row["phrases"] = [*map(str, row.get("phrases", [])), *map(str, captions)]
            row["file"] = str(row["file"])
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise UsageError("Expected an object with file and label or captions", where=f"{file}:{number}") from error
        rows.append(row)
    return rows


def _found(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in _SOUNDS and file.parent != folder:
            name = file.relative_to(folder)
            beside = [file.with_suffix(suffix) for suffix in _PICTURES]
            frames = file.with_suffix("")
            shown = [p for p in beside if p.is_file()]
            if frames.is_dir():
                shown += [p for p in sorted(frames.iterdir()) if p.suffix.lower() in _PICTURES]
            rows.append(
                {
                    "file": str(name),
                    "label": name.parts[0].replace("_", " "),
                    "pictures": [str(p.relative_to(folder)) for p in shown],
                }
            )
    return rows


def _sound(folder: Path, row: Mapping[str, Any]) -> Sound:
    samples, _ = read_audio(folder / row["file"], rate=RATE, mono=True)
    start = round(float(row.get("start", 0)) * RATE)
    length = round(float(row.get("seconds", _MOST_SECONDS)) * RATE)
    piece = samples[0, start : start + length]
    level = float(np.sqrt(np.square(piece, dtype=np.float64).mean())) if len(piece) else 0.0
    if level < 1e-6:
        raise BadInput("is silent", where=str(row["file"]))
    # Half precision holds the samples later: an even level keeps its rounding far below them.
    gain = min(0.08 / level, 0.9 / max(float(np.abs(piece).max()), 1e-6))
    return Sound(str(row["label"]), piece * np.float32(gain), str(row.get("source", "")), bool(row.get("note", False)))


def _add(data: TrainingData, folder: Path, row: Mapping[str, Any], sound: Sound) -> None:
    data.sounds.append(sound)
    known = data.phrases.setdefault(sound.label, [])
    for phrase in (*row.get("phrases", ()), sound.label):
        if phrase not in known:
            known.append(str(phrase))
    data.pictures.setdefault(sound.label, []).extend(folder / str(name) for name in row.get("pictures", ()))
    domain = data.domains.setdefault(str(row.get("domain", "all")), [])
    if sound.label not in domain:
        domain.append(sound.label)


def label_queries(
    data: TrainingData, modality: Modality, encoder: str, *, chosen: Settings, seed: int = 0, texts: int = 4
) -> tuple[NDArray[np.float32], list[list[int]]]:
    """Vectors (V, D) of one modality and for each label, in the order of ``data.phrases``, the rows that mean it.

    Args:
        texts: phrasings for each phrase of a label; the first is the phrase itself.

    Raises:
        BadInput: pictures are asked for, and a label has none.
    """
    chance = np.random.default_rng(seed)
    items: list[Item] = []
    rows: list[list[int]] = []
    for label, phrases in data.phrases.items():
        begin = len(items)
        if modality == "text":
            for phrase in phrases:
                others = chance.permutation(np.arange(1, len(_TEMPLATES)))[: texts - 1]
                items += [Item.from_text(_TEMPLATES[place].format(phrase)) for place in (0, *others)]
        else:
            items += [Item.from_path(file, "image") for file in data.pictures.get(label, [])]
        if len(items) == begin:
            raise BadInput("has no picture", where=label, mend="put one beside each sound, with the same name")
        rows.append(list(range(begin, len(items))))
    return _encoded(items, modality, encoder, chosen), rows


def modality_statistics(
    folder: Path, encoder: str, *, chosen: Settings, most: int = 1500
) -> dict[Modality, NDArray[np.float32]]:
    """By modality the mean and the standard deviation (2, D) of pictures and their captions.

    Args:
        folder: pictures with captions.jsonl, of anything but what the tests ask for.
    """
    rows = [json.loads(line) for line in (folder / "captions.jsonl").read_text("utf-8").splitlines() if line][:most]
    captions = [(row.get("captions") or [row.get("caption")])[0] for row in rows]
    texts = _encoded([Item.from_text(str(caption)) for caption in captions], "text", encoder, chosen)
    images = _encoded([Item.from_path(folder / row["file"], "image") for row in rows], "image", encoder, chosen)
    return {"text": np.stack([texts.mean(0), texts.std(0)]), "image": np.stack([images.mean(0), images.std(0)])}


def _encoded(items: Sequence[Item], modality: Modality, encoder: str, chosen: Settings) -> NDArray[np.float32]:
    loaded = load_encoder(encoder, device=chosen.device, dtype=chosen.dtype, offline=chosen.offline)
    parts = []
    for start in range(0, len(items), 64):
        prepared = [loaded.prepare(item) for item in items[start : start + 64]]
        parts.append(loaded.encode(prepared, modality).vectors)
    return np.concatenate(parts)
