"""Export to Parquet, NumPy and JSON Lines, and stores made from arrays and from those files.

Legend: N rows, D dims, T tokens.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mmkit.errors import BadInput, StoreError, UsageError
from mmkit.store.columns import metadata_of
from mmkit.store.files import disk_errors, shown
from mmkit.store.keys import content_key, escape_line, unescape_line, unescape_name
from mmkit.store.manifest import ShardEntry, SpecFields
from mmkit.store.shards import Shard
from mmkit.store.vectors import prepared
from mmkit.store.view import StoreView
from mmkit.types import Embeddings, EncoderSpec, Modality

if TYPE_CHECKING:
    from mmkit.store.store import Store

__all__ = ["check_arrays", "export", "fill", "import_file"]

_MARK: Final = b"mmkit.store"
_ROWS_AT_ONCE: Final = 4096


def export(view: StoreView, path: Path, *, overwrite: bool) -> list[Path]:
    """See ``Store.export``."""
    writers: dict[str, Callable[[StoreView, IO[bytes]], None]] = {
        ".parquet": _write_parquet,
        ".npy": _write_npy,
        ".jsonl": _write_jsonl,
    }
    write = writers.get(path.suffix)
    if write is None:
        raise UsageError(f"Expected a name ending in {', '.join(writers)}, but received {shown(path)}")
    if path.suffix == ".npy" and view.spec_fields.kind != "vector":
        raise UsageError("rows of differing numbers of tokens do not fit a .npy file", mend="export to .parquet")
    targets = {path: write}
    if path.suffix == ".npy":
        targets[_ids_file(path)] = _write_ids
    for target in targets:
        if not overwrite and os.path.lexists(target):
            raise StoreError("is there already", where=shown(target), mend="name another file, or give --overwrite")
    for target, write_one in targets.items():
        with disk_errors("write the export", target), _whole(target) as file:
            write_one(view, file)
    return list(targets)


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name when it is complete, or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _ids_file(path: Path) -> Path:
    return path.with_suffix(".ids.txt")


def _write_parquet(view: StoreView, file: IO[bytes]) -> None:
    table = view.table()
    stated = {**asdict(view.spec_fields), "modalities": sorted(view.manifest.modalities)}
    pq.write_table(table.replace_schema_metadata({_MARK: json.dumps(stated).encode()}), file)


def _write_npy(view: StoreView, file: IO[bytes]) -> None:
    spec = view.spec_fields
    header = {"descr": np.dtype(spec.dtype).str, "fortran_order": False, "shape": (len(view), spec.dim)}
    np.lib.format.write_array_header_1_0(file, header)
    for block in view.blocks():
        file.write(np.ascontiguousarray(block).data)


def _write_ids(view: StoreView, file: IO[bytes]) -> None:
    for shard in view.shards():
        lines = (escape_line(unescape_name(name)) for name in shard.column("id").to_pylist())
        file.write("".join(f"{line}\n" for line in lines).encode())


def _write_jsonl(view: StoreView, file: IO[bytes]) -> None:
    start = 0
    for shard in view.shards():
        for row, record in enumerate(view.rows(range(start, start + shard.entry.live_rows))):
            vector = shard.vector_at(shard.physical(row)).astype(np.float32).tolist()
            file.write(json.dumps({**record, "vector": vector}, ensure_ascii=False, default=str).encode() + b"\n")
        start += shard.entry.live_rows


def fill(
    store: Store,
    vectors: Embeddings | NDArray[Any],
    *,
    ids: Sequence[str],
    modality: Modality | Sequence[Modality],
    keys: Sequence[str] | None,
    sources: Sequence[str | os.PathLike[str]] | None,
    metadata: Sequence[Mapping[str, Any]] | None,
) -> None:
    """Adds N rows of arrays to a new store; see ``Store.from_arrays``."""
    fingerprint = store.spec_fields.fingerprint
    numbers = np.asarray(vectors.vectors if isinstance(vectors, Embeddings) else vectors)
    if keys is None:
        keys = [content_key(row.tobytes(), settings=f"vector {row.shape}", fingerprint=fingerprint) for row in numbers]
    with store.writer() as writer:
        for start in range(0, len(ids), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            writer.add(
                ids[part],
                keys[part],
                None if sources is None else sources[part],
                _part(vectors, part),
                modality if isinstance(modality, str) else modality[part],
                None if metadata is None else metadata[part],
            )


def check_arrays(vectors: Embeddings | NDArray[Any], ids: Sequence[str], spec: SpecFields) -> None:
    """Raises what ``fill`` would, before a store is made or overwritten for them."""
    if len(set(ids)) != len(ids):
        raise BadInput(f"Expected {len(ids)} different ids, but received {len(set(ids))}")
    if len(vectors) != len(ids):
        raise UsageError(f"Expected {len(ids)} vectors, one an id, but received {len(vectors)}")
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        prepared(_part(vectors, part), ids[part], spec)


def _part(vectors: Embeddings | NDArray[Any], part: slice) -> Embeddings | NDArray[Any]:
    if not isinstance(vectors, Embeddings):
        return vectors[part]
    mask = None if vectors.mask is None else vectors.mask[part]
    return replace(vectors, vectors=vectors.vectors[part], mask=mask, ids=())


def import_file(cls: type[Store], path: Path, file: Path, *, spec: EncoderSpec | None, overwrite: bool) -> Store:
    """See ``Store.from_file``."""
    if file.suffix == ".parquet":
        return _from_parquet(cls, path, file, spec=spec, overwrite=overwrite)
    if file.suffix != ".npy":
        raise UsageError(f"Expected a name ending in .parquet or .npy, but received {shown(file)}")
    if spec is None:
        raise UsageError("a .npy file does not say which encoder made it", where=shown(file), mend="name the encoder")
    with disk_errors("read the import", file):
        ids = _ids_file(file).read_bytes().decode().split("\n")[:-1]
        try:
            vectors = np.load(file, mmap_mode="r", allow_pickle=False)
        except ValueError as error:
            raise StoreError(f"is not a .npy file of numbers: {error}", where=shown(file)) from error
    dtype: Any = "float16" if vectors.dtype == np.float16 else "float32"
    names = [unescape_line(line) for line in ids]
    modality = spec.modalities[0] if spec.modalities else "image"
    return cls.from_arrays(path, spec, vectors=vectors, ids=names, modality=modality, dtype=dtype, overwrite=overwrite)


def _from_parquet(cls: type[Store], path: Path, file: Path, *, spec: EncoderSpec | None, overwrite: bool) -> Store:
    with disk_errors("read the import", file), open(file, "rb") as content:
        try:
            source = pq.ParquetFile(content)
            stated = json.loads((source.schema_arrow.metadata or {}).get(_MARK, b"null"))
            if not isinstance(stated, dict):
                raise ValueError("it does not say which encoder made it")
            modalities = tuple(stated.pop("modalities"))
            fields = SpecFields(**stated)
        except (pa.ArrowException, ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"was not made by an export of mmkit: {error}", where=shown(file), mend="use Store.from_arrays"
            ) from error
        if spec is not None:
            fields.refuse(SpecFields.of(spec, fields.dtype), where=shown(file))
        kind: Any = fields.kind
        made = EncoderSpec(
            fields.encoder, fields.space, modalities, fields.dim, kind=kind, fingerprint=fields.fingerprint
        )
        dtype: Any = fields.dtype
        store = cls.create(path, spec or made, dtype=dtype, overwrite=overwrite)
        with store.writer() as writer:
            for batch in source.iter_batches(_ROWS_AT_ONCE):
                shard = Shard(ShardEntry("", batch.num_rows, 0, ""), batch, None)
                writer.add(
                    [unescape_name(name) for name in batch.column("id").to_pylist()],
                    [key.hex() for key in batch.column("key").to_pylist()],
                    [unescape_name(name) for name in batch.column("source").to_pylist()],
                    _batch_vectors(shard, fields),
                    batch.column("modality").to_pylist(),
                    [metadata_of(batch, row) for row in range(batch.num_rows)],
                )
    return store


def _batch_vectors(shard: Shard, fields: SpecFields) -> Embeddings | NDArray[Any]:
    """(n, D), or (n, T, D) and mask, of a Parquet batch, which has the columns of a shard."""
    if fields.kind == "vector":
        return shard.vectors()
    tokens, offsets = shard.tokens()
    lengths = np.diff(offsets)
    mask = np.arange(int(lengths.max(initial=0))) < lengths[:, None]
    padded = np.zeros((*mask.shape, fields.dim), dtype=np.float32)
    padded[mask] = tokens
    return Embeddings(padded, kind="multivector", mask=mask)
