"""Pictures: every format Pillow knows, as upright 8-bit RGB; anything else is one clear BadInput."""

from __future__ import annotations

import ctypes
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mmkit.errors import BadInput, UsageError
from mmkit.media.pixels import to_rgb
from mmkit.media.source import Source, name_of, open_source, suffix_of
from mmkit.media.target import atomic_path
from mmkit.types import Item

__all__ = ["MAX_PIXELS", "MAX_PIXELS_VARIABLE", "image_size", "read_image", "write_image"]

#: Pixels that are decoded at most: 2**27 pixels are 384 MiB of RGB.
MAX_PIXELS: Final = 1 << 27
#: The environment variable that sets another limit.
MAX_PIXELS_VARIABLE: Final = "MMKIT_MAX_PIXELS"

# EPS and WMF would start another program to draw them; the rest are stubs that cannot load.
_REFUSED: Final = frozenset({"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5"})
_ORIENTATION: Final = 0x0112
_HEAD: Final = 1024

_plugins_lock = threading.Lock()
_plugins_loaded = False


def read_image(source: Source, *, min_side: int | None = None, max_pixels: int | None = None) -> Image.Image:
    """The picture as upright 8-bit RGB; of an animation, its first frame. Transparency is laid on white.

    Thread-safe; decoding releases the GIL.

    Args:
        source: a path, the bytes of a file, or an Item with a path, bytes or an (H, W, 3) uint8 array.
        min_side: the shorter side that the caller will scale down to. A JPEG is then decoded at 1/2, 1/4 or 1/8 of
            its size where that is still at least as large, which is much cheaper; others come whole.
        max_pixels: the most pixels to decode; by default MMKIT_MAX_PIXELS, else 2**27.

    Raises:
        BadInput: missing, unreadable, empty, not a picture, truncated, damaged or over the limit of pixels.
    """
    where = name_of(source)
    if isinstance(source, Item) and source.array is not None:
        return _from_array(source.array, where)
    limit = _limit(max_pixels)
    with open_source(source) as file, _damaged(where):
        image = _open(file, where, suffix_of(source))
        full = image.size
        if min_side is not None and image.format in ("JPEG", "MPO"):
            image.draft(image.mode, (max(1, min_side), max(1, min_side)))
        # A progressive JPEG keeps the coefficients of the whole picture, however small it is decoded.
        decoded = full if image.info.get("progressive") else image.size
        if decoded[0] * decoded[1] > limit:
            raise _too_large(decoded, limit, where)
        image.load()
        return to_rgb(_upright(image))


def image_size(source: Source) -> tuple[int, int]:
    """(width, height) in pixels of the upright picture, read from its header alone.

    Raises:
        BadInput: as for ``read_image``, as far as the header tells.
    """
    where = name_of(source)
    if isinstance(source, Item) and source.array is not None:
        return _from_array(source.array, where).size
    with open_source(source) as file, _damaged(where):
        image = _open(file, where, suffix_of(source))
        width, height = image.size
        # Elsewhere getexif() would decode the whole picture to look for a trailing block.
        known = "exif" in image.info or image.format == "TIFF"
        turned = known and _orientation(image) in (5, 6, 7, 8)
        return (height, width) if turned else (width, height)


def write_image(image: Image.Image | NDArray[np.uint8], path: str | os.PathLike[str], *, quality: int = 90) -> None:
    """Write a picture in the format its suffix names, all or nothing.

    Args:
        image: a picture, or an (H, W, 3) or (H, W) uint8 array.
        path: an existing file is replaced.
        quality: for JPEG, WebP and AVIF, 1 to 100.

    Raises:
        UsageError: the suffix names no format that can be written.
        BadInput: the file cannot be written.
    """
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    _load_plugins()
    suffix = suffix_of(os.fspath(path))
    kind = Image.registered_extensions().get(suffix)
    if kind is None or kind not in Image.SAVE:
        raise UsageError(f"no picture format has the suffix {suffix!r}", where=name_of(path), mend="use .png or .jpg")
    if kind in ("JPEG", "MPO") and image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    options = {"quality": quality} if kind in ("JPEG", "WEBP", "AVIF") else {}
    with atomic_path(path) as partial:
        image.save(partial, format=kind, **options)


def _open(file: BinaryIO, where: str, suffix: str) -> Image.Image:
    """The first format whose signature fits; as Image.open, less its process-wide limit and its warnings.

    That limit would refuse a large JPEG before min_side could make it cheap, and can only be lifted for every
    thread at once.
    """
    _load_plugins()
    head = file.read(_HEAD)
    _refuse_known(head, where)
    problem = ""
    for kind in Image.ID:
        factory, accept = Image.OPEN[kind]
        if kind in _REFUSED:
            continue
        # A format without a signature takes almost anything, so only its own suffix admits it.
        if accept is None and Image.EXTENSION.get(suffix) != kind:
            continue
        try:
            verdict = accept is None or accept(head[:16])
        except Exception:  # fewer bytes than its signature has
            continue
        if isinstance(verdict, str):  # the format is right, but support for it is not built in
            problem = verdict
        if not verdict or isinstance(verdict, str):
            continue
        try:
            file.seek(0)
            return factory(file, "")
        except Exception as error:  # decoders meet damaged files with any exception; the next format may fit
            problem = str(error) or type(error).__name__
    detail = f" ({' '.join(problem.split())})" if problem else ""
    raise BadInput(f"is not a picture that can be read{detail}", where=where)


def _refuse_known(head: bytes, where: str) -> None:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!--", b"<!DOCTYPE svg")) and b"<svg" in head):
        raise BadInput("is an SVG drawing, which is not read", where=where, mend="convert it to PNG first")
    if start.startswith((b"%!PS", b"%PDF", b"\xc5\xd0\xd3\xc6")):
        raise BadInput("is a PDF or PostScript document, not a picture", where=where, mend="convert it to PNG first")
    if start[:14].lower().startswith((b"<!doctype html", b"<html")):
        raise BadInput("is a web page, not a picture", where=where)


def _load_plugins() -> None:
    global _plugins_loaded
    if _plugins_loaded:
        return
    with _plugins_lock:
        Image.init()
        # Pillow tells oddities of single files as warnings and log lines; what matters comes as an exception.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        logging.getLogger("PIL").addHandler(logging.NullHandler())
        _silence_libtiff()
        _plugins_loaded = True


def _silence_libtiff() -> None:
    """libtiff writes its errors to stderr past Python; Pillow raises them as well, which is enough."""
    try:
        library = ctypes.CDLL(import_module("PIL._imaging").__file__)
        library.TIFFSetErrorHandler.argtypes = library.TIFFSetWarningHandler.argtypes = (ctypes.c_void_p,)
        library.TIFFSetErrorHandler.restype = library.TIFFSetWarningHandler.restype = ctypes.c_void_p
        library.TIFFSetErrorHandler(None)
        library.TIFFSetWarningHandler(None)
    except (OSError, AttributeError, TypeError):  # a Pillow without libtiff, or with one that is linked in
        return


def _limit(max_pixels: int | None) -> int:
    if max_pixels is not None:
        return max_pixels
    given = os.environ.get(MAX_PIXELS_VARIABLE, "")
    if not given:
        return MAX_PIXELS
    if not given.isdecimal() or int(given) < 1:
        raise UsageError(f"Expected a whole number above 0, but received {given!r}", where=MAX_PIXELS_VARIABLE)
    return int(given)


def _too_large(size: tuple[int, int], limit: int, where: str) -> BadInput:
    width, height = size
    return BadInput(
        f"has {width:,} × {height:,} = {width * height:,} pixels, more than the limit of {limit:,}",
        where=where,
        mend=f"make it smaller, or raise the limit with {MAX_PIXELS_VARIABLE} (in Python max_pixels)",
    )


@contextmanager
def _damaged(where: str) -> Iterator[None]:
    """Any exception of a decoder means one thing to the reader: the file is damaged."""
    try:
        yield
    except (BadInput, UsageError):
        raise
    except Exception as error:  # decoders meet damaged files with any exception at all
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(f"is truncated or damaged ({reason})", where=where) from error


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a broken EXIF block must not cost the picture
        return 1


def _upright(image: Image.Image) -> Image.Image:
    if _orientation(image) in range(2, 9):
        try:
            return ImageOps.exif_transpose(image)
        except Exception:  # the same broken block, met when it is written back
            return image
    return image


def _from_array(array: object, where: str) -> Image.Image:
    values = np.asarray(array)
    if values.dtype != np.uint8 or values.ndim != 3 or values.shape[2] != 3 or 0 in values.shape:
        raise BadInput(
            f"Expected an (H, W, 3) uint8 array, but received {values.shape} {values.dtype}",
            where=where,
        )
    return Image.fromarray(np.ascontiguousarray(values))
