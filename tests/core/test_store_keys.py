from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmkit.errors import BadInput, UsageError
from mmkit.store import content_key, escape_name, unescape_name
from mmkit.store.keys import escape_line, key_bytes, unescape_line

# Any string at all, lone surrogates included, with what escaping writes made likely.
pieces = st.sampled_from(
    ["\\", "x", "u", "xff", "x5c", "x0a", "ud800", "\\xff", "\udcff", "\udc80", "\ud800", "\n", "\r"]
)
names = st.lists(pieces | st.text(st.characters(), max_size=3), max_size=8).map("".join)


@given(names)
def test_any_name_becomes_utf8_text_and_comes_back(name: str) -> None:
    text = escape_name(name)
    text.encode()
    assert unescape_name(text) == name


@given(names)
def test_any_name_fits_on_one_line_and_comes_back(name: str) -> None:
    line = escape_line(name)
    line.encode()
    assert "\n" not in line and "\r" not in line
    assert unescape_line(line) == name


@given(st.binary(max_size=12))
def test_any_file_name_of_the_system_comes_back(name: bytes) -> None:
    assert os.fsencode(unescape_name(escape_name(os.fsdecode(name)))) == name


def test_undecodable_bytes_are_written_as_hexadecimal_and_ordinary_backslashes_stay() -> None:
    assert escape_name(os.fsdecode(b"caf\xe9.jpg")) == r"caf\xe9.jpg"
    assert escape_name("café 写真 C:\\new\\x1\\users \\x41") == "café 写真 C:\\new\\x1\\users \\x41"
    assert escape_name(r"typed \xe9") == r"typed \x5cxe9"


def test_a_file_and_its_bytes_share_a_key_wherever_it_lies(tmp_path: Path) -> None:
    content = os.urandom(3 << 20)  # more than one piece
    first, second = tmp_path / "a.jpg", tmp_path / os.fsdecode(b"b\xff.png")
    first.write_bytes(content)
    second.write_bytes(content)
    keys = {content_key(c, settings="image", fingerprint="f") for c in (content, first, second)}
    assert len(keys) == 1
    assert len(key_bytes(keys.pop())) == 32


def test_a_key_depends_on_content_settings_and_fingerprint_and_on_where_one_ends() -> None:
    keys = [
        content_key(content, settings=settings, fingerprint=fingerprint)
        for content, settings, fingerprint in [
            (b"a", "s", "f"),
            (b"b", "s", "f"),
            (b"a", "t", "f"),
            (b"a", "s", "g"),
            (b"a", "sf", ""),
            (b"a", "", "sf"),
        ]
    ]
    assert len(set(keys)) == len(keys)


def test_a_key_of_an_unreadable_file_or_of_a_str_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        content_key(tmp_path / "absent", settings="", fingerprint="")
    with pytest.raises(BadInput, match="cannot be read"):
        content_key(tmp_path, settings="", fingerprint="")
    with pytest.raises(TypeError, match="Expected bytes or a Path"):
        content_key("text", settings="", fingerprint="")  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["", "ab", "g" * 64, "a" * 63, "a" * 66, None])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match="64 hexadecimal digits"):
        key_bytes(key)
