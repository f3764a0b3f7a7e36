"""A store of motions, asked with words: whole clips, and moments within long recordings.

A store of motions is a folder of two stores of the core: ``clips`` with a row a file, and ``moments`` with a row for
every few seconds of files that are longer than that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmkit.errors import MmkitError, StoreError
from mmkit.types import Failure, Item
from mmkit_motion.skeleton import FPS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mmkit.store import Store
    from mmkit_motion.encoder import MotionEncoder

__all__ = ["Hit", "IndexReport", "Library", "index_motions", "reason_of"]

CLIPS: Final = "clips"
MOMENTS: Final = "moments"
#: Seconds of a moment, and from one to the next.
MOMENT_SECONDS: Final = 4.0
MOMENT_HOP: Final = 1.0
_TOGETHER: Final = 32


@dataclass(frozen=True, slots=True)
class Hit:
    """A motion that matched.

    Attributes:
        start, end: seconds within the file.
    """

    rank: int
    score: float
    source: str
    start: float
    end: float


@dataclass(slots=True)
class IndexReport:
    """What ``index_motions`` did."""

    clips: int = 0
    moments: int = 0
    unchanged: int = 0
    failures: list[Failure] = field(default_factory=list)


def index_motions(
    folder: Path,
    encoder: MotionEncoder,
    items: Iterable[Item | Failure],
    *,
    rate: float | None = None,
    moments: bool = True,
    overwrite: bool = False,
    strict: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> IndexReport:
    """Add motions to a store of motions, making it if there is none; what is there already is skipped.

    Args:
        moments: also keep the moments of files longer than ``MOMENT_SECONDS``.

    Raises:
        SpaceMismatch: the store holds another space.
        StoreError: it is held by another writer, or the disk refuses.
        BadInput: under ``strict``.
    """
    from mmkit.media.inputs import content_of
    from mmkit.store import Store, content_key

    report = IndexReport()
    stores = [_store(folder / name, encoder, overwrite=overwrite) for name in (CLIPS, MOMENTS)]
    assert all(isinstance(store, Store) for store in stores)
    with stores[0].writer() as clips, stores[1].writer() as parts:
        waiting: list[tuple[Item, str, NDArray[np.float32]]] = []

        def flush() -> None:
            if waiting:
                _write(encoder, clips, parts, waiting, report, moments=moments)
                waiting.clear()

        for item in items:
            if isinstance(item, Failure):
                report.failures.append(item)
                continue
            try:
                name = os.path.abspath(item.path) if item.path is not None else item.id
                key = content_key(
                    content_of(item), settings=f"motion {rate} {moments}", fingerprint=encoder.spec.fingerprint
                )
                if clips.has(key, name):
                    report.unchanged += 1
                else:
                    waiting.append((item, key, _joints(item, rate)))
            except MmkitError as error:
                if strict:
                    raise
                report.failures.append(Failure(item.id, reason_of(error)))
            if len(waiting) >= _TOGETHER:
                flush()
            if on_progress is not None:
                on_progress(1)
        flush()
    return report


class Library:
    """A store of motions opened for questions; its vectors are read once and kept.

    Raises:
        StoreError: there is no such store.
        SpaceMismatch: it was made by other weights.
    """

    def __init__(self, folder: Path, encoder: MotionEncoder) -> None:
        from mmkit.store import Store

        if not (folder / CLIPS / "manifest.json").is_file():
            raise StoreError(
                "is no store of motions", where=str(folder), mend=f"make one: mmkit motion index DIR --out {folder}"
            )
        self.encoder = encoder
        self._stores: dict[str, Store] = {name: Store.open(folder / name) for name in (CLIPS, MOMENTS)}
        for name, store in self._stores.items():
            store.spec_fields.refuse(_fields(encoder, store), where=str(folder / name))
        self._vectors: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self._stores[CLIPS])

    def load(self, *, moments: bool = False) -> None:
        """Load weights and vectors now, so that the first search takes no longer than the next."""
        self.search("a person walks", k=1, moments=moments)

    def search(self, text: str, *, k: int = 10, moments: bool = False, threshold: float | None = None) -> list[Hit]:
        """The ``k`` best clips for a text, or with ``moments`` the best seconds, none overlapping another.

        Files too short to have moments take part as a whole.
        """
        item = Item.from_text(text)
        query = self.encoder.encode([self.encoder.prepare(item)], "text")
        names = (CLIPS, MOMENTS) if moments else (CLIPS,)
        found: list[tuple[float, str, float, float, bool]] = []
        for name in names:
            found += self._best(name, query, 8 * k if moments else k, threshold)
        found.sort(key=lambda one: -one[0])
        if moments:
            found = list(_apart(found))
        return [Hit(rank, *one[:4]) for rank, one in enumerate(found[:k], 1)]

    def _best(
        self, name: str, query: Any, k: int, threshold: float | None
    ) -> list[tuple[float, str, float, float, bool]]:
        from mmkit.match import match

        store = self._stores[name]
        if not len(store):
            return []
        if name not in self._vectors:
            self._vectors[name] = store.vectors()
        scorer = "maxsim" if self.encoder.spec.kind == "multivector" else "cosine"
        matches = match(query, self._vectors[name], min(k, len(store)), scorer, threshold)
        rows = [int(row) for row in matches.indices[0] if row >= 0]
        records = store.rows(rows)
        out = []
        for row, record, score in zip(rows, records, matches.scores[0], strict=False):
            metadata = record["metadata"]
            del row
            start, end = float(metadata["start"]), float(metadata["end"])
            out.append((float(score), record["source"], start, end, name == MOMENTS))
        return out


def _apart(found: list[tuple[float, str, float, float, bool]]) -> Iterator[tuple[float, str, float, float, bool]]:
    """Best first, without what overlaps a better one; a long file's whole gives way to its moments."""
    long = {source for _, source, _, _, moment in found if moment}
    kept: list[tuple[str, float, float]] = []
    for one in found:
        _, source, start, end, moment = one
        if not moment and source in long:
            continue
        if any(s == source and start < e and b < end for s, b, e in kept):
            continue
        kept.append((source, start, end))
        yield one


def _store(path: Path, encoder: MotionEncoder, *, overwrite: bool) -> Store:
    from mmkit.store import Store

    path.parent.mkdir(parents=True, exist_ok=True)
    if overwrite:
        return Store.create(path, encoder.spec, overwrite=True)
    return Store.open_or_create(path, encoder.spec)


def _fields(encoder: MotionEncoder, store: Store) -> Any:
    from mmkit.store.manifest import SpecFields

    return SpecFields.of(encoder.spec, store.spec_fields.dtype)


def _joints(item: Item, rate: float | None) -> NDArray[np.float32]:
    from mmkit_motion.reading import read_clip

    return read_clip(item, rate=rate).joints


def _write(
    encoder: MotionEncoder,
    clips: Any,
    parts: Any,
    waiting: list[tuple[Item, str, NDArray[np.float32]]],
    report: IndexReport,
    *,
    moments: bool,
) -> None:
    from mmkit_motion.lamp import windows

    lamp = encoder.lamp
    names = [os.path.abspath(item.path) if item.path is not None else item.id for item, _, _ in waiting]
    whole = encoder.encode([lamp.motion_input(joints) for _, _, joints in waiting], "motion")
    about = [{"start": 0.0, "end": round(len(joints) / FPS, 2)} for _, _, joints in waiting]
    report.clips += clips.add(names, [key for _, key, _ in waiting], names, whole, "motion", about)
    if not moments:
        return
    length, hop = round(MOMENT_SECONDS * FPS), round(MOMENT_HOP * FPS)
    for name, (_, key, joints) in zip(names, waiting, strict=True):
        if len(joints) <= length + hop:
            continue
        spans = windows(joints, length, hop)
        for first in range(0, len(spans), 256):
            some = spans[first : first + 256]
            vectors = encoder.encode([lamp.motion_input(joints[a:b]) for a, b in some], "motion")
            times = [{"start": round(a / FPS, 2), "end": round(b / FPS, 2)} for a, b in some]
            ids = [f"{name}#t={t['start']},{t['end']}" for t in times]
            report.moments += parts.add(
                ids, [_moment_key(key, a) for a, _ in some], [name] * len(some), vectors, "motion", times
            )


def _moment_key(key: str, start: int) -> str:
    import hashlib

    return hashlib.sha256(f"{key}#{start}".encode()).hexdigest()


def reason_of(error: MmkitError) -> str:
    """An error's line without the file, which stands beside it."""
    text = f"{error.what}; {error.mend}" if error.mend else error.what
    return " ".join(text.split())
