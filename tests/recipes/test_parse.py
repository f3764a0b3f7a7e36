"""Reading the bytes of a recipe: clean errors with a place, and the positions of keys."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipe_kitchen import basic_string, inline

from mmkit.errors import RecipeError
from mmkit.recipes.parse import parse_recipe, read_document
from mmkit.recipes.positions import KeyPath, Positions

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def problem(raw: bytes) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(raw, "r.toml")
    return "\n".join(caught.value.problems)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"a = ", "r.toml:1:5: not valid TOML: Invalid value"),
        (b'a = 1\nb = "x\n', "r.toml:2:7: not valid TOML"),
        (b"a = 1\na = 2\n", "r.toml:2:6: not valid TOML: Cannot overwrite a value"),
        ("ä = 1".encode(), "r.toml:1:1: not valid TOML"),
        (b"a = 1\n# caf\xe9\n", "r.toml:2:6: byte 0xe9 is not UTF-8"),
        (b"a = 1\nb\x00 = 2", "r.toml:2:2: a NUL character"),
        (b"\xff\xfea\x00", "r.toml:1:1: this is UTF-16 text"),
        (b"a = 1\nb = 2020-01-01", "r.toml:2:5: dates and times are written in quotes"),
        (b"a = [1, nan]", "r.toml:1:9: nan is no value"),
        (b"a = 0x" + b"f" * 5000, "r.toml:1:5: an integer that does not fit 64 bits"),
        (b"a = 1" + b"1" * 5000, "r.toml:1:1: not valid TOML: an integer of thousands of digits"),
        (b"a = 1\n" + b"x = " + b"[" * 100_000, "r.toml:2:100004: brackets nested more than 32 levels"),
        (b"a = " + b"{a=" * 100_000, "brackets nested more than 32 levels"),
        (b".".join([b"a"] * 100_000) + b" = 1", "a dotted key of more than 32 levels"),
        (b"[" + b".".join([b'"a"'] * 50_000) + b"]", "a dotted key of more than 32 levels"),
        (b".".join([b"a"] * 20) + b" = {" + b".".join([b"b"] * 20) + b" = 1}", "nested more than 32 levels"),
        (b"#" * (1 << 21), "larger than 1 MiB"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_a_file_that_cannot_be_read_as_a_recipe_gives_its_place(raw: bytes, expected: str) -> None:
    assert expected in problem(raw)


def test_a_byte_order_mark_and_windows_line_ends_are_read() -> None:
    document = parse_recipe(b"\xef\xbb\xbfa = 1\r\n[b]\r\nc = 2\r\n", "r.toml")
    assert document.data == {"a": 1, "b": {"c": 2}}
    assert document.positions.key(("b", "c")) == (3, 1)


def test_several_unusable_values_are_told_at_once() -> None:
    assert len(problem(b"a = nan\nb = 2020-01-01\nc = 99999999999999999999").splitlines()) == 3


def test_a_missing_file_a_folder_and_an_unreadable_name_are_told(tmp_path: Path) -> None:
    for path, what in (
        (tmp_path / "no.toml", "no such recipe"),
        (tmp_path, "this is a folder"),
        (tmp_path / ("x" * 5000), "cannot be read"),
        ("nul\0.toml", "cannot be read"),
    ):
        with pytest.raises(RecipeError, match=what):
            read_document(path)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_a_file_name_that_is_not_utf8_can_be_printed(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.toml")
    Path(path).write_bytes(b"a = ")
    with pytest.raises(RecipeError) as caught:
        read_document(path)
    str(caught.value).encode("utf-8")


TEXT = b'''# [not.a.header]
[recipe]
name = "x" # "quoted
[params]
"we.ird" = { default = [1, [2, {z = 3}]], help = """a
 [b] = 1 """ }
lit = \'\'\'
[c]
\'\'\'
[[step]]
id = "a"
with.x = 1
with . y = [ "p",  # comment ]
   "q", ]
[[step]]
[step.with]
  "\\u0061" = 1.5
'''


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("recipe", "name"), (3, 1), (3, 8)),
        (("params", "we.ird"), (5, 1), (5, 12)),
        (("params", "we.ird", "default", 1, 1, "z"), (5, 33), (5, 37)),
        (("params", "we.ird", "help"), (5, 43), (5, 50)),
        (("params", "lit"), (7, 1), (7, 7)),
        (("step", 0), (10, 3), (10, 3)),
        (("step", 0, "with", "x"), (12, 6), (12, 10)),
        (("step", 0, "with", "y", 1), (14, 4), (14, 4)),
        (("step", 1), (15, 3), (15, 3)),
        (("step", 1, "with", "a"), (17, 3), (17, 14)),
        (("step", 1, "with", "unknown"), (16, 7), (16, 7)),
    ],
)
def test_keys_and_values_are_found_where_they_stand(
    path: KeyPath, key: tuple[int, int], value: tuple[int, int]
) -> None:
    positions = parse_recipe(TEXT, "r.toml").positions
    assert positions.key(path) == key
    assert positions.value(path) == value


KEYS = st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True), st.text(max_size=4))
LEAVES = st.one_of(st.integers(-9, 9), st.booleans(), st.floats(allow_nan=False), st.text(max_size=8))
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=4
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Valid TOML whose every key begins a line or stands after '{' or ','."""
    lines = [f"{basic_string(k)} = {inline(v)}" for k, v in draw(st.dictionaries(KEYS, VALUES, max_size=3)).items()]
    for name in draw(st.lists(st.sampled_from(["one", "two"]), unique=True)):
        for _ in range(draw(st.integers(1, 3))):
            lines.append(f"[[ {name}.'in' ]]  # [[x]]")
            table = draw(st.dictionaries(KEYS.filter(lambda k: k != "sub"), VALUES, max_size=2))
            lines += [f"  {basic_string(k)} = {inline(v)} # c" for k, v in table.items()]
            if draw(st.booleans()):
                lines += [f"[{name}.in.sub]", "deep.er = 1"]
    return "\n".join(lines)


def paths(value: Any, at: KeyPath = ()) -> list[KeyPath]:
    found = [at] if at else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        found += paths(inner, (*at, name))
    return found


@settings(max_examples=60)
@given(documents())
def test_every_key_of_any_document_is_found_at_a_place_that_spells_it(text: str) -> None:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # the random top-level keys collide with a header
    positions = Positions.of(text)
    lines = text.split("\n")
    for path in paths(data):
        assert path in positions
        line, col = positions.key(path)
        rest = lines[line - 1][col - 1 :]
        if isinstance(path[-1], str):
            assert rest.startswith((basic_string(path[-1]), path[-1], f"'{path[-1]}'"))


@given(st.text() | st.text(alphabet="[]{}=,.\"'# \n\\ab"))
def test_the_scanner_ends_on_any_text(text: str) -> None:
    positions = Positions.of(text)
    assert positions.key(("a",)) >= (1, 1)
