"""The manifest: what a store is and which shards it is made of, read and written as one JSON file."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from mmkit.errors import SpaceMismatch, StoreError
from mmkit.store.files import MANIFEST, SHARD_NAME, disk_errors, shown, write_atomically
from mmkit.types import EncoderSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DTYPES", "KINDS", "SCHEMA", "Manifest", "ShardEntry", "SpecFields", "read_manifest", "write_manifest"]

SCHEMA: Final = 1
_FORMAT: Final = "mmkit-store"
DTYPES: Final = ("float16", "float32")
KINDS: Final = ("vector", "multivector")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SpecFields:
    """What every vector of a store has in common.

    Attributes:
        encoder: full name of the encoder, for the reader; another encoder of the same space may add to the store.
        space, fingerprint: of the encoder; vectors of any other are refused.
        dim: D.
        kind: ``vector`` or ``multivector``.
        dtype: of the stored vectors, ``float16`` or ``float32``.
    """

    encoder: str
    space: str
    fingerprint: str
    dim: int
    kind: str = "vector"
    dtype: str = "float16"

    @classmethod
    def of(cls, spec: EncoderSpec, dtype: str) -> SpecFields:
        return cls(spec.name, spec.space, spec.fingerprint, spec.dim, spec.kind, dtype)

    def refuse(self, other: SpecFields, *, where: str) -> None:
        """Raises SpaceMismatch, naming both sides, unless vectors of ``other`` may be kept beside those of self."""
        names = ("space", "fingerprint", "dim", "kind")
        if any(getattr(self, n) != getattr(other, n) for n in names):
            raise SpaceMismatch(
                f"the store holds {self._described()}, but the encoder gives {other._described()}",
                where=where,
                mend="use the encoder the store was made with, or make another store",
            )

    def _described(self) -> str:
        print_ = self.fingerprint[:12] or "none"
        kind = "" if self.kind == "vector" else f", {self.kind}"
        return f"space {self.space!r} ({self.encoder}, fingerprint {print_}, {self.dim} dims{kind})"


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """One finished shard.

    Attributes:
        file: its name in the directory.
        rows: rows in the file, deleted ones included.
        bytes, sha256: of the file.
        deleted: how many of its rows are deleted.
        deletions: which: a bit a row, zlib, base64; empty when none is. The file itself never changes.
    """

    file: str
    rows: int
    bytes: int
    sha256: str
    deleted: int = 0
    deletions: str = ""

    @property
    def number(self) -> int:
        found = SHARD_NAME.fullmatch(self.file)
        assert found  # read_manifest refuses any other name
        return int(found[1])

    @property
    def live_rows(self) -> int:
        return self.rows - self.deleted

    def deleted_mask(self) -> NDArray[np.bool_]:
        """(rows,) bool, True where a row is deleted. Raises ValueError when ``deletions`` is damaged."""
        import numpy as np

        if not self.deletions:
            return np.zeros(self.rows, dtype=bool)
        size = (self.rows + 7) // 8
        try:
            packed = zlib.decompressobj().decompress(base64.b64decode(self.deletions, validate=True), size + 1)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if len(packed) != size:
            raise ValueError(f"Expected {size} bytes of deletions, but received {len(packed)}")
        return np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=self.rows).astype(bool)

    def without(self, rows: Collection[int]) -> ShardEntry:
        """The entry with these rows of the file deleted as well."""
        import numpy as np

        mask = self.deleted_mask()
        mask[np.fromiter(rows, dtype=np.int64, count=len(rows))] = True
        packed = zlib.compress(np.packbits(mask).tobytes())
        return replace(self, deleted=int(mask.sum()), deletions=base64.b64encode(packed).decode())


@dataclass(frozen=True, slots=True)
class Manifest:
    """A store at one moment.

    Attributes:
        spec: what its vectors have in common.
        shards: in the order of their rows.
        modalities: live rows of each modality.
        next_shard: number of the next new shard; never one that was in a manifest before, so that a reader with an
            older manifest cannot meet a different file under a name it knows.
        generation: grows by one with every change.
        provenance: mmkit version and UTC times of creation and last change.
        metadata: what the creator wished to keep.
    """

    spec: SpecFields
    shards: tuple[ShardEntry, ...] = ()
    modalities: Mapping[str, int] = field(default_factory=dict)
    next_shard: int = 1
    generation: int = 1
    provenance: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Live rows."""
        return sum(shard.live_rows for shard in self.shards)

    @property
    def files(self) -> set[str]:
        return {shard.file for shard in self.shards}

    def to_json(self) -> str:
        document = {
            "format": _FORMAT,
            "schema": SCHEMA,
            **asdict(self.spec),
            "rows": self.rows,
            "modalities": dict(self.modalities),
            "generation": self.generation,
            "next_shard": self.next_shard,
            "provenance": dict(self.provenance),
            "metadata": dict(self.metadata),
        }
        head = json.dumps(document, indent=2).removesuffix("\n}")
        # A shard a line: short enough to diff, and quick to write when there are thousands.
        shards = ",\n    ".join(json.dumps(_plain(shard)) for shard in self.shards)
        return f'{head},\n  "shards": [{shards}]\n}}\n'


def _plain(shard: ShardEntry) -> dict[str, Any]:
    return {
        "file": shard.file,
        "rows": shard.rows,
        "bytes": shard.bytes,
        "sha256": shard.sha256,
        "deleted": shard.deleted,
        "deletions": shard.deletions,
    }


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Switches the store to ``manifest`` in one rename. Raises OSError, before or after which it is whole."""
    write_atomically(directory / MANIFEST, manifest.to_json().encode())


def read_manifest(directory: Path) -> Manifest:
    """The manifest of the store in ``directory``.

    Raises:
        StoreError: there is no store, it cannot be read, it is damaged, or a newer mmkit made it.
    """
    path = directory / MANIFEST
    with disk_errors("read the store", path):
        try:
            text = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _absent(directory) from error
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"is not JSON ({error})", where=shown(path), mend=_RESTORE) from error
    try:
        return _parsed(document)
    except _NewerSchema as error:
        raise StoreError(
            f"Expected schema version {SCHEMA}, but received {error.args[0]!r}",
            where=shown(path),
            mend="upgrade mmkit, or export the store with the version that made it",
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"is damaged: {error}", where=shown(path), mend=_RESTORE) from error


_RESTORE: Final = "restore it from a copy, or remove the store and index again"


class _NewerSchema(Exception):
    """Carries the schema version that was found."""


def _absent(directory: Path) -> StoreError:
    if not directory.exists():
        return StoreError("there is no store here", where=shown(directory), mend="make one with: mmkit index add")
    if not directory.is_dir():
        return StoreError("is a file, but a store is a directory", where=shown(directory), mend="name another path")
    return StoreError(f"is not a store: it has no {MANIFEST}", where=shown(directory), mend="name another directory")


def _parsed(document: Any) -> Manifest:
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ValueError(f"Expected an object of format {_FORMAT!r}")
    if document.get("schema") != SCHEMA:
        raise _NewerSchema(document.get("schema"))
    spec = SpecFields(
        *(_get(document, f.name, int if f.name == "dim" else str) for f in fields(SpecFields)),  # type: ignore[arg-type]
    )
    if spec.dtype not in DTYPES or spec.kind not in KINDS or spec.dim < 1:
        raise ValueError(f"Expected dtype in {DTYPES}, kind in {KINDS} and a positive dim, but received {spec}")
    shards = tuple(_shard(entry) for entry in _get(document, "shards", list))
    manifest = Manifest(
        spec,
        shards,
        {str(name): _count(count, "modalities") for name, count in _get(document, "modalities", dict).items()},
        _get(document, "next_shard", int),
        _get(document, "generation", int),
        _get(document, "provenance", dict),
        _get(document, "metadata", dict),
    )
    if len(manifest.files) != len(shards) or any(shard.number >= manifest.next_shard for shard in shards):
        raise ValueError("a shard is listed twice, or its number is not below next_shard")
    for name, counted in (("rows", _get(document, "rows", int)), ("modalities", sum(manifest.modalities.values()))):
        if counted != manifest.rows:
            raise ValueError(f"Expected {manifest.rows} rows by the shards, but received {counted} by {name!r}")
    return manifest


def _shard(entry: Any) -> ShardEntry:
    if not isinstance(entry, dict):
        raise ValueError(f"Expected an object for each shard, but received {entry!r}")
    shard = ShardEntry(
        _get(entry, "file", str),
        _count(_get(entry, "rows", int), "rows"),
        _count(_get(entry, "bytes", int), "bytes"),
        _get(entry, "sha256", str),
        _count(_get(entry, "deleted", int), "deleted"),
        _get(entry, "deletions", str),
    )
    if not SHARD_NAME.fullmatch(shard.file):  # also keeps a hostile manifest inside its directory
        raise ValueError(f"Expected a shard named shard-NNNNNN.arrow, but received {shard.file!r}")
    if shard.deleted > shard.rows or bool(shard.deleted) != bool(shard.deletions):
        raise ValueError(f"the deletions of {shard.file} contradict its rows")
    return shard


def _get(document: Mapping[str, Any], name: str, kind: type[_T]) -> _T:
    value = document.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"Expected {name!r} to be {kind.__name__}, but received {value!r}")
    return value


def _count(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"Expected {name!r} to count from 0, but received {value!r}")
    return value
