"""Which modality a file has: by its suffix first, by its first bytes where the suffix says nothing."""

# Names stay strings here: a Path for each would double the cost of a large directory.
# ruff: noqa: PTH122
from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from mmkit.types import Modality

if TYPE_CHECKING:
    import numpy as np

    from mmkit.hookspecs import ReaderEntry

__all__ = ["MEDIA_SUFFIXES", "array_headers", "detect_bytes", "detect_modality", "suffix_modality"]

_IMAGES: Final = (
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .gif .tif .tiff .bmp .dib .ppm .pgm .pbm .pnm .avif .avifs .heic .heif"
    " .jp2 .j2k .jpx .j2c .jxl .tga .ico .icns .psd .pcx .sgi .dds .qoi"
)
_SOUNDS: Final = ".wav .wave .flac .ogg .oga .opus .mp3 .aiff .aif .aifc .au .snd .w64 .caf .rf64 .m4a .aac .wma"
#: Suffix to modality. A .npy or .npz file is motion only if its array is (T, J, 3), which its header tells.
MEDIA_SUFFIXES: Final[Mapping[str, Modality]] = {
    **dict.fromkeys(_IMAGES.split(), "image"),
    **dict.fromkeys(_SOUNDS.split(), "audio"),
    ".txt": "text",
    ".text": "text",
}
_ARRAYS: Final = (".npy", ".npz")
_HEAD: Final = 64

_IMAGE_STARTS: Final = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"8BPS",
    b"\0\0\0\x0cjP  \r\n",
    b"\xff\x4f\xff\x51",
    b"qoif",
)
_SOUND_STARTS: Final = (b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3", b".snd", b"caff")
_IMAGE_BRANDS: Final = (b"avif", b"avis", b"heic", b"heix", b"mif1")


def suffix_modality(name: str, readers: Mapping[str, ReaderEntry] | None = None) -> Modality | None:
    """What a suffix alone says; readers of plugins come first."""
    suffix = os.path.splitext(name)[1].lower()
    if readers and suffix in readers:
        return readers[suffix].modality
    return MEDIA_SUFFIXES.get(suffix)


def detect_modality(
    path: str | os.PathLike[str],
    *,
    readers: Mapping[str, ReaderEntry] | None = None,
    asked: Modality | None = None,
) -> Modality | None:
    """The modality of a file, or None if it is no medium, or cannot be read.

    Args:
        readers: readers of plugins by suffix (lower case, with the dot).
        asked: what the file is wanted as; as motion an array of (T, F) features will do as well, which only an
            encoder of motion can tell from other tables of numbers.
    """
    name = os.fspath(path)
    known = suffix_modality(name, readers)
    suffix = os.path.splitext(name)[1].lower()
    # Any other suffix says what the file is, and it is no medium: nothing need be read.
    if known is not None or (suffix and suffix not in _ARRAYS):
        return known
    try:
        with open(path, "rb") as file:
            if suffix in _ARRAYS:
                return "motion" if _holds_motion(file, suffix, features=asked == "motion") else None
            return detect_bytes(file.read(_HEAD))
    except (OSError, ValueError):
        return None


def detect_bytes(head: bytes) -> Modality | None:
    """What the first bytes of a file say; text is never guessed."""
    if head.startswith(_IMAGE_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "image"
    if head[4:8] == b"ftyp" and head[8:12] in _IMAGE_BRANDS:
        return "image"
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return "image"
    if head.startswith(_SOUND_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WAVE"):
        return "audio"
    return "audio" if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC") else None


def array_headers(file: BinaryIO, suffix: str) -> Iterator[tuple[str, tuple[int, ...], np.dtype[Any]]]:
    """Name, shape and type of the array of an .npy (its name is empty) or of all of an .npz, from headers alone.

    What cannot be read is passed over: whoever loads it tells why.
    """
    if suffix == ".npy":
        yield from _header("", file)
        return
    try:
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:
                    yield from _header(name.removesuffix(".npy"), member)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return


def _header(name: str, file: Any) -> Iterator[tuple[str, tuple[int, ...], np.dtype[Any]]]:
    from numpy.lib import format as npy

    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)
    except Exception:  # a damaged header can lead numpy to any exception
        return
    yield name, shape, dtype


def _holds_motion(file: BinaryIO, suffix: str, *, features: bool) -> bool:
    return any(
        dtype.kind in "fiu" and ((len(shape) == 3 and shape[2] == 3) or (features and len(shape) == 2))
        for _, shape, dtype in array_headers(file, suffix)
    )
