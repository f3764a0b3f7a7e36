"""Sound: files to float32 samples and back, through libsndfile and soxr."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput, MissingExtra, UsageError
from mmkit.media.source import Source, name_of, open_source, suffix_of
from mmkit.media.target import atomic_path
from mmkit.types import Item

__all__ = ["MAX_SAMPLES", "read_audio", "write_audio"]

#: Samples a channel times channels that are read at most: 2**30 are 4 GiB, six hours of stereo at 24 kHz.
MAX_SAMPLES: Final = 1 << 30
_FORMATS: Final = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
_NOT_READ: Final = frozenset({".m4a", ".aac", ".wma", ".amr", ".mp4"})


def read_audio(source: Source, *, rate: int | None = None, mono: bool = False) -> tuple[NDArray[np.float32], int]:
    """The samples of a sound file. C channels, T samples.

    Args:
        source: a path, the bytes of a file, or an Item with a path, bytes or a (T,) or (C, T) array and its rate.
        rate: resample to this many samples a second.
        mono: mix the channels down to one, by their mean.

    Returns:
        (C, T) float32 samples, mostly within [-1, 1], and their rate in Hz.

    Raises:
        BadInput: missing, empty, damaged, without samples, or with samples that are not finite.
        MissingExtra: soundfile or soxr is not installed.
    """
    where = name_of(source)
    if isinstance(source, Item) and source.array is not None:
        samples, found = _from_array(source, where)
    else:
        samples, found = _decode(source, where)
    if samples.shape[1] == 0:
        raise BadInput("holds no samples", where=where)
    if not np.isfinite(samples).all():
        raise BadInput("holds samples that are not finite numbers", where=where)
    if mono and samples.shape[0] > 1:
        samples = samples.mean(axis=0, keepdims=True, dtype=np.float32)
    if rate is not None and rate != found:
        samples, found = _resample(samples, found, rate), rate
    return np.ascontiguousarray(samples, dtype=np.float32), found


def write_audio(path: str | os.PathLike[str], samples: NDArray[Any], rate: int, *, subtype: str | None = None) -> None:
    """Write (T,) or (C, T) samples within [-1, 1] as WAV, FLAC or OGG, by suffix; all or nothing.

    Args:
        subtype: libsndfile's name of the encoding, such as ``FLOAT`` or ``PCM_24``; 16 bits by default.

    Raises:
        UsageError: another suffix, or an array of another shape.
        BadInput: the file cannot be written.
        MissingExtra: soundfile is not installed.
    """
    soundfile = _soundfile("writing sound")
    suffix = suffix_of(os.fspath(path))
    if suffix not in _FORMATS:
        raise UsageError(f"no sound format has the suffix {suffix!r}", where=name_of(path), mend="use .wav .flac .ogg")
    values = np.atleast_2d(np.asarray(samples, dtype=np.float32))
    if values.ndim != 2:
        raise UsageError(f"Expected (T,) or (C, T) samples, but received {np.shape(samples)}", where=name_of(path))
    kind, usual = _FORMATS[suffix]
    with atomic_path(path) as partial:
        try:
            soundfile.write(partial, values.T, rate, format=kind, subtype=subtype or usual)
        except (soundfile.LibsndfileError, ValueError, TypeError) as error:
            raise BadInput(f"cannot be written: {error}", where=name_of(path)) from error


def _decode(source: Source, where: str) -> tuple[NDArray[np.float32], int]:
    soundfile = _soundfile("reading sound")
    with open_source(source) as file:
        try:
            with soundfile.SoundFile(file) as sound:
                if sound.frames * sound.channels > MAX_SAMPLES:
                    raise BadInput(f"holds {sound.frames:,} samples, more than can be read at once", where=where)
                return sound.read(dtype="float32", always_2d=True).T, int(sound.samplerate)
        except BadInput:
            raise
        except Exception as error:  # libsndfile's own errors, and whatever damaged headers lead numpy to
            if suffix_of(source) in _NOT_READ:
                raise BadInput("is in a format that is not read", where=where, mend="convert it to FLAC") from error
            reason = str(error).removeprefix("Error opening ").split(": ", 1)[-1] or type(error).__name__
            raise BadInput(f"is not sound that can be read ({reason})", where=where) from error


def _from_array(item: Item, where: str) -> tuple[NDArray[np.float32], int]:
    samples = np.atleast_2d(np.asarray(item.array, dtype=np.float32))
    if samples.ndim != 2 or item.rate is None or item.rate <= 0:
        raise BadInput(
            f"Expected (T,) or (C, T) samples with a rate, but received {np.shape(item.array)} and {item.rate}",
            where=where,
        )
    return samples, round(item.rate)


def _resample(samples: NDArray[np.float32], found: int, rate: int) -> NDArray[np.float32]:
    try:
        import soxr
    except ImportError:
        raise MissingExtra("soxr", extra="audio", feature="resampling sound") from None
    if rate <= 0:
        raise UsageError(f"Expected a rate above 0 Hz, but received {rate}")
    return np.asarray(soxr.resample(samples.T, found, rate), dtype=np.float32).T


def _soundfile(feature: str) -> ModuleType:
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: the package is there, the library it wraps is not
        raise MissingExtra("soundfile", extra="audio", feature=feature) from None
    return soundfile
