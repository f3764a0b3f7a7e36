"""A recipe is checked as a whole: every problem, with its place and the nearest valid name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from recipe_kitchen import Kitchen
from recipe_toys import STEPS

from mmkit.errors import RecipeError
from mmkit.recipes import check_recipe, describe, list_recipes
from mmkit.recipes.graph import cycles, dependants, ordered
from mmkit.recipes.model import StepFolder, StepTable, StoreFolder, TableFile


def problems(kitchen: Kitchen, text: str, params: dict[str, object] | None = None) -> list[str]:
    path = kitchen.write(text)
    with pytest.raises(RecipeError) as caught:
        kitchen.load(path, params)
    assert all(line.startswith((f"{path}:", "-p: ")) for line in caught.value.problems)
    return [line.removeprefix(f"{path}:") for line in caught.value.problems]


def problem(kitchen: Kitchen, body: str, params: dict[str, object] | None = None) -> str:
    found = problems(kitchen, f'[recipe]\nname = "toy"\n{body}', params)
    assert len(found) == 1, found
    return found[0]


def test_all_problems_are_told_at_once_in_the_order_of_the_file(kitchen: Kitchen) -> None:
    assert problems(
        kitchen,
        """
[recipes]
[recipe]
name = "a/b"
descripton = ""
[params]
k = { defualt = 1 }
[[step]]
id = "a"
use = "toy.nubmers"
[[step]]
id = "a"
use = "toy.add"
wiht = {}
[[step]]
id = "b"
use = "toy.add"
with = { table = "${c}", by = "x", colum = "m", column = "q" }
""",
    ) == [
        "2:2: unknown section 'recipes'; did you mean 'recipe'?",
        "4:8: 'a/b' cannot name a recipe; use letters, digits, '.', '_' and '-', 64 at most",
        "5:1: unknown key 'descripton' of [recipe]; did you mean 'description'?",
        "7:1: the parameter 'k' has no default; give it with -p NAME=VALUE",
        "7:7: unknown key 'defualt' of a parameter; did you mean 'default'?",
        "10:7: unknown step 'toy.nubmers'; did you mean 'toy.numbers'?",
        "12:6: the id 'a' is taken by the step of line 8",
        "13:1: toy.add needs 'table', '${STEP}' or the path of a table file",
        "14:1: unknown key 'wiht' of a step; did you mean 'with'?",
        "18:18: unknown reference 'c'; valid: a, b, params.k",
        "18:31: by: Expected a number, but received 'x'",
        "18:36: unknown parameter 'colum' of toy.add; did you mean 'column'?",
        "18:58: column: 'q' is not a choice; valid: m, k, left, right",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1:1: a recipe needs at least one [[step]]", "1:1: the section [recipe] with a name is missing"]),
        ("recipe = 1\nstep = 2", ["1:1: Expected the section [recipe]", "2:1: Expected [[step]]"]),
        ("step = [1]\nrecipe.name = 'x'", ["1:9: Expected [[step]], but received 1"]),
        ("[recipe]\nname='x'\n[step]\nid='a'\nuse='toy.switch'", ["3:2: write [[step]], with two brackets"]),
        ("params = 1\n[recipe]\nname='x'\n[[step]]\nid='a'\nuse='toy.switch'", ["1:1: Expected the section [params]"]),
        (
            "[recipe]\nname=''\n[[step]]\nid='run'\nuse='toy.switch'",
            ["2:6: '' cannot name", "4:4: the id 'run' is res"],
        ),
        ("[recipe]\nname='x'\n[[step]]\nid='../a'\nuse='toy.switch'", ["4:4: '../a' cannot be an id"]),
        ("[recipe]\nname='x'\n[[step]]\nid=1\nuse=2\nwith=3", ["4:4: 1 cannot", "5:5: Expected the name", "6:6: Expe"]),
        ("[recipe]\nname='x'\n[[step]]", ["3:3: the step does not say", "3:3: the step has no id"]),
        (
            "[recipe]\nname='x'\n[[step]]\nid='Ab'\nuse='toy.switch'\n[[step]]\nid='aB'\nuse='toy.switch'",
            ["7:4: the outputs of 'aB' and 'Ab' of line 3 would be the same files"],
        ),
        (
            "[recipe]\nname='x'\n[[step]]\nid='a'\nuse='ocr.read'",
            ["5:5: unknown step 'ocr.read'; did you mean 'toy.read'?; no plugin that is installed offers 'ocr.' steps"],
        ),
    ],
)
def test_wrong_shapes_are_named(kitchen: Kitchen, text: str, expected: list[str]) -> None:
    found = problems(kitchen, text)
    assert len(found) == len(expected), found
    assert all(have.startswith(want) for have, want in zip(found, expected, strict=True)), found


ECHO = '[params]\nk = 3\nwords = ["a"]\n[[step]]\nid = "n"\nuse = "toy.numbers"\nwith = {{ count = "${{params.k}}" }}\n'
ECHO += '[[step]]\nid = "e"\nuse = "toy.echo"\nwith = {{ {} }}\n'


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('value = "${params.k}"', 3),
        ('value = "k is ${params.k}, ${params.k}"', "k is 3, 3"),
        ('value = "$${params.k}"', "${params.k}"),
        ('value = ["${params.words}", { deep = ["${n}"] }]', [["a"], {"deep": [StepTable("n")]}]),
        ('value = "${n}/below/x"', StepFolder("n", "below/x")),
        ('value = "cost: $5 {x}"', "cost: $5 {x}"),
    ],
)
def test_references_are_resolved_in_text_and_nested_lists(kitchen: Kitchen, given: str, expected: object) -> None:
    recipe = kitchen.load(kitchen.steps(ECHO.format(given)))
    assert recipe.steps[-1].values["value"] == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('value = "${params.kk}"', "unknown parameter 'kk'; did you mean 'k'?"),
        ('value = ["x", { a = "${env.HOME}" }]', "recipes do not read environment variables"),
        ('value = "${m}"', "unknown reference 'm'"),
        ('value = "${n.col}"', "'${n}' is the whole table of the step"),
        ('value = "${n"', "'${' without its '}'"),
        ('value = "x ${n}"', "puts a table into text"),
        ('value = "x ${params.words}"', "puts a list into text"),
        ('encoder = "${n}"', "Expected the name of an encoder, but received the table of step 'n'"),
        ('encoder = ""', "Expected the name of an encoder"),
        ("table = 1", "Expected '${STEP}' or the path of a table file, but received 1"),
        ('table = "x.txt"', "'x.txt' is not in"),
        ('one = "${n}/../../x"', "leaves the folder of step 'n'"),
        ('one = "/etc/passwd"', "is not relative to the recipe's folder; put it in [params]"),
        ('one = "../x"', "leaves the recipe's folder; give such a path with -p"),
        ('one = "a/../../x"', "leaves the recipe's folder"),
        ("one = 'C:\\x'", "is not relative to the recipe's folder"),
        ('one = "~/x"', "is not relative to the recipe's folder"),
        ('one = ""', "an empty path"),
        ('one = "a\\u0000b"', "a NUL character in a path"),
        ('one = "' + "x" * 5000 + '"', "is not in"),
        ('one = "[z-a"', "matches nothing in"),
    ],
)
def test_a_value_that_cannot_be_used_is_one_problem_at_its_place(kitchen: Kitchen, given: str, expected: str) -> None:
    found = problem(kitchen, ECHO.format(given))
    assert expected in found
    assert found.startswith("13:")


def test_every_cycle_is_named(kitchen: Kitchen) -> None:
    step = '[[step]]\nid = "{}"\nuse = "toy.even"\nwith = {{ table = "${{{}}}" }}\n'
    found = problems(
        kitchen, '[recipe]\nname = "x"\n' + "".join(step.format(*pair) for pair in ("ab", "bc", "ca", "dd", "ea"))
    )
    assert len(found) == 2
    assert any(line.endswith(("a → b → c → a", "b → c → a → b", "c → a → b → c")) for line in found)
    assert any(line.endswith("the steps need each other: d → d") for line in found)


def test_steps_are_put_in_an_order_in_which_they_can_run(kitchen: Kitchen) -> None:
    even = '[[step]]\nid = "{}"\nuse = "toy.even"\nwith = {{ table = "${{{}}}" }}\n'
    body = even.format("z", "y") + even.format("y", "n") + even.format("a", "n")
    body += '[[step]]\nid = "n"\nuse = "toy.numbers"\nwith = { count = 1 }\n'
    assert [step.id for step in kitchen.load(kitchen.steps(body)).steps] == ["n", "y", "z", "a"]


def test_the_graph_functions_on_their_smallest_cases() -> None:
    assert cycles({}) == [] and ordered({}) == []
    assert dependants("a", {"a": (), "b": ("a",), "c": ("b",), "d": ()}) == {"a", "b", "c"}


def test_an_unused_parameter_is_a_warning_and_no_error(kitchen: Kitchen) -> None:
    path = kitchen.steps('[params]\nk = 1\n[[step]]\nid = "a"\nuse = "toy.switch"\n')
    assert [str(w) for w in kitchen.load(path).warnings] == [f"{path}:4:1: warning: the parameter 'k' is not used"]
    assert check_recipe(path, steps=STEPS) == [f"{path}:4:1: warning: the parameter 'k' is not used"]


PARAMS = """[params]
count = 2
by = 1.5
on = true
words = ["a"]
kind = { default = "m", choices = ["m", "k"], help = "which" }
must = {}
[[step]]
id = "e"
use = "toy.echo"
with.value = ["${params.count}", "${params.by}", "${params.on}", "${params.words}", "${params.kind}", "${params.must}"]
"""


@pytest.mark.parametrize(
    ("given", "index", "expected"),
    [
        ({"count": "7"}, 0, 7),
        ({"count": 7}, 0, 7),
        ({"count": None}, 0, 2),
        ({"by": "2"}, 1, 2.0),
        ({"on": "false"}, 2, False),
        ({"words": "b"}, 3, ["b"]),
        ({"words": '["b", "c"]'}, 3, ["b", "c"]),
        ({"kind": "k"}, 4, "k"),
        ({"must": "5"}, 5, "5"),
    ],
)
def test_given_text_is_read_as_the_type_of_the_default(
    kitchen: Kitchen, given: dict[str, object], index: int, expected: object
) -> None:
    recipe = kitchen.load(kitchen.steps(PARAMS), {"must": "x", **given})
    values = recipe.steps[0].values["value"]
    assert isinstance(values, list)
    assert values[index] == expected and type(values[index]) is type(expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"must": 1, "count": "two"}, "-p: count: Expected a whole number as in the recipe, but received 'two'"),
        ({"must": 1, "count": "true"}, "-p: count: Expected a whole number as in the recipe, but received 'true'"),
        ({"must": 1, "count": "1\nx = 2"}, "-p: count: Expected a whole number as in the recipe"),
        ({"must": 1, "on": "1"}, "-p: on: Expected true or false as in the recipe, but received '1'"),
        ({"must": 1, "kind": "z"}, "-p: kind: 'z' is not a choice; valid: m, k"),
        ({"must": 1, "cuont": "1"}, "-p: unknown parameter 'cuont'; did you mean 'count'?"),
        ({"must": object()}, "-p: must: Expected text, a number, true or false, or a list, but received a object"),
        ({}, "9:1: the parameter 'must' has no default; give it with -p NAME=VALUE"),
    ],
)
def test_given_values_that_do_not_fit_are_told(kitchen: Kitchen, given: dict[str, object], expected: str) -> None:
    assert problem(kitchen, PARAMS, given).startswith(expected)


def test_a_check_without_values_leaves_out_what_is_still_to_be_given(kitchen: Kitchen) -> None:
    path = kitchen.steps('[params]\nfiles = {}\n[[step]]\nid="r"\nuse="toy.read"\nwith.inputs = "${params.files}"\n')
    assert check_recipe(path, steps=STEPS) == []


READ = '[params]\nfiles = "*.txt"\n[[step]]\nid = "r"\nuse = "toy.read"\nwith = { inputs = "${params.files}" }\n'


def inputs(kitchen: Kitchen, body: str, params: dict[str, object] | None = None) -> list[Path]:
    value = kitchen.load(kitchen.steps(body), params).steps[0].values["inputs"]
    assert isinstance(value, list)
    return value


def test_paths_start_at_the_recipe_and_given_ones_where_the_user_is(kitchen: Kitchen, tmp_path: Path) -> None:
    (kitchen.root / "b.txt").write_text("b")
    (kitchen.root / "a.txt").write_text("a")
    (kitchen.root / ".hidden.txt").write_text("h")
    (tmp_path / "mine.txt").write_text("m")
    assert inputs(kitchen, READ) == [kitchen.root / "a.txt", kitchen.root / "b.txt"]
    assert inputs(kitchen, READ, {"files": "*.txt"}) == [tmp_path / "mine.txt"]
    assert inputs(kitchen, READ, {"files": str(tmp_path / "mine.txt")}) == [tmp_path / "mine.txt"]
    assert inputs(kitchen, READ, {"files": tmp_path / "recipes" / ".." / "mine.txt"})[0].read_text() == "m"


def test_what_is_given_frees_only_a_path_that_begins_with_it(kitchen: Kitchen, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("m")
    begins = READ.replace('"${params.files}"', '"${params.files}/mine.txt"')
    inside = READ.replace('"${params.files}"', '"sub/${params.files}/mine.txt"')
    assert inputs(kitchen, begins, {"files": str(tmp_path)}) == [tmp_path / "mine.txt"]
    assert "leaves the recipe's folder" in problem(kitchen, inside, {"files": "../.."})


def test_a_folder_whose_name_looks_like_a_pattern_is_none(kitchen: Kitchen) -> None:
    folder = kitchen.root / "data[1]*"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    path = folder / "toy.toml"
    path.write_text('[recipe]\nname = "toy"\n' + READ)
    assert kitchen.load(path).steps[0].values["inputs"] == [folder / "a.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_out_of_the_recipe_are_refused_and_loops_end(kitchen: Kitchen, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("s")
    folder = kitchen.root / "data"
    folder.mkdir()
    (folder / "ok.txt").write_text("ok")
    (folder / "loop").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    glob = READ.replace("*.txt", "**/*.txt")
    assert inputs(kitchen, glob) == [folder / "ok.txt"]
    assert inputs(kitchen, READ.replace("*.txt", "/".join(["**"] * 60) + "/ok.txt")) == [folder / "ok.txt"]
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    for pattern in ("**/*.txt", "data/out.txt", "data"):
        assert "is a link out of the recipe's folder" in problem(kitchen, READ.replace("*.txt", pattern))
    assert inputs(kitchen, READ, {"files": str(folder)}) == [folder]


def test_tables_folders_and_stores_become_what_stands_for_them(kitchen: Kitchen) -> None:
    (kitchen.root / "t.csv").write_text("n\n1\n")
    body = (
        '[[step]]\nid = "w"\nuse = "toy.write"\nwith = { table = "t.csv" }\n'
        '[[step]]\nid = "f"\nuse = "toy.folder"\nwith = { folder = "${w}/made" }\n'
    )
    first, second = kitchen.load(kitchen.steps(body)).steps
    assert first.values == {"table": TableFile(kitchen.root / "t.csv"), "folder": StoreFolder(Path("made"))}
    assert second.values == {"folder": StepFolder("w", "made")} and second.needs == ("w",)


def test_a_step_may_do_without_paths_where_its_default_is_none_of_them(kitchen: Kitchen) -> None:
    step = '[[step]]\nid = "s"\nuse = "toy.switch"\n'
    assert kitchen.load(kitchen.steps(step)).steps[0].values == {"on": False, "extra": []}
    assert "but received an empty list" in problem(kitchen, step + "with.extra = []")


def test_two_steps_may_not_write_one_given_folder(kitchen: Kitchen) -> None:
    (kitchen.root / "t.csv").write_text("n\n1\n")
    step = '[[step]]\nid = "{}"\nuse = "toy.write"\nwith = {{ table = "t.csv", folder = "${{params.to}}" }}\n'
    body = '[params]\nto = "x"\n' + step.format("a") + step.format("b")
    assert "the step 'a' writes the same folder" in problem(kitchen, body, {"to": "/tmp/x"})
    assert len(kitchen.load(kitchen.steps(body)).steps) == 2


def test_recipes_are_listed_with_what_is_wrong_and_described(kitchen: Kitchen) -> None:
    kitchen.write('[recipe]\nname = "one"\ndescription = "first"\n[[step]]\nid="a"\nuse="toy.switch"', "1.toml")
    kitchen.write("[recipe", "broken.toml")
    kitchen.write("[project]\nname = 'no recipe'", "pyproject.toml")
    entries = list_recipes([kitchen.root, kitchen.root, kitchen.root / "none"])
    assert [(e.name, e.description, bool(e.problem)) for e in entries] == [
        ("broken", "", True),
        ("one", "first", False),
    ]
    shown = describe(kitchen.load(entries[1].path))
    assert shown["name"] == "one" and shown["steps"][0]["use"] == "toy.switch"
