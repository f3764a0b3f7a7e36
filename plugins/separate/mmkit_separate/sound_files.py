"""Sound files read and written piece by piece, so that hours of sound need no more memory than seconds.

Legend: C channels, n samples of a piece.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput, MissingExtra
from mmkit.media.target import atomic_path

__all__ = ["SoundSource", "SoundWriters", "open_sound"]

_VIDEO: Final = frozenset({".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".mpg", ".mpeg", ".ts"})
_NOT_READ: Final = frozenset({".m4a", ".aac", ".wma", ".amr"})
#: A WAV that was written to a pipe states no size but this, or a little less.
_UNKNOWN_SIZE: Final = 0x7FFFFFF0
#: What can be kept as it is in the output; lossy and further encodings become 16 bits.
_KEPT: Final = frozenset({"PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"})


@dataclass(slots=True)
class SoundSource:
    """An open sound file.

    Attributes:
        path, rate, channels: of the file.
        frames: samples a channel as libsndfile finds them; fewer may follow in a damaged file.
        stated: samples a channel as the header states them; a file that broke off has fewer.
        suffix, subtype: what its stems are written as by default.
    """

    path: Path
    rate: int
    channels: int
    frames: int
    stated: int
    suffix: str
    subtype: str
    _file: Any

    def blocks(self, size: int) -> Iterator[NDArray[np.float32]]:
        """(C, n) float32 pieces of ``size`` samples, the last one shorter.

        Raises:
            BadInput: a damaged place, or samples that are not finite numbers, with the second where they are.
        """
        done = 0
        while True:
            try:
                piece = self._file.read(size, dtype="float32", always_2d=True).T
            except Exception as error:  # libsndfile's own error class needs the import that may have failed
                first, last = done / self.rate, min(done + size, max(self.frames, done)) / self.rate
                raise BadInput(
                    f"is damaged between {first:.1f} and {last:.1f} s ({_reason(error)})", where=str(self.path)
                ) from error
            if piece.shape[1] == 0:
                break
            finite = np.isfinite(piece).all(axis=0)
            if not finite.all():
                second = (done + int(np.argmin(finite))) / self.rate
                raise BadInput(
                    f"holds samples that are not finite numbers, the first at {second:.3f} s",
                    where=str(self.path),
                    mend="mend it in a sound editor, or write it again as 16 bits",
                )
            done += piece.shape[1]
            yield np.ascontiguousarray(piece)
        if not done:
            raise BadInput("holds no samples", where=str(self.path))

    def window(self, start: int, size: int) -> NDArray[np.float32]:
        """(C, n) samples from ``start`` on, ``size`` of them or what there are.

        Raises:
            BadInput: as ``blocks``.
        """
        try:
            self._file.seek(start)
        except Exception as error:
            raise BadInput(f"is damaged at {start / self.rate:.1f} s", where=str(self.path)) from error
        return next(self.blocks(size))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> SoundSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_sound(path: str | Path, *, as_suffix: str | None = None) -> SoundSource:
    """Open WAV, FLAC, OGG, MP3, AIFF and whatever else libsndfile reads.

    Args:
        as_suffix: ``.wav`` or ``.flac`` for the output; default: WAV and FLAC stay, all else becomes FLAC.

    Raises:
        BadInput: missing, empty, a video, or not sound that can be read.
        MissingExtra: soundfile is not installed.
    """
    try:
        import soundfile
    except (ImportError, OSError):
        raise MissingExtra("soundfile", extra="audio", feature="reading sound") from None
    path = Path(path)
    suffix = path.suffix.lower()
    if not path.exists():
        raise BadInput("there is no such file", where=str(path))
    if path.is_dir():
        raise BadInput("is a folder, and one sound file is expected", where=str(path))
    if path.stat().st_size == 0:
        raise BadInput("is empty", where=str(path))
    try:
        file = soundfile.SoundFile(os.fspath(path))
    except Exception as error:
        if suffix in _VIDEO:
            raise BadInput(
                "is a video", where=str(path), mend=f"take its sound out first: ffmpeg -i {path.name} -vn sound.flac"
            ) from error
        if suffix in _NOT_READ:
            raise BadInput("is in a format that is not read", where=str(path), mend="convert it to FLAC") from error
        # Of what begins like an MP3 and is none, libsndfile says that the file is not there.
        reason = _reason(error).replace("File does not exist or is not a regular file", "Format not recognised")
        reason = reason.removesuffix(" (possibly a pipe?)")
        raise BadInput(f"is not sound that can be read ({reason})", where=str(path)) from error
    if file.frames == 0:
        file.close()
        raise BadInput("holds no samples", where=str(path))
    kept = suffix if suffix in (".wav", ".flac") else ".flac"
    target = as_suffix or kept
    subtype = file.subtype if file.subtype in _KEPT else "PCM_16"
    if target == ".flac":
        subtype = {"PCM_16": "PCM_16", "PCM_S8": "PCM_S8", "PCM_U8": "PCM_16"}.get(subtype, "PCM_24")
        if file.channels > 8 or file.samplerate > 655350:  # beyond what FLAC can hold
            target = ".wav"
    if target == ".wav" and subtype == "PCM_S8":
        subtype = "PCM_U8"
    return SoundSource(
        path, int(file.samplerate), int(file.channels), int(file.frames), _stated(file), target, subtype, file
    )


class SoundWriters:
    """Several files written side by side; they appear under their names together, at the end, or not at all.

    Args:
        paths: the files.
        source: gives rate, channels and encoding.
    """

    def __init__(self, paths: list[Path], source: SoundSource) -> None:
        self.paths, self.source = paths, source
        self._files: list[Any] = []
        self._stack = ExitStack()

    def __enter__(self) -> SoundWriters:
        import soundfile

        try:
            for path in self.paths:
                partial = self._stack.enter_context(atomic_path(path))
                kind = {".wav": "WAV", ".flac": "FLAC"}[path.suffix]
                source = self.source
                if kind == "WAV" and source.frames * source.channels * 4 > 3 * 2**30:
                    kind = "RF64"  # a plain WAV ends at 4 GiB
                file = soundfile.SoundFile(
                    os.fspath(partial), "w", source.rate, source.channels, subtype=source.subtype, format=kind
                )
                self._files.append(self._stack.enter_context(file))
        except OSError as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise BadInput(
                f"cannot be written: {error.strerror or error}",
                where=str(path.parent),
                mend="choose another folder: -o",
            ) from error
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            if type(error).__module__.startswith("soundfile"):
                raise BadInput(f"cannot be written: {_reason(error)}", where=str(path)) from error
            raise
        return self

    def write(self, pieces: list[NDArray[np.float32]]) -> None:
        """Append a (C, n) piece to each file. Raises BadInput where that fails, as on a full disk."""
        for path, file, piece in zip(self.paths, self._files, pieces, strict=True):
            try:
                file.write(np.ascontiguousarray(piece.T))
            except Exception as error:  # libsndfile's own error, or soundfile's assertion that all was written
                full = shutil.disk_usage(path.parent).free < piece.nbytes
                raise BadInput(
                    f"cannot be written: {'the disk is full' if full else _reason(error)}",
                    where=str(path),
                    mend="choose another folder: -o",
                ) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def _stated(file: Any) -> int:
    """Samples a channel that the header promises: libsndfile mends the number in a WAV that broke off, and logs it."""
    found = re.search(r"^data : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if not found or int(found[1]) >= _UNKNOWN_SIZE:
        return int(file.frames)
    return int(file.frames) * int(found[1]) // max(1, int(found[2]))


def _reason(error: BaseException) -> str:
    return str(error).removeprefix("Error opening ").split(": ", 1)[-1].rstrip(".") or type(error).__name__
