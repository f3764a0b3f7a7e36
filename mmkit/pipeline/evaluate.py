"""Measure an encoder on a folder of one's own: retrieval with captions, and zero-shot classification.

Legend: N pictures, M captions, C classes.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mmkit.config import Settings
from mmkit.encoders.base import Encoder, require
from mmkit.errors import BadInput, UsageError
from mmkit.pipeline.classify import build_classifier
from mmkit.pipeline.embedding import embed_items
from mmkit.pipeline.metrics import best_ranks, rank_summary, top_k_accuracy
from mmkit.types import Failure, Item

__all__ = ["CaptionedFile", "class_names", "evaluate_retrieval", "evaluate_zero_shot", "read_captions"]

_SHUFFLE_SEED: Final = 0
_WORDNET_ID: Final = re.compile(r"\An\d{8}[\s_.-]+")
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class CaptionedFile:
    """A line of ``captions.jsonl``: a file below the root, and its captions."""

    file: str
    captions: tuple[str, ...]


def read_captions(path: Path) -> list[CaptionedFile]:
    """Read lines ``{"file": ..., "captions": [...]}``.

    Raises:
        BadInput: naming the file and line of the first line that is not of that form.
    """
    entries: list[CaptionedFile] = []
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}", where=str(path)) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            captions = record["captions"]
            entry = CaptionedFile(record["file"], tuple(captions))
        except (ValueError, TypeError, KeyError) as error:
            raise BadInput('Expected {"file": "…", "captions": ["…"]}', where=f"{path}:{number}") from error
        texts = isinstance(captions, list) and all(isinstance(caption, str) for caption in captions)
        if not isinstance(entry.file, str) or not captions or not texts:
            raise BadInput("Expected a file name and at least one caption, all texts", where=f"{path}:{number}")
        entries.append(entry)
    if not entries:
        raise BadInput("Expected at least one line", where=str(path))
    return entries


def evaluate_retrieval(
    encoder: Encoder,
    root: Path,
    entries: Sequence[CaptionedFile],
    *,
    chosen: Settings | None = None,
    failures: list[Failure] | None = None,
) -> dict[str, Any]:
    """Text-to-picture and picture-to-text retrieval over the whole gallery, and the same with shuffled pairs.

    Every caption is a query for its one picture; every picture is a query for the best-ranked of its captions.
    The control pairs each caption with another picture by a fixed permutation: what it reaches is chance.

    Returns:
        ``text_to_image``, ``image_to_text`` and ``shuffled``, each with R@1, R@5, R@10 and median_rank.

    Raises:
        BadInput: a file cannot be read and no ``failures`` list was given, or none can be read at all.
        UsageError: the encoder does not encode both.
    """
    import numpy as np

    require(encoder.spec, modalities=["image", "text"], purpose="retrieval")
    items = (Item.from_path(root / entry.file, "image") for entry in entries)
    pictures = embed_items(encoder, items, chosen=chosen, failures=failures)
    # Rows keep the order of the entries, less those that cannot be read; a file may have several entries.
    readable = deque(pictures.ids)
    kept = [entry for entry in entries if readable and readable[0] == str(root / entry.file) and readable.popleft()]
    if not kept:
        raise BadInput(f"none of the pictures can be read{_first(failures)}", where=str(root))
    captions = [(caption, row) for row, entry in enumerate(kept) for caption in entry.captions]
    texts = embed_items(encoder, (Item.from_text(caption) for caption, _ in captions), chosen=chosen)
    picture_of = np.array([row for _, row in captions], np.int64)
    other = _derangement(len(kept))
    forward = best_ranks(texts.vectors, pictures.vectors, picture_of[:, None])
    backward = best_ranks(pictures.vectors, texts.vectors, _captions_of(picture_of, len(kept)))
    shuffled_forward = best_ranks(texts.vectors, pictures.vectors, other[picture_of][:, None])
    shuffled_backward = best_ranks(pictures.vectors, texts.vectors, _captions_of(other[picture_of], len(kept)))
    return {
        "encoder": encoder.spec.name,
        "images": len(kept),
        "captions": len(captions),
        "text_to_image": rank_summary(forward),
        "image_to_text": rank_summary(backward),
        "shuffled": {
            **rank_summary(shuffled_forward),
            "text_to_image": rank_summary(shuffled_forward),
            "image_to_text": rank_summary(shuffled_backward),
        },
        "chance": {f"R@{k}": min(1.0, k / len(kept)) for k in (1, 5, 10)},
    }


def _first(failures: list[Failure] | None) -> str:
    """The first failure as an example, to hang on to a sentence."""
    return f", such as {failures[0].id}: {failures[0].reason}" if failures else ""


def _captions_of(picture_of: Any, pictures: int) -> list[list[int]]:
    rows: list[list[int]] = [[] for _ in range(pictures)]
    for caption, picture in enumerate(picture_of):
        rows[picture].append(caption)
    return rows


def _derangement(count: int) -> Any:
    """A permutation that leaves nothing in its place, where there are two things or more."""
    import numpy as np

    order = np.random.default_rng(_SHUFFLE_SEED).permutation(count)
    moved = np.empty(count, np.int64)
    moved[order] = np.roll(order, 1)
    return moved


def class_names(folders: Sequence[str], listing: Path | None = None) -> dict[str, list[str]]:
    """The names that each class folder goes by.

    Args:
        folders: folder names, sorted; underscores become spaces and a WordNet id in front is dropped.
        listing: a JSON object ``{folder: name or [names]}``, or lines ``folder<TAB>name, synonym, …`` (a space does
            where the folder name has none), or one line of names a folder, in the sorted order of the folders.

    Raises:
        BadInput: a folder has no name in the listing.
    """
    if listing is None:
        return {folder: [_WORDNET_ID.sub("", folder).replace("_", " ")] for folder in folders}
    try:
        text = listing.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}", where=str(listing)) from error
    given = _named_lines(text, folders)
    if missing := [folder for folder in folders if not given.get(folder)]:
        raise BadInput(f"it names no class for the folder {missing[0]!r}", where=str(listing))
    return {folder: given[folder] for folder in folders}


def _named_lines(text: str, folders: Sequence[str]) -> dict[str, list[str]]:
    if text.lstrip().startswith("{"):
        try:
            table: Mapping[str, Any] = json.loads(text)
        except ValueError:
            return {}
        return {folder: _synonyms(names) for folder, names in table.items()}
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    known = set(folders)
    pairs = [line.split("\t", 1) if "\t" in line else line.split(" ", 1) for line in lines]
    if all(len(pair) == 2 and pair[0] in known for pair in pairs):
        return {folder: _synonyms(names) for folder, names in pairs}
    keyed = {pair[0]: _synonyms(pair[1]) for pair in pairs if len(pair) == 2 and pair[0] in known}
    if len(keyed) == len(known):
        return keyed
    return {folder: _synonyms(line) for folder, line in zip(folders, lines, strict=False)}


def _synonyms(names: Any) -> list[str]:
    listed = names if isinstance(names, list) else str(names).split(",")
    return [str(name).strip() for name in listed if str(name).strip()]


def evaluate_zero_shot(
    encoder: Encoder,
    root: Path,
    *,
    listing: Path | None = None,
    templates: Sequence[str] = (),
    chosen: Settings | None = None,
    failures: list[Failure] | None = None,
) -> dict[str, Any]:
    """Zero-shot accuracy on a folder with one subfolder a class.

    Returns:
        ``top1``, ``top5``, ``chance`` (of top-1), ``per_class`` top-1, and counts.

    Raises:
        UsageError: fewer than two class folders.
        BadInput: a picture cannot be read and no ``failures`` list was given.
    """
    import numpy as np

    require(encoder.spec, modalities=["image", "text"], purpose="zero-shot classification")
    folders = sorted(p.name for p in _listed(root) if p.is_dir() and not p.name.startswith("."))
    if len(folders) < 2:
        raise UsageError(f"Expected a folder a class, but found {len(folders)}", where=str(root))
    names = class_names(folders, listing)
    classifier = build_classifier(encoder, names, templates=templates, chosen=chosen)
    pictures = embed_items(encoder, _labelled(root, folders), chosen=chosen, failures=failures)
    if not len(pictures):
        raise BadInput(f"none of the pictures can be read{_first(failures)}", where=str(root))
    labels = np.array([folders.index(Path(name).relative_to(root).parts[0]) for name in pictures.ids])
    scores = pictures.vectors @ classifier.weights.T
    right = top_k_accuracy(scores, labels, 1)
    return {
        "encoder": encoder.spec.name,
        "images": len(labels),
        "classes": len(folders),
        "templates": list(classifier.templates),
        "top1": float(right.mean()),
        "top5": float(top_k_accuracy(scores, labels, 5).mean()),
        "chance": 1 / len(folders),
        "per_class": {
            name: float(right[labels == number].mean())
            for number, name in enumerate(folders)
            if np.any(labels == number)
        },
    }


def _listed(root: Path) -> list[Path]:
    try:
        return list(root.iterdir())
    except OSError as error:
        raise BadInput(error.strerror or str(error), where=str(root)) from error


def _labelled(root: Path, folders: Sequence[str]) -> Iterator[Item | Failure]:
    from mmkit.pipeline.sources import items_from

    for folder in folders:
        yield from items_from([str(root / folder)], modality="image")
