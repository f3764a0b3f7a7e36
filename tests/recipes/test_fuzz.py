"""Whatever a recipe file holds: a plan, or an error a user can read, never a traceback.

A few hundred examples by default; ``MMKIT_EXAMPLES=10000`` runs as many of each kind.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipe_kitchen import inline
from recipe_toys import STEPS

from mmkit.config import Settings
from mmkit.errors import MmkitError, RecipeError
from mmkit.recipes import plan_recipe

REAL = """[recipe]
name = "scan-to-linked-records"
description = "reads and adds"
[params]
scans = "*.txt"
by = { default = 1.5, help = "how much", choices = [1.5, 2.0] }
[[step]]
id = "read"
use = "toy.read"
with = { inputs = "${params.scans}" }
[[step]]
id = "n"
use = "toy.numbers"
with.count = 3
[[step]]
id = "linked"
use = "toy.add"
[step.with]
table = "${n}"
by = "${params.by}"
column = "k"
[[step]]
id = "all"
use = "toy.gather"
with = { tables = ["${n}", "${linked}"], labels = ["a", "b"] }
[[step]]
id = "stored"
use = "toy.write"
with = { table = "${all}", folder = "store" }
[[step]]
id = "seen"
use = "toy.echo"
with = { value = ["${stored}/deep"], encoder = "mini", table = "t.csv", one = "${stored}/store" }
"""

WORDS = (
    st.sampled_from(
        ["recipe", "params", "step", "name", "id", "use", "with", "default", "choices", "help", "inputs", "table", "by"]
    )
    | st.sampled_from(["value", "folder", "tables", "one", "toy.add"])
    | st.sampled_from(
        ["${n}", "${params.by}", "${", "$${", "../x", "/etc", "**", "*", "t.csv", "a.txt", "~", "\0", "é", "["]
    )
)
TEXTS = WORDS | st.lists(WORDS, max_size=3).map("".join) | st.text(max_size=12)
SCALARS = st.one_of(st.integers(), st.floats(), st.booleans(), TEXTS)
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXTS, v, max_size=3), max_leaves=8)
STEP = st.fixed_dictionaries(
    {},
    optional={
        "id": TEXTS | st.sampled_from(["n", "a", "b"]) | VALUES,
        "use": st.sampled_from(sorted(STEPS)) | VALUES,
        "with": st.dictionaries(TEXTS, VALUES, max_size=4) | VALUES,
        "other": VALUES,
    },
)
SHAPES = st.fixed_dictionaries(
    {},
    optional={
        "recipe": st.fixed_dictionaries({"name": st.just("x") | VALUES}) | VALUES,
        "params": st.dictionaries(TEXTS, VALUES, max_size=3) | VALUES,
        "step": st.lists(STEP, max_size=4) | VALUES,
        "steps": VALUES,
    },
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real recipe with pieces cut out, doubled, swapped or replaced."""
    raw = bytearray(REAL.encode())
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(raw)))
        end = min(len(raw), start + draw(st.integers(0, 30)))
        piece = draw(
            st.one_of(
                st.binary(max_size=6),
                TEXTS.map(lambda text: text.encode("utf-8", "replace")),
                st.just(bytes(raw[start:end]) * 2),
                st.sampled_from([b"", b'"', b"]", b"[", b"}", b"{", b"=", b"\n", b"#", b"'''", b"[[step]]\n", b"1"]),
            )
        )
        raw[start:end] = piece
    return bytes(raw)


@pytest.fixture(scope="module")
def kitchen_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    (folder / "a.txt").write_text("a")
    (folder / "t.csv").write_text("n\n1\n")
    yield folder
    shutil.rmtree(folder)


def plan(folder: Path, raw: bytes, params: dict[str, object] | None = None) -> bool:
    """Whether the recipe was planned; any error but one for users, and any of several lines, fails the test."""
    path = folder / "fuzzed.toml"
    path.write_bytes(raw)
    try:
        made = plan_recipe(path, params, steps=STEPS, settings=Settings(cache_dir=folder / "cache"))
    except RecipeError as error:
        assert error.problems
        for line in error.problems:
            assert len(line.splitlines()) == 1 and line.isprintable()
            assert line.startswith((f"{path}:", "-p: "))
            if line.startswith(f"{path}:"):
                place = line.removeprefix(f"{path}:").split(":")
                number = int(place[0])
                assert 1 <= number <= raw.count(b"\n") + 1 and int(place[1]) >= 1
    except MmkitError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert str(made)
        return True
    return False


def test_the_recipe_that_is_mutated_is_a_valid_one(kitchen_folder: Path) -> None:
    assert plan(kitchen_folder, REAL.encode())


@given(raw=st.binary(max_size=200) | st.text().map(lambda text: text.encode("utf-8")))
def test_random_bytes_and_text(kitchen_folder: Path, raw: bytes) -> None:
    plan(kitchen_folder, raw)


@given(shape=SHAPES)
def test_valid_toml_of_wrong_shapes(kitchen_folder: Path, shape: dict[str, object]) -> None:
    plan(kitchen_folder, "\n".join(f"{name} = {inline(value)}" for name, value in shape.items()).encode())


@given(raw=mutated())
def test_mutated_recipes(kitchen_folder: Path, raw: bytes) -> None:
    plan(kitchen_folder, raw)


@given(params=st.dictionaries(st.sampled_from(["scans", "by", "x", "\n"]), VALUES | st.none(), max_size=3))
def test_any_values_given_with_p(kitchen_folder: Path, params: dict[str, object]) -> None:
    plan(kitchen_folder, REAL.encode(), params)
