"""Toy steps for the tests of recipes; named by ``recipe_toys:…`` targets, so also importable in other processes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pyarrow as pa

from mmkit.errors import BadInput
from mmkit.hookspecs import ParamSpec, StepSpec
from mmkit.recipes.context import StepContext


def numbers(context: StepContext, count: int, start: int) -> pa.Table:
    _count_call("numbers")
    return pa.table({"n": pa.array(range(start, start + count), pa.int64())})


def add(context: StepContext, table: pa.Table, by: float, column: str) -> pa.Table:
    _count_call(f"add {column}")
    context.progress(table.num_rows, table.num_rows)
    return table.append_column(column, pa.array([n + by for n in table["n"].to_pylist()], pa.float64()))


def keep_even(context: StepContext, table: pa.Table) -> pa.Table:
    kept = []
    for index, n in enumerate(table["n"].to_pylist()):
        if n % 2:
            context.fail(f"row {index}", f"{n} is odd")
        else:
            kept.append(index)
    return table.take(pa.array(kept, pa.int64()))


def read_texts(context: StepContext, inputs: list[Path]) -> pa.Table:
    _count_call("read_texts")
    return pa.table({"file": [p.name for p in inputs], "text": [p.read_text("utf-8") for p in inputs]})


def write_files(context: StepContext, table: pa.Table, folder: Path) -> pa.Table:
    folder.mkdir()
    (folder / "inner.txt").write_text(str(table.num_rows))
    path = context.artefact("deep/down/note.txt")
    path.write_text("note")
    context.artefact("rows.csv").write_text("n\n0\n2\n")
    return pa.table({"path": [str(path)]})


def read_folder(context: StepContext, folder: Path) -> pa.Table:
    return pa.table({"name": sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())})


def gather(context: StepContext, tables: list[pa.Table], labels: list[str]) -> pa.Table:
    return pa.table({"rows": [t.num_rows for t in tables], "label": labels})


def fail(context: StepContext, how: str) -> pa.Table:
    context.artefact("half-written").write_text("x")
    if how == "handled":
        raise BadInput("the input is bad", where="thing.png")
    if how == "exit":
        raise SystemExit(7)
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "no table":
        return [1, 2]
    if how == "ok":
        return pa.table({"n": [1]})
    raise ZeroDivisionError("one by zero")


def sleep(context: StepContext, seconds: float, mark: str) -> pa.Table:
    _count_call(f"sleep {mark}")
    context.artefact("mark").write_text(mark)
    time.sleep(seconds)
    return pa.table({"mark": [mark], "vector": pa.array([[0.5] * 32], pa.list_(pa.float32(), 32))})


def echo(context: StepContext, value: object, encoder: str, table: pa.Table | None, one: Path | None) -> pa.Table:
    return pa.table({"value": [repr(value)], "encoder": [encoder], "one": [None if one is None else one.name]})


def echo_fingerprint(encoder: str, **params: object) -> str:
    return f"{encoder}-weights-{os.environ.get('TOY_WEIGHTS', '1')}"


def _count_call(name: str) -> None:
    # Steps may run in another process, so calls are counted in a file.
    if path := os.environ.get("TOY_CALLS"):
        with open(path, "a", encoding="utf-8") as out:
            out.write(f"{name}\n")


TABLE = ParamSpec("table", "table")
_SPECS = (
    StepSpec("toy.numbers", "recipe_toys:numbers", "", (ParamSpec("count", "int"), ParamSpec("start", "int", 0))),
    StepSpec(
        "toy.add",
        "recipe_toys:add",
        "",
        (TABLE, ParamSpec("by", "float", 1.0), ParamSpec("column", "str", "m", choices=("m", "k", "left", "right"))),
    ),
    StepSpec("toy.even", "recipe_toys:keep_even", "", (TABLE,)),
    StepSpec("toy.read", "recipe_toys:read_texts", "", (ParamSpec("inputs", "paths"),)),
    StepSpec("toy.write", "recipe_toys:write_files", "", (TABLE, ParamSpec("folder", "store", "made"))),
    StepSpec("toy.folder", "recipe_toys:read_folder", "", (ParamSpec("folder", "path"),)),
    StepSpec("toy.gather", "recipe_toys:gather", "", (ParamSpec("tables", "list"), ParamSpec("labels", "list", ()))),
    StepSpec("toy.fail", "recipe_toys:fail", "", (ParamSpec("how", "str", "raise"),)),
    StepSpec("toy.sleep", "recipe_toys:sleep", "", (ParamSpec("seconds", "float", 0.0), ParamSpec("mark", "str", ""))),
    StepSpec(
        "toy.echo",
        "recipe_toys:echo",
        "",
        (
            ParamSpec("value", "any", None),
            ParamSpec("encoder", "encoder", "mini"),
            ParamSpec("table", "table", None),
            ParamSpec("one", "path", None),
        ),
        fingerprint="recipe_toys:echo_fingerprint",
    ),
    StepSpec("toy.switch", "recipe_toys:echo", "", (ParamSpec("on", "bool", False), ParamSpec("extra", "paths", ()))),
)
STEPS = {spec.name: spec for spec in _SPECS}
