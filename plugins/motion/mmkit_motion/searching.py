"""A store of motions, asked with words: whole clips, and moments within long recordings.

A store of motions is a folder of two stores of the core: ``clips`` with a row a file, and ``moments`` with a row for
every few seconds of files that are longer than that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
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
    from mmkit.store.writer import StoreWriter
    from mmkit_motion.encoder import MotionEncoder

    #: A file, the key of its content, and its joints (T, 22, 3).
    _Read = tuple[Item, str, NDArray[np.float32]]

__all__ = ["Hit", "IndexReport", "Library", "index_motions", "reason_of"]

CLIPS: Final = "clips"
MOMENTS: Final = "moments"
#: Seconds of a moment, and from one to the next.
MOMENT_SECONDS: Final = 4.0
MOMENT_HOP: Final = 1.0
_MOMENT: Final = round(MOMENT_SECONDS * FPS)
_HOP: Final = round(MOMENT_HOP * FPS)
#: Files, and frames of them, that are encoded together.
_TOGETHER: Final = 32
_FRAMES_TOGETHER: Final = 32 * 60 * FPS
_MOMENTS_TOGETHER: Final = 256


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
    on_progress: Callable[[float], None] = lambda _: None,
) -> IndexReport:
    """Add motions to a store of motions, making it if there is none; what is there already is skipped.

    Args:
        moments: also keep the moments of files longer than ``MOMENT_SECONDS``.
        on_progress: told of files that are done, and of shares of a long one.

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
        waiting: list[_Read] = []

        def flush() -> None:
            if waiting:
                # Moments first: a clip that is in the store counts as done, whenever this process is killed.
                for item, key, joints in waiting:
                    if moments and _has_moments(joints):
                        report.moments += _add_moments(encoder, parts, item, key, joints, on_progress)
                parts.flush()
                report.clips += _add_clips(encoder, clips, waiting)
                waiting.clear()

        for item in items:
            counted = 1
            try:
                if isinstance(item, Failure):
                    report.failures.append(item)
                    continue
                key = content_key(
                    content_of(item), settings=f"motion {rate} {moments}", fingerprint=encoder.spec.fingerprint
                )
                if clips.has(key, _name(item)):
                    report.unchanged += 1
                    continue
                waiting.append((item, key, _joints(item, rate)))
                # A long recording is counted as its moments are, and not kept waiting for others.
                counted = 0 if moments and _has_moments(waiting[-1][2]) else 1
            except MmkitError as error:
                if strict:
                    raise
                report.failures.append(Failure(item.id, reason_of(error)))
            finally:
                on_progress(counted)
            if len(waiting) >= _TOGETHER or sum(len(joints) for _, _, joints in waiting) > _FRAMES_TOGETHER:
                flush()
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
        for record, score in zip(records, matches.scores[0], strict=False):
            metadata = record["metadata"]
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


def _name(item: Item) -> str:
    return os.path.abspath(item.path) if item.path is not None else item.id


def _add_clips(encoder: MotionEncoder, clips: StoreWriter, read: Sequence[_Read]) -> int:
    """Keep a vector of each whole recording; how many are new."""
    names, keys = [_name(item) for item, _, _ in read], [key for _, key, _ in read]
    vectors = encoder.encode([encoder.lamp.motion_input(joints) for _, _, joints in read], "motion")
    spans = [{"start": 0.0, "end": round(len(joints) / FPS, 2)} for _, _, joints in read]
    return clips.add(names, keys, names, vectors, "motion", spans)


def _add_moments(
    encoder: MotionEncoder,
    parts: StoreWriter,
    item: Item,
    key: str,
    joints: NDArray[np.float32],
    on_progress: Callable[[float], None],
) -> int:
    """Keep a vector of every few seconds of one recording; how many are new."""
    from mmkit_motion.lamp import windows

    name, added = _name(item), 0
    spans = windows(joints, _MOMENT, _HOP)
    for first in range(0, len(spans), _MOMENTS_TOGETHER):
        some = spans[first : first + _MOMENTS_TOGETHER]
        vectors = encoder.encode(encoder.lamp.moment_inputs(joints, some), "motion")
        times = [{"start": round(a / FPS, 2), "end": round(b / FPS, 2)} for a, b in some]
        ids = [f"{name}#t={t['start']},{t['end']}" for t in times]
        keys = [_moment_key(key, start) for start, _ in some]
        added += parts.add(ids, keys, [name] * len(some), vectors, "motion", times)
        on_progress(len(some) / len(spans))
    return added


def _has_moments(joints: NDArray[np.float32]) -> bool:
    return len(joints) > _MOMENT + _HOP


def _moment_key(key: str, start: int) -> str:
    import hashlib

    return hashlib.sha256(f"{key}#{start}".encode()).hexdigest()


def reason_of(error: MmkitError) -> str:
    """An error's line without the file, which stands beside it."""
    text = f"{error.what}; {error.mend}" if error.mend else error.what
    return " ".join(text.split())
