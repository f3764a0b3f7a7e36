"""Tar archives as webdataset lays them out: files that share a name up to its first dot are one sample."""

from __future__ import annotations

import json
import lzma
import posixpath
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from mmkit.errors import BadInput
from mmkit.media.detect import detect_bytes, suffix_modality
from mmkit.media.source import open_source, printable
from mmkit.types import Failure, Item, Modality

if TYPE_CHECKING:
    from mmkit.hookspecs import ReaderEntry

__all__ = ["MAX_MEMBER", "archive_items", "is_archive"]

#: A member of more bytes than this is refused rather than read.
MAX_MEMBER: Final = 1 << 30
_SUFFIXES: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_WORDS: Final = (".txt", ".text", ".cls", ".caption")


def is_archive(name: str) -> bool:
    return name.lower().endswith(_SUFFIXES)


def archive_items(
    path: str, *, modality: Modality | None = None, readers: Mapping[str, ReaderEntry] | None = None
) -> Iterator[Item | Failure]:
    """The media of a tar archive, read as a stream and never written to disk.

    A sample's .txt, .cls and .caption members become metadata under their suffix, the fields of its .json metadata
    under their names; a sample without pictures or sound gives its text. Links, devices and hidden members are
    passed over.

    Args:
        modality: take only members of this one.
    """
    sample = _Sample(modality)
    try:
        with open_source(path) as file, tarfile.open(fileobj=file, mode="r|*") as archive:
            for member in archive:
                name = member.name
                base = posixpath.basename(name)
                if not member.isreg() or base.startswith("."):
                    continue
                stem, _, suffix = base.partition(".")
                key = posixpath.join(posixpath.dirname(name), stem)
                if key != sample.key:
                    yield from sample.finish(key)
                identity = printable(f"{path}/{name}")
                if member.size > MAX_MEMBER:
                    yield Failure(identity, f"has {member.size:,} bytes, more than the limit of {MAX_MEMBER:,}")
                    continue
                found = suffix_modality(name, readers)
                if not (found or suffix in ("json", "") or f".{suffix}" in _WORDS):
                    continue
                stream = archive.extractfile(member)
                data = stream.read() if stream is not None else b""
                if len(data) < member.size:
                    raise tarfile.ReadError("unexpected end of data")
                found = found or (None if suffix else detect_bytes(data[:64]))
                yield from sample.add(identity, f".{suffix.lower()}", found, data)
    except BadInput as error:
        yield from sample.finish("")
        yield Failure(printable(path), error.what)
    except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        yield from sample.finish("")
        yield Failure(printable(path), f"is not a tar archive, or is truncated or damaged ({error})")
    else:
        yield from sample.finish("")


class _Sample:
    """The members read so far that share one name."""

    def __init__(self, modality: Modality | None) -> None:
        self.key = ""
        self._wanted = modality
        self._reset("")

    def _reset(self, key: str) -> None:
        self.key = key
        self._media: list[Item] = []
        self._texts: list[Item] = []
        self._metadata: dict[str, Any] = {}

    def add(self, identity: str, suffix: str, modality: Modality | None, data: bytes) -> Iterator[Failure]:
        if suffix == ".json":
            try:
                fields = json.loads(data)
            except (ValueError, RecursionError) as error:
                yield Failure(identity, f"is not JSON: {error}")
                return
            self._metadata.update(fields if isinstance(fields, dict) else {"json": fields})
        elif suffix in _WORDS or modality == "text":
            try:
                text = data.decode("utf-8-sig").strip()
            except UnicodeDecodeError as error:
                yield Failure(identity, f"is not UTF-8 (byte 0x{data[error.start]:02x})")
                return
            self._metadata[suffix.lstrip(".")] = text
            if modality == "text" and text:
                self._texts.append(Item("text", identity, text=text))
        elif modality is not None and self._wanted in (None, modality):
            self._media.append(Item(modality, identity, data=data))

    def finish(self, key: str) -> Iterator[Item]:
        """The items of the sample, with its metadata; then a new sample begins."""
        # A caption beside a picture describes it; alone, or when asked for, it is an item itself.
        items = self._texts if self._wanted == "text" or (self._wanted is None and not self._media) else self._media
        metadata = dict(self._metadata)
        yield from (replace(item, metadata=metadata) for item in items)
        self._reset(key)
