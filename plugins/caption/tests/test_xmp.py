"""Captions written into files are read back, and nothing else in the files changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmkit_caption.xmp import read_description, write_description
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mmkit.errors import BadInput

RATED = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="uuid:1" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="5">'
    '<dc:description xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Alt><rdf:li xml:lang="x-default">old</rdf:li>'
    "</rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png"])
def test_a_caption_is_read_back_and_the_picture_is_the_same(photo: Callable[..., Path], name: str) -> None:
    path = photo(name)
    before = np.asarray(Image.open(path).convert("RGB"))
    write_description(path, {"de": "Ein Hund & eine Katze <rennt>", "en": "A dog"})
    assert read_description(path) == {
        "x-default": "Ein Hund & eine Katze <rennt>",
        "de": "Ein Hund & eine Katze <rennt>",
        "en": "A dog",
    }
    with Image.open(path) as opened:
        assert b"Ein Hund &amp; eine Katze" in (
            opened.info["xmp"] if name.endswith("jpg") else opened.info["XML:com.adobe.xmp"].encode()
        )
        assert np.array_equal(np.asarray(opened.convert("RGB")), before)
    assert not list(path.parent.glob(".*.part*"))


def test_writing_again_replaces_the_caption_and_keeps_the_rest(photo: Callable[..., Path]) -> None:
    path = photo("rated.jpg")
    Image.open(path).save(path, xmp=RATED.encode(), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", comment=b"kept")
    write_description(path, {"en": "first"})
    write_description(path, {"en": "second"})
    assert read_description(path) == {"x-default": "second", "en": "second"}
    with Image.open(path) as opened:
        packet = opened.info["xmp"]
        assert b'Rating="5"' in packet
        assert b"old" not in packet and b"first" not in packet
        assert packet.count(b"uuid:1") == 2
        assert opened.info["comment"] == b"kept"


def test_a_png_keeps_its_other_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    info = PngInfo()
    info.add_text("Title", "mine")
    Image.new("L", (3, 3)).save(path, pnginfo=info)
    write_description(path, {"en": "one"})
    write_description(path, {"en": "two"})
    with Image.open(path) as opened:
        opened.load()
        assert opened.info["Title"] == "mine"
    assert read_description(path)["en"] == "two"


def test_files_that_cannot_hold_a_caption_are_refused_and_left_alone(photo: Callable[..., Path]) -> None:
    gif = photo("a.gif")
    with pytest.raises(BadInput, match="neither JPEG nor PNG"):
        write_description(gif, {"en": "x"})
    path = photo("b.jpg")
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    with pytest.raises(BadInput):
        write_description(path, {"en": "x" * 70_000})
    assert path.read_bytes() == whole[:20]


def test_entities_in_a_files_metadata_are_not_read(photo: Callable[..., Path]) -> None:
    path = photo("c.jpg")
    Image.open(path).save(path, xmp=b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    with pytest.raises(BadInput, match="entities"):
        write_description(path, {"en": "x"})


def test_a_file_without_a_caption_has_none(photo: Callable[..., Path]) -> None:
    assert read_description(photo("plain.png")) == {}
