"""Captions in a picture's own metadata: ``dc:description`` of an XMP packet in JPEG and PNG files.

Only the packet is exchanged: the picture's data stays byte for byte, and what else the packet said stays too.
Formats: XMP Specification Part 3 (APP1 segment of JPEG, iTXt chunk of PNG).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from mmkit.errors import BadInput
from mmkit.media.target import atomic_path

__all__ = ["read_description", "write_description"]

_JPEG_HEAD: Final = b"http://ns.adobe.com/xap/1.0/\0"
_PNG_KEY: Final = b"XML:com.adobe.xmp"
_PNG_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_LARGEST_SEGMENT: Final = 65_533
_NAMES: Final = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
}
_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"


def write_description(path: Path, captions: Mapping[str, str]) -> None:
    """Put a caption a language into a JPEG or PNG file, all or nothing; the first is the default one.

    Raises:
        BadInput: the file is of another kind or damaged, its own packet cannot be read, or the new one is too long.
    """
    data = _read(path)
    old = _packet(data, path)
    packet = _merged(old, captions, path)
    changed = _into_jpeg(data, packet, path) if data.startswith(b"\xff\xd8") else _into_png(data, packet, path)
    mode = path.stat().st_mode
    with atomic_path(path) as partial:
        partial.write_bytes(changed)
        partial.chmod(mode)


def read_description(path: Path) -> dict[str, str]:
    """The captions of a file by language, ``x-default`` among them; empty where there are none."""
    data = _read(path)
    packet = _packet(data, path)
    if packet is None:
        return {}
    found = {}
    for entry in _tree(packet, path).iterfind(f".//{_name('dc:description')}/{_name('rdf:Alt')}/{_name('rdf:li')}"):
        found[entry.get(_LANG, "x-default")] = entry.text or ""
    return found


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    if not data.startswith((b"\xff\xd8", _PNG_MAGIC)):
        raise BadInput("is neither JPEG nor PNG, so no caption can be written into it", where=str(path))
    return data


def _packet(data: bytes, path: Path) -> bytes | None:
    if data.startswith(b"\xff\xd8"):
        for kind, start, end in _segments(data, path):
            body = data[start + 4 : end]
            if kind == 0xE1 and body.startswith(_JPEG_HEAD):
                return body[len(_JPEG_HEAD) :]
        return None
    for kind, body, _, _ in _chunks(data, path):
        if kind == b"iTXt" and body.split(b"\0", 1)[0] == _PNG_KEY:
            flags, rest = body[len(_PNG_KEY) + 1 :][:2], body[len(_PNG_KEY) + 3 :]
            text = rest.split(b"\0", 2)[2]
            return zlib.decompress(text) if flags[:1] == b"\x01" else text
    return None


def _segments(data: bytes, path: Path) -> Iterator[tuple[int, int, int]]:
    """(kind, start, end) of the segments before the picture's data."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] not in (0xDA, 0xD9):
        if data[at + 1] == 0xFF:  # a fill byte
            at += 1
            continue
        end = at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
        if end > len(data):
            raise BadInput("is truncated or damaged", where=str(path))
        yield data[at + 1], at, end
        at = end


def _chunks(data: bytes, path: Path) -> Iterator[tuple[bytes, bytes, int, int]]:
    """(kind, body, start, end) of a PNG's chunks."""
    at = len(_PNG_MAGIC)
    while at + 12 <= len(data):
        size = struct.unpack(">I", data[at : at + 4])[0]
        end = at + 12 + size
        if end > len(data):
            raise BadInput("is truncated or damaged", where=str(path))
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + size], at, end
        at = end


def _into_jpeg(data: bytes, packet: bytes, path: Path) -> bytes:
    body = _JPEG_HEAD + packet
    if len(body) > _LARGEST_SEGMENT:
        raise BadInput("has no room for the caption: its metadata is too long", where=str(path))
    kept, at = [], 2
    for kind, start, end in _segments(data, path):
        if not (kind == 0xE1 and data[start + 4 : end].startswith(_JPEG_HEAD)):
            kept.append(data[start:end])
        at = end
    # After JFIF and Exif, which readers expect first.
    place = sum(1 for piece in kept if piece[1] in (0xE0, 0xE1))
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    return data[:2] + b"".join([*kept[:place], segment, *kept[place:]]) + data[at:]


def _into_png(data: bytes, packet: bytes, path: Path) -> bytes:
    body = _PNG_KEY + b"\0\0\0\0\0" + packet
    chunk = struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
    parts = [_PNG_MAGIC]
    for kind, content, start, end in _chunks(data, path):
        if not (kind == b"iTXt" and content.split(b"\0", 1)[0] == _PNG_KEY):
            parts.append(data[start:end])
        if kind == b"IHDR":
            parts.append(chunk)
    return b"".join(parts)


def _name(short: str) -> str:
    prefix, _, local = short.partition(":")
    return f"{{{_NAMES[prefix]}}}{local}"


def _tree(packet: bytes, path: Path) -> ElementTree.Element:
    if b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        raise BadInput("has metadata that declares entities, which are not read", where=str(path))
    try:
        return ElementTree.fromstring(packet.strip(b"\0 \n\r\t"))
    except ElementTree.ParseError as error:
        raise BadInput(f"has metadata that cannot be read: {error}", where=str(path)) from error


def _merged(old: bytes | None, captions: Mapping[str, str], path: Path) -> bytes:
    """The packet with ``captions`` in the place of its description, and all else as it was."""
    for prefix, name in _NAMES.items():
        ElementTree.register_namespace(prefix, name)
    root = _tree(old, path) if old else ElementTree.Element(_name("x:xmpmeta"))
    rdf = root if root.tag == _name("rdf:RDF") else root.find(_name("rdf:RDF"))
    if rdf is None:
        rdf = ElementTree.SubElement(root, _name("rdf:RDF"))
    for holder in rdf.findall(_name("rdf:Description")):
        holder.attrib.pop(_name("dc:description"), None)
        for known in holder.findall(_name("dc:description")):
            holder.remove(known)
        if not len(holder) and set(holder.attrib) <= {_name("rdf:about")} and len(rdf) > 1:
            rdf.remove(holder)
    holder = ElementTree.SubElement(rdf, _name("rdf:Description"), {_name("rdf:about"): _about(rdf)})
    choices = ElementTree.SubElement(ElementTree.SubElement(holder, _name("dc:description")), _name("rdf:Alt"))
    default = next(iter(captions.values()), "")
    for language, text in {"x-default": default, **captions}.items():
        ElementTree.SubElement(choices, _name("rdf:li"), {_LANG: language}).text = _legal(text)
    body = ElementTree.tostring(root, encoding="utf-8")
    begin = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'.encode()
    return begin + body + b'<?xpacket end="w"?>'


def _about(rdf: ElementTree.Element) -> str:
    """All descriptions of a packet are about one thing, named alike."""
    first = rdf.find(_name("rdf:Description"))
    return "" if first is None else first.get(_name("rdf:about"), "")


def _legal(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return "".join(letter for letter in text if letter >= " " or letter in "\t\n")
