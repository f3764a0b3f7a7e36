"""The embedding store: make, open, read, add, remove, compact, check, export."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mmkit.errors import StoreError, UsageError
from mmkit.store.checks import VerifyReport, verify
from mmkit.store.commit import new_manifest
from mmkit.store.editing import CompactReport, compact, remove
from mmkit.store.files import LOCK, MANIFEST, disk_errors, shown, sweep
from mmkit.store.lock import WriterLock
from mmkit.store.manifest import DTYPES, KINDS, Manifest, SpecFields, read_manifest, write_manifest
from mmkit.store.view import RowRecord, StoreView
from mmkit.store.writer import StoreWriter
from mmkit.types import EncoderSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmkit.types import Embeddings, Modality

__all__ = ["Store"]

StorePath = str | os.PathLike[str]
Dtype = Literal["float16", "float32"]


class Store(StoreView):
    """A directory of vectors of one space, with the id, source, key, modality and metadata of each.

    Open one by ``create``, ``open`` or ``open_or_create``. Opening reads the manifest alone, and shows the rows of
    that moment; a store sees what is written through itself, and what others write after ``refresh``. Reading needs
    no lock and no write permission. Writing (``writer``, ``remove``, ``compact``) takes a lock that one process at a
    time can hold and that dies with it; a kill at any moment leaves the store as one of its finished writes left it.
    """

    @classmethod
    def create(
        cls,
        path: StorePath,
        spec: EncoderSpec,
        *,
        dtype: Dtype = "float16",
        overwrite: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> Store:
        """Makes an empty store.

        Args:
            path: a directory that does not exist or is empty; its parents are made.
            spec: of the encoder whose vectors it will hold.
            dtype: float16 halves the size and rounds each number to 11 bits; scores move by about 1e-3.
            overwrite: empty the store that is there. A directory that is not a store is never overwritten.
            metadata: anything JSON can hold, kept in the manifest.

        Raises:
            StoreError: something is there already, a writer holds it, or the disk refused.
            UsageError: a dtype or kind of embedding that cannot be stored, or metadata that JSON cannot hold.
        """
        directory = Path(path)
        fields = _checked(spec, dtype)
        kept = _json_only(metadata or {})
        old = _there(directory)
        if old is not None and not overwrite:
            raise StoreError("there is a store already", where=shown(directory), mend="open it, or overwrite it")
        with disk_errors("make the store", directory):
            directory.mkdir(parents=True, exist_ok=True)
        with WriterLock(directory):
            old = _there(directory)
            if old is not None and not overwrite:  # another process was faster
                raise StoreError("there is a store already", where=shown(directory), mend="open it")
            manifest = new_manifest(fields, kept, follows=old)
            with disk_errors("make the store", directory):
                write_manifest(directory, manifest)
            sweep(directory, manifest.files)
        return cls(directory, manifest)

    @classmethod
    def open(cls, path: StorePath) -> Store:
        """Opens a store; the cost is that of reading its manifest, whatever the number of rows.

        Raises:
            StoreError: there is none, it cannot be read, its manifest is damaged, or a newer mmkit made it.
        """
        return cls(Path(path), read_manifest(Path(path)))

    @classmethod
    def open_or_create(
        cls,
        path: StorePath,
        spec: EncoderSpec,
        *,
        dtype: Dtype = "float16",
        metadata: Mapping[str, Any] | None = None,
    ) -> Store:
        """Opens the store if there is one for this encoder, or makes it; ``dtype`` and ``metadata`` are for a new one.

        Raises:
            SpaceMismatch: the one that is there has another space, fingerprint, dim or kind; names both.
            StoreError: as ``open`` and ``create``.
        """
        directory = Path(path)
        if not (directory / MANIFEST).exists():
            try:
                return cls.create(directory, spec, dtype=dtype, metadata=metadata)
            except StoreError:
                if not (directory / MANIFEST).exists():  # otherwise another process was faster
                    raise
        store = cls.open(directory)
        store.spec_fields.refuse(_checked(spec, dtype), where=shown(directory))
        return store

    @classmethod
    def from_arrays(
        cls,
        path: StorePath,
        spec: EncoderSpec,
        *,
        vectors: Embeddings | NDArray[Any],
        ids: Sequence[str],
        modality: Modality | Sequence[Modality],
        keys: Sequence[str] | None = None,
        sources: Sequence[str | os.PathLike[str]] | None = None,
        metadata: Sequence[Mapping[str, Any]] | None = None,
        dtype: Dtype = "float16",
        overwrite: bool = False,
    ) -> Store:
        """A new store of vectors that exist: (N, D), or Embeddings; ids must differ.

        Args:
            keys: from ``content_key``; without them, keys are made of the vectors, and adding the items again by
                content will not recognise the rows.

        Raises:
            BadInput, UsageError, SpaceMismatch, StoreError: as ``create`` and ``StoreWriter.add``.
        """
        from mmkit.store.transfer import check_arrays, fill

        check_arrays(vectors, ids, _checked(spec, dtype))
        store = cls.create(path, spec, dtype=dtype, overwrite=overwrite)
        fill(store, vectors, ids=ids, modality=modality, keys=keys, sources=sources, metadata=metadata)
        return store

    @classmethod
    def from_file(
        cls, path: StorePath, file: StorePath, *, spec: EncoderSpec | None = None, overwrite: bool = False
    ) -> Store:
        """A new store from what ``export`` wrote: ``.parquet``, or ``.npy`` with its ``.ids.txt`` and a ``spec``.

        Raises:
            StoreError: the file cannot be read or was not made by ``export``; otherwise as ``from_arrays``.
        """
        from mmkit.store.transfer import import_file

        return import_file(cls, Path(path), Path(file), spec=spec, overwrite=overwrite)

    def writer(self, *, shard_rows: int = 1024, flush_seconds: float | None = 30.0) -> StoreWriter:
        """The context manager that adds rows; entering it takes the lock, brings this store up to date and sweeps.

        Args:
            shard_rows: rows a shard; what a kill can lose at most.
            flush_seconds: rows that have waited this long are written even if they are fewer, so that a slow stream
                loses little; None to wait for full shards.
        """
        return StoreWriter(self, shard_rows=shard_rows, flush_seconds=flush_seconds)

    def remove(
        self,
        ids: str | Iterable[str] | None = None,
        *,
        glob: str | None = None,
        where: Callable[[RowRecord], bool] | None = None,
    ) -> int:
        """Marks rows as deleted; their bytes stay until ``compact``. Give exactly one of the three choices.

        Args:
            ids: an id or several, as ``ids`` prints them or as they were added; unknown ones are passed over.
            glob: a shell pattern over whole ids, in which ``*`` also crosses ``/``.
            where: told each row, answers whether it goes.

        Returns:
            How many rows were removed.

        Raises:
            StoreError: another writer has the store, or the disk refused; then nothing is removed.
        """
        return remove(self, ids, glob=glob, where=where)

    def compact(self, *, shard_rows: int | None = None) -> CompactReport:
        """Rewrites the live rows, in their order, into full shards; switches to them at once; removes the old files.

        Does nothing to a store that is compact. Needs room for a second copy meanwhile. A store opened elsewhere
        before must be opened again if it meets a shard that is gone.

        Args:
            shard_rows: rows a shard; by default as many as make about 64 MiB.

        Raises:
            StoreError: another writer has the store, a shard is damaged, or the disk refused; the store is unchanged.
        """
        return compact(self, shard_rows=shard_rows)

    def verify(self, *, deep: bool = True) -> VerifyReport:
        """Checks that shards are there with their sizes; if ``deep``, reads everything.

        Deep checks are sha256, schema and row counts, deletions, that vectors are finite and of unit length (within
        5e-3 for float16, 1e-3 for float32), that no id is there twice, and the counts of modalities.
        """
        return verify(self, deep=deep)

    def export(self, path: StorePath, *, overwrite: bool = False) -> list[Path]:
        """Writes the live rows to ``.parquet``, ``.jsonl``, or ``.npy`` with the ids beside it as ``.ids.txt``.

        Returns:
            The files written, each whole or not at all.

        Raises:
            StoreError: a file is there already, or the disk refused.
            UsageError: another suffix, or ``.npy`` of a multivector store.
        """
        from mmkit.store.transfer import export

        return export(self, Path(path), overwrite=overwrite)


def _checked(spec: EncoderSpec, dtype: str) -> SpecFields:
    if dtype not in DTYPES:
        raise UsageError(f"Expected a dtype of {' or '.join(DTYPES)}, but received {dtype!r}")
    if spec.kind not in KINDS:
        raise UsageError(f"Expected embeddings of kind {' or '.join(KINDS)}, but {spec.name} gives {spec.kind!r}")
    if spec.dim < 1:
        raise UsageError(f"Expected a dim of at least 1, but {spec.name} has {spec.dim}")
    return SpecFields.of(spec, dtype)


def _json_only(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        kept: Mapping[str, Any] = json.loads(json.dumps(dict(metadata)))
    except (TypeError, ValueError) as error:
        raise UsageError(f"Expected metadata that JSON can hold, but received another kind: {error}") from error
    return kept


def _there(directory: Path) -> Manifest | None:
    """The manifest of the store in ``directory``; None where one can be made; StoreError where neither."""
    with disk_errors("make the store", directory):
        if (directory / MANIFEST).exists():
            return read_manifest(directory)
        if not directory.exists():
            return None
        if not directory.is_dir():
            raise StoreError("is a file, but a store is a directory", where=shown(directory), mend="name another path")
        # A creation that was killed leaves at most its lock and a temporary manifest.
        foreign = {entry.name for entry in directory.iterdir()} - {LOCK, MANIFEST + ".tmp"}
    if foreign:
        raise StoreError("is not empty and not a store", where=shown(directory), mend="name another directory")
    return None
