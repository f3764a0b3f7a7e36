"""Checking a store against its manifest: files, checksums, rows, vectors, names."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmkit.errors import MmkitError
from mmkit.store.files import leftovers
from mmkit.store.manifest import ShardEntry
from mmkit.store.shards import Shard
from mmkit.store.vectors import bad_rows
from mmkit.store.view import StoreView

__all__ = ["Problem", "VerifyReport", "verify"]

_SHOWN_ROWS = 5
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: in which file (or row of it), and what."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What ``Store.verify`` found.

    Attributes:
        problems: empty when the store is sound.
        rows, shards: how many live rows and shards the manifest names.
        leftovers: files of an interrupted writer, which harm nothing and go with the next write.
        deep: whether contents were read.
    """

    problems: tuple[Problem, ...]
    rows: int
    shards: int
    leftovers: tuple[str, ...]
    deep: bool

    @property
    def ok(self) -> bool:
        return not self.problems


def verify(view: StoreView, *, deep: bool = True) -> VerifyReport:
    """See ``Store.verify``."""
    problems: list[Problem] = []
    names: Counter[str] = Counter()
    modalities: Counter[str] = Counter()
    for entry in view.manifest.shards:
        found = list(_file_problems(view.path / entry.file, entry, deep=deep))
        if not found:
            try:
                shard = view.shard(entry)
            except MmkitError as error:
                found = [Problem(entry.file, error.what)]
            else:
                found = list(_row_problems(shard, view, names, modalities)) if deep else []
        problems.extend(found)
    # Counts of a store with an unreadable shard would only repeat that problem.
    if deep and not problems:
        problems.extend(Problem(f"row {name!r}", f"is there {n} times") for name, n in names.items() if n > 1)
        if dict(modalities) != dict(view.manifest.modalities):
            what = f"Expected {dict(view.manifest.modalities)}, but received {dict(modalities)}"
            problems.append(Problem("manifest.json", f"counts of modalities: {what}"))
    try:
        left = tuple(leftovers(view.path, view.manifest.files))
    except OSError as error:
        problems.append(Problem(".", f"cannot be listed: {error.strerror or error}"))
        left = ()
    return VerifyReport(tuple(problems), len(view), len(view.manifest.shards), left, deep)


def _file_problems(path: Path, entry: ShardEntry, *, deep: bool) -> Iterator[Problem]:
    """Size and checksum; a shard that fails either is not mapped."""
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            yield Problem(entry.file, f"Expected {entry.bytes} bytes, but received {size}")
        elif deep and (digest := _sha256(path)) != entry.sha256:
            yield Problem(entry.file, f"Expected sha256 {entry.sha256}, but received {digest}")
    except FileNotFoundError:
        yield Problem(entry.file, "is missing")
    except OSError as error:
        yield Problem(entry.file, f"cannot be read: {error.strerror or error}")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def _row_problems(shard: Shard, view: StoreView, names: Counter[str], modalities: Counter[str]) -> Iterator[Problem]:
    """Tombstones, nulls, vectors; counts names and modalities of live rows on the way."""
    entry = shard.entry
    deleted = int(entry.deleted_mask().sum())
    if deleted != entry.deleted:
        yield Problem(entry.file, f"Expected {entry.deleted} deleted rows, but received {deleted}")
        return
    try:
        shard.batch.validate(full=True)
    except ValueError as error:
        yield Problem(entry.file, f"is damaged: {error}")
        return
    for name in ("id", "source", "key", "modality", "vector"):
        if nulls := shard.column(name).null_count:
            yield Problem(entry.file, f"column {name} has {nulls} empty rows")
            return
    names.update(shard.column("id").to_pylist())
    modalities.update(shard.column("modality").to_pylist())
    yield from _vector_problems(shard, view)


def _vector_problems(shard: Shard, view: StoreView) -> Iterator[Problem]:
    vectors: Any = shard.vectors() if view.spec_fields.kind == "vector" else shard.tokens()[0]
    bad = bad_rows(vectors, view.spec_fields)
    unit = "row" if view.spec_fields.kind == "vector" else "token"
    for row, what in bad[:_SHOWN_ROWS]:
        yield Problem(f"{shard.entry.file}, {unit} {row}", what)
    if len(bad) > _SHOWN_ROWS:
        yield Problem(shard.entry.file, f"{len(bad) - _SHOWN_ROWS} more {unit}s like these")
