"""Names a store can hold: the content key of an item, and text for names that are not UTF-8."""

from __future__ import annotations

import hashlib
import os
import re
from typing import Final

from mmkit.errors import BadInput, UsageError

__all__ = [
    "content_key",
    "escape_line",
    "escape_name",
    "key_bytes",
    "unescape_line",
    "unescape_name",
]

_CHUNK: Final = 1 << 20
_DOMAIN: Final = b"mmkit content key 1"

# Exactly the sequences escaping can produce; a backslash that would start one by chance is written \x5c,
# which keeps every other backslash (Windows paths, code) as it was typed.
_PRODUCED: Final = r"(?:x(?:[89a-f][0-9a-f]|5c)|ud[89a-f][0-9a-f]{2})"
_ESCAPE: Final = re.compile(rf"[\ud800-\udfff]|\\(?={_PRODUCED})")
_UNESCAPE: Final = re.compile(rf"\\{_PRODUCED}")
_PRODUCED_LINE: Final = r"(?:x(?:[89a-f][0-9a-f]|5c|0a|0d)|ud[89a-f][0-9a-f]{2})"
_ESCAPE_LINE: Final = re.compile(rf"[\n\r\ud800-\udfff]|\\(?={_PRODUCED_LINE})")
_UNESCAPE_LINE: Final = re.compile(rf"\\{_PRODUCED_LINE}")


def content_key(content: bytes | os.PathLike[str], *, settings: str, fingerprint: str) -> str:
    """Key of an item: sha256 of its content and decode settings, times the fingerprint of the space.

    Two items share a key exactly when embedding them must give the same vector, wherever they lie and whatever
    they are called.

    Args:
        content: the bytes themselves (encode a text as UTF-8), or the path of a file, which is read in pieces.
        settings: how the content is decoded, in any stable spelling, such as ``"image frame=0"``.
        fingerprint: ``EncoderSpec.fingerprint``.

    Returns:
        64 hexadecimal digits.

    Raises:
        BadInput: the file cannot be read.
        TypeError: ``content`` is a ``str``, which could be a text or a path.
    """
    if isinstance(content, str):
        raise TypeError("Expected bytes or a Path, but received str: encode a text, or wrap a path in Path()")
    digest = hashlib.sha256()
    if isinstance(content, os.PathLike):
        try:
            with open(content, "rb") as file:
                while piece := file.read(_CHUNK):
                    digest.update(piece)
        except OSError as error:
            where = escape_name(os.fspath(content))
            raise BadInput(f"cannot be read: {error.strerror or error}", where=where) from error
    else:
        digest.update(content)
    key = hashlib.sha256(_DOMAIN)
    for part in (digest.digest(), settings.encode("utf-8", "surrogatepass"), fingerprint.encode()):
        # The length in front keeps ("ab", "c") and ("a", "bc") apart.
        key.update(len(part).to_bytes(8, "big") + part)
    return key.hexdigest()


def key_bytes(key: str) -> bytes:
    """The 32 bytes of a key.

    Raises:
        UsageError: it is not 64 hexadecimal digits.
    """
    try:
        raw = bytes.fromhex(key)
    except (ValueError, TypeError):
        raw = b""
    if len(raw) != 32:
        raise UsageError(
            f"Expected a key of 64 hexadecimal digits, but received {key!r}", mend="make it by content_key"
        )
    return raw


def escape_name(name: str) -> str:
    r"""Text that UTF-8 can hold for any name, ``os.fsdecode`` ones included; ``unescape_name`` takes it back.

    An undecodable byte NN becomes ``\xNN``, any other lone surrogate ``\udNNN``; names without them stay as they
    are, unless they happen to contain such a sequence: its backslash is then written ``\x5c``.
    """
    return _ESCAPE.sub(_escaped, name)


def unescape_name(text: str) -> str:
    r"""The name that ``escape_name`` was given; pass it to ``open`` to read a file whose name is not UTF-8."""
    return _UNESCAPE.sub(_unescaped, text)


def escape_line(name: str) -> str:
    r"""``escape_name`` that also writes line ends as ``\x0a`` and ``\x0d``, for files of one name a line."""
    return _ESCAPE_LINE.sub(_escaped, name)


def unescape_line(text: str) -> str:
    """The name that ``escape_line`` was given."""
    return _UNESCAPE_LINE.sub(_unescaped, text)


def _escaped(found: re.Match[str]) -> str:
    point = ord(found[0])
    if 0xDC80 <= point <= 0xDCFF:
        return f"\\x{point - 0xDC00:02x}"
    return f"\\x{point:02x}" if point < 0x80 else f"\\u{point:04x}"


def _unescaped(found: re.Match[str]) -> str:
    point = int(found[0][2:], 16)
    if found[0][1] == "x" and point >= 0x80:
        point += 0xDC00
    return chr(point)
