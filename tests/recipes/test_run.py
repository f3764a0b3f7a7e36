"""Running recipes: caching and why a step runs, failures, outputs, interruption, engines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from recipe_kitchen import Kitchen
from recipe_toys import STEPS

import mmkit
from mmkit.errors import MissingExtra, UsageError
from mmkit.recipes import Event, plan_recipe
from mmkit.recipes.cache import Cache, Entry
from mmkit.recipes.engines import engine
from mmkit.recipes.hashing import FileHashes

CHAIN = """
[params]
count = 4
by = 1.0
[[step]]
id = "n"
use = "toy.numbers"
with = { count = "${params.count}" }
[[step]]
id = "left"
use = "toy.add"
with = { table = "${n}", by = "${params.by}", column = "left" }
[[step]]
id = "right"
use = "toy.add"
with = { table = "${n}", column = "right" }
[[step]]
id = "all"
use = "toy.gather"
with = { tables = ["${left}", "${right}"], labels = ["l", "r"] }
"""
ALL_CALLS = ["numbers", "add left", "add right"]


def reasons(kitchen: Kitchen, path: Path, params: dict[str, object] | None = None) -> dict[str, str]:
    plan = plan_recipe(path, params, steps=STEPS, settings=kitchen.settings)
    return {planned.id: planned.reason for planned in plan.steps}


def statuses(result: Any) -> dict[str, str]:
    return {name: step.status for name, step in result.steps.items()}


def record(kitchen: Kitchen) -> dict[str, Any]:
    return json.loads((kitchen.root / "out" / "run.json").read_text())


def leftovers(kitchen: Kitchen) -> list[Path]:
    """Temporary files, and output folders that no entry names."""
    cache = kitchen.settings.cache_dir / "recipes"
    named = {json.loads(path.read_text())["folder"] for path in (cache / "entries").glob("*.json")}
    folders = [path for path in (cache / "outputs").glob("*") if path.name not in named]
    return folders + [path for path in kitchen.root.parent.rglob(".*") if path.suffix in (".tmp", ".new", ".old")]


def test_a_run_gives_tables_files_and_a_record(kitchen: Kitchen) -> None:
    result = kitchen.run(kitchen.steps(CHAIN))
    out = kitchen.root / "out"
    assert result.exit_code == 0 and result.check() is result and result.out == out
    assert result.tables["left"]["left"].to_pylist() == [1.0, 2.0, 3.0, 4.0]
    assert result.tables["all"].to_pylist() == [{"rows": 4, "label": "l"}, {"rows": 4, "label": "r"}]
    assert sorted(p.name for p in out.iterdir()) == [
        "all.arrow", "all.jsonl", "all.parquet", "left.arrow", "n.arrow", "right.arrow", "run.json"
    ]  # fmt: skip
    assert pyarrow.parquet.read_table(out / "all.parquet").equals(result.tables["all"])
    assert [json.loads(line)["label"] for line in (out / "all.jsonl").read_text().splitlines()] == ["l", "r"]
    run = record(kitchen)
    assert run["status"] == "ok" and run["params"] == {"count": 4, "by": 1.0} and run["mmkit"] == mmkit.__version__
    assert [(s["id"], s["status"], s["cached"], s["rows"]) for s in run["steps"]][:2] == [
        ("n", "done", False, 4),
        ("left", "done", False, 4),
    ]
    assert leftovers(kitchen) == []


def test_a_second_run_takes_everything_from_the_cache_into_any_folder(kitchen: Kitchen) -> None:
    path = kitchen.steps(CHAIN)
    first = kitchen.run(path)
    assert kitchen.calls() == ALL_CALLS
    second = kitchen.run(path, out=kitchen.root / "other")
    assert kitchen.calls() == [] and set(statuses(second).values()) == {"cached"}
    assert second.tables["all"].equals(first.tables["all"])
    assert (kitchen.root / "other" / "all.jsonl").exists()


def test_the_plan_says_why_a_step_would_run(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    body = CHAIN + '[[step]]\nid = "e"\nuse = "toy.echo"\nwith = { one = "a.txt" }\n'
    (kitchen.root / "a.txt").write_text("a")
    path = kitchen.steps(body)
    assert set(reasons(kitchen, path).values()) == {"first run"}
    kitchen.run(path)
    assert set(reasons(kitchen, path).values()) == {"cached"}
    assert reasons(kitchen, path, {"by": 2}) == {
        "n": "cached",
        "left": "param by changed",
        "right": "cached",
        "all": "what tables comes from changed",
        "e": "cached",
    }
    (kitchen.root / "a.txt").write_text("b")
    assert reasons(kitchen, path)["e"] == "input one changed"
    monkeypatch.setenv("TOY_WEIGHTS", "2")
    assert reasons(kitchen, path)["e"] == "model changed, input one changed"
    monkeypatch.setitem(STEPS, "toy.numbers", _with_version(STEPS["toy.numbers"], "2"))
    assert reasons(kitchen, path)["n"] == "code changed"


def _with_version(spec: Any, version: str) -> Any:
    from dataclasses import replace

    return replace(spec, version=version)


def test_a_dry_run_runs_and_writes_nothing(kitchen: Kitchen) -> None:
    result = kitchen.run(kitchen.steps(CHAIN), dry_run=True)
    assert kitchen.calls() == [] and not (kitchen.root / "out").exists()
    assert str(result.plan).splitlines()[:2] == ["toy: 4 steps, 4 to run", "  run     n      toy.numbers (first run)"]
    assert "after left, right" in str(result.plan)


def test_renaming_a_step_and_touching_an_input_cost_nothing(kitchen: Kitchen) -> None:
    (kitchen.root / "a.txt").write_text("a")
    body = '[[step]]\nid = "{}"\nuse = "toy.read"\nwith.inputs = "*.txt"\n'
    kitchen.run(kitchen.steps(body.format("one")))
    os.utime(kitchen.root / "a.txt", (1, 1))
    result = kitchen.run(kitchen.steps(body.format("two")))
    assert statuses(result) == {"two": "cached"}
    assert sorted(p.name for p in (kitchen.root / "out").iterdir()) == [
        "run.json", "two.arrow", "two.jsonl", "two.parquet"
    ]  # fmt: skip


def test_from_runs_a_step_and_what_needs_it(kitchen: Kitchen) -> None:
    path = kitchen.steps(CHAIN)
    kitchen.run(path)
    kitchen.calls()
    result = kitchen.run(path, from_step="left")
    assert statuses(result) == {"n": "cached", "left": "done", "right": "cached", "all": "done"}
    assert kitchen.calls() == ["add left"]
    with pytest.raises(UsageError, match="no step 'lfet' in toy; did you mean 'left'"):
        kitchen.run(path, from_step="lfet")


def test_an_output_changed_by_hand_is_made_again(kitchen: Kitchen) -> None:
    path = kitchen.steps(CHAIN)
    kitchen.run(path)
    with open(kitchen.root / "out" / "left.arrow", "ab") as handle:
        handle.write(b"spoiled")
    result = kitchen.run(path)
    assert statuses(result)["left"] == "done" and statuses(result)["n"] == "cached"
    assert result.tables["left"].num_rows == 4


def test_items_that_fail_are_collected_and_told_again_from_the_cache(kitchen: Kitchen) -> None:
    body = CHAIN + '[[step]]\nid = "even"\nuse = "toy.even"\nwith = { table = "${n}" }\n'
    for _ in range(2):
        result = kitchen.run(kitchen.steps(body))
        assert result.exit_code == 3 and result.failures == 2
        assert record(kitchen)["status"] == "partial" and record(kitchen)["failures"] == 2
        lines = [json.loads(line) for line in (kitchen.root / "out" / "failures.jsonl").read_text().splitlines()]
        assert lines[0] == {"step": "even", "id": "row 1", "reason": "1 is odd"}
    kitchen.run(kitchen.steps(CHAIN))
    assert not (kitchen.root / "out" / "failures.jsonl").exists()
    assert not (kitchen.root / "out" / "even.arrow").exists()


BRANCHES = """
[params]
how = "raise"
[[step]]
id = "bad"
use = "toy.fail"
with = { how = "${params.how}" }
[[step]]
id = "after"
use = "toy.even"
with = { table = "${bad}" }
[[step]]
id = "n"
use = "toy.numbers"
with = { count = 1 }
"""


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raise", "step 'bad': the step failed with ZeroDivisionError: one by zero"),
        ("handled", "thing.png: the input is bad"),
        ("exit", "step 'bad': the step failed with SystemExit: 7"),
        ("no table", "step 'bad': Expected a pyarrow.Table from recipe_toys:fail, but received list"),
    ],
)
def test_a_failing_step_ends_the_run_and_leaves_nothing_half_done(kitchen: Kitchen, how: str, message: str) -> None:
    result = kitchen.run(kitchen.steps(BRANCHES), {"how": how})
    assert statuses(result) == {"bad": "failed", "after": "skipped", "n": "skipped"}
    assert result.exit_code == 1 and [str(error) for error in result.errors] == [message]
    with pytest.raises(type(result.errors[0])):
        result.check()
    assert record(kitchen)["status"] == "failed" and record(kitchen)["steps"][0]["error"] == message
    assert leftovers(kitchen) == []


def test_keep_going_runs_what_does_not_need_the_failed_step_and_a_rerun_goes_on(kitchen: Kitchen) -> None:
    path = kitchen.steps(BRANCHES)
    result = kitchen.run(path, keep_going=True)
    assert statuses(result) == {"bad": "failed", "after": "skipped", "n": "done"} and result.exit_code == 1
    result = kitchen.run(path, {"how": "ok"})
    assert statuses(result) == {"bad": "done", "after": "done", "n": "cached"}


def test_an_interrupt_passes_and_leaves_a_clean_state(kitchen: Kitchen) -> None:
    body = BRANCHES.replace('"toy.fail"\nwith', '"toy.fail"\nwith')
    with pytest.raises(KeyboardInterrupt):
        kitchen.run(kitchen.steps(body), {"how": "interrupt"})
    assert record(kitchen)["status"] == "interrupted"
    assert leftovers(kitchen) == []


def test_files_of_a_step_reach_the_next_step_and_the_output_folder(kitchen: Kitchen) -> None:
    body = (
        '[[step]]\nid = "n"\nuse = "toy.numbers"\nwith = { count = 3 }\n'
        '[[step]]\nid = "w"\nuse = "toy.write"\nwith = { table = "${n}" }\n'
        '[[step]]\nid = "f"\nuse = "toy.folder"\nwith = { folder = "${w}" }\n'
        '[[step]]\nid = "g"\nuse = "toy.folder"\nwith = { folder = "${w}/made" }\n'
        '[[step]]\nid = "t"\nuse = "toy.even"\nwith = { table = "${w}/rows.csv" }\n'
    )
    for _ in range(2):
        result = kitchen.run(kitchen.steps(body))
        assert result.tables["f"]["name"].to_pylist() == ["deep/down/note.txt", "made/inner.txt", "rows.csv"]
        assert result.tables["g"]["name"].to_pylist() == ["inner.txt"]
        assert result.tables["t"]["n"].to_pylist() == [0, 2]
        assert (kitchen.root / "out" / "w" / "made" / "inner.txt").read_text() == "3"
        assert Path(result.tables["w"]["path"][0].as_py()).read_text() == "note"
    fewer = body.replace("count = 3", "count = 2")
    kitchen.run(kitchen.steps(fewer))
    assert (kitchen.root / "out" / "w" / "made" / "inner.txt").read_text() == "2"
    assert leftovers(kitchen) == []


def test_a_folder_the_user_gave_is_written_there_and_made_again_when_it_is_gone(kitchen: Kitchen) -> None:
    body = (
        '[params]\nto = "made"\n[[step]]\nid = "n"\nuse = "toy.numbers"\nwith = { count = 3 }\n'
        '[[step]]\nid = "w"\nuse = "toy.write"\nwith = { table = "${n}", folder = "${params.to}" }\n'
    )
    path, given = kitchen.steps(body), kitchen.root / "given"
    kitchen.run(path, {"to": given})
    assert (given / "inner.txt").read_text() == "3"
    assert statuses(kitchen.run(path, {"to": given}))["w"] == "cached"
    (given / "inner.txt").unlink()
    given.rmdir()
    assert statuses(kitchen.run(path, {"to": given}))["w"] == "done"


def test_table_files_of_every_kind_are_read(kitchen: Kitchen) -> None:
    table = pa.table({"n": [0, 2]})
    (kitchen.root / "t.csv").write_text("n\n0\n2\n")
    (kitchen.root / "t.tsv").write_text("n\tm\n0\t1\n2\t1\n")
    (kitchen.root / "t.jsonl").write_text('{"n": 0}\n{"n": 2}\n')
    pyarrow.parquet.write_table(table, kitchen.root / "t.parquet")
    with pa.OSFile(str(kitchen.root / "t.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    suffixes = ("csv", "tsv", "jsonl", "parquet", "arrow")
    step = '[[step]]\nid = "{0}"\nuse = "toy.even"\nwith.table = "t.{0}"\n'
    result = kitchen.run(kitchen.steps("".join(step.format(suffix) for suffix in suffixes)))
    assert result.exit_code == 0
    assert all(result.tables[suffix]["n"].to_pylist() == [0, 2] for suffix in suffixes)
    (kitchen.root / "t.parquet").write_bytes(b"PAR1 no")
    broken = kitchen.run(kitchen.steps(step.format("parquet")))
    assert broken.exit_code == 1 and "is not a readable parquet file" in str(broken.errors[0])


def test_json_lines_leave_vectors_out_and_are_strict(kitchen: Kitchen) -> None:
    kitchen.run(kitchen.steps('[[step]]\nid = "s"\nuse = "toy.sleep"\nwith.mark = "é"\n'))
    assert json.loads((kitchen.root / "out" / "s.jsonl").read_text("utf-8")) == {"mark": "é"}
    assert "vector" in pyarrow.parquet.read_schema(kitchen.root / "out" / "s.parquet").names


def test_a_folder_with_other_things_is_not_written_to(kitchen: Kitchen) -> None:
    out = kitchen.root / "out"
    out.mkdir()
    (out / "n").mkdir()
    (out / "n" / "precious.txt").write_text("p")
    with pytest.raises(UsageError, match="is not empty and holds no earlier run of 'toy'; give another with --out"):
        kitchen.run(kitchen.steps(CHAIN))
    assert (out / "n" / "precious.txt").read_text() == "p" and kitchen.calls() == []
    (out / "run.json").write_text('{"recipe": {"name": "other"}, "steps": [{"id": "../../recipes"}]}')
    with pytest.raises(UsageError):
        kitchen.run(kitchen.steps(CHAIN))
    (out / "run.json").write_text('{"recipe": {"name": "toy"}, "steps": [{"id": "../out"}]}')
    kitchen.run(kitchen.steps(CHAIN))
    assert (out / "all.arrow").exists()


def test_without_out_the_outputs_go_to_runs_here(kitchen: Kitchen, tmp_path: Path) -> None:
    assert kitchen.run(kitchen.steps(CHAIN), out=None).out == tmp_path / "runs" / "toy"


def test_a_place_that_cannot_be_written_is_one_error(kitchen: Kitchen) -> None:
    (kitchen.root / "file").write_text("x")
    with pytest.raises(mmkit.errors.MmkitError):
        kitchen.run(kitchen.steps(CHAIN), out=kitchen.root / "file")
    with pytest.raises(mmkit.errors.MmkitError, match="the outputs cannot be written"):
        kitchen.run(kitchen.steps(CHAIN), out=kitchen.root / "file" / "below")


def test_events_tell_what_happens(kitchen: Kitchen) -> None:
    events: list[Event] = []
    kitchen.run(kitchen.steps(BRANCHES.replace('"raise"', '"ok"')), on_event=events.append)
    assert [f"{event.kind} {event.step}".strip() for event in events] == [
        "plan", "start bad", "done bad", "start after", "done after", "start n", "done n"
    ]  # fmt: skip
    events.clear()
    kitchen.run(kitchen.steps(CHAIN), on_event=events.append)
    assert ("progress", "left", 4, 4) in [(e.kind, e.step, e.done, e.total) for e in events]


KILLED = """
import sys
from pathlib import Path
from mmkit.config import Settings
from mmkit.recipes import run_recipe
from recipe_toys import STEPS
run_recipe(sys.argv[1], steps=STEPS, settings=Settings(cache_dir=Path(sys.argv[2])), out=sys.argv[3])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
@pytest.mark.parametrize("after", [0.0, 0.03, 0.1])
def test_a_killed_run_goes_on_from_its_finished_steps(kitchen: Kitchen, after: float) -> None:
    step = '[[step]]\nid = "s{0}"\nuse = "toy.sleep"\nwith = {{ seconds = {1}, mark = "{0}" }}\n'
    path = kitchen.steps("".join(step.format(i, 0.05 if i < 3 else 60) for i in range(4)))
    command = [sys.executable, "-c", KILLED, str(path), str(kitchen.settings.cache_dir), str(kitchen.root / "out")]
    search = os.pathsep.join([str(Path(__file__).parent), str(Path(mmkit.__file__).parents[1])])
    child = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": search})
    entries = kitchen.settings.cache_dir / "recipes" / "entries"
    deadline = time.monotonic() + 60
    while len(list(entries.glob("*.json"))) < 2 and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.005)
    time.sleep(after)
    child.send_signal(signal.SIGKILL)
    child.wait()
    kitchen.calls()
    finished = len([p for p in entries.glob("*.json") if not p.name.startswith(".")])
    assert 2 <= finished <= 3
    # The last step, which never ends, becomes a short one; what was finished is not run again.
    body = path.read_text().replace("seconds = 60", "seconds = 0.0")
    path.write_text(body)
    result = kitchen.run(path)
    assert list(statuses(result).values()) == ["cached"] * finished + ["done"] * (4 - finished)
    assert len(kitchen.calls()) == 4 - finished
    assert [(kitchen.root / "out" / f"s{i}" / "mark").read_text() for i in range(4)] == ["0", "1", "2", "3"]


def test_what_a_killed_run_left_is_swept_after_a_day(kitchen: Kitchen) -> None:
    cache = Cache(kitchen.settings.cache_dir / "recipes")
    old, young = cache.new_folder("a" * 64), cache.new_folder("b" * 64)
    for path in (old / "files", old):
        os.utime(path, (time.time() - 90_000,) * 2)
    path = kitchen.steps(CHAIN)
    kitchen.run(path)
    assert not old.exists() and young.exists()
    assert set(statuses(kitchen.run(path)).values()) == {"cached"}
    assert cache.clear() == 4
    assert set(statuses(kitchen.run(path)).values()) == {"done"}


def test_an_output_that_another_run_made_meanwhile_is_kept(kitchen: Kitchen) -> None:
    cache = Cache(kitchen.settings.cache_dir / "recipes")
    folders = [cache.new_folder("a" * 64) for _ in range(2)]
    for folder in folders:
        (folder / "table.arrow").write_bytes(b"t")
    first, second = (cache.publish(Entry("a" * 64, {}, folder.name)) for folder in folders)
    assert first == second == cache.find("a" * 64) and folders[0].exists() and not folders[1].exists()


def test_a_damaged_cache_only_costs_time(kitchen: Kitchen) -> None:
    path = kitchen.steps(CHAIN)
    kitchen.run(path)
    root = kitchen.settings.cache_dir / "recipes"
    for file in [*root.glob("entries/*.json"), *root.glob("last/*.json"), root / "hashes.sqlite"]:
        file.write_bytes(b"\xff{")
    assert set(statuses(kitchen.run(path)).values()) == {"done"}
    assert set(statuses(kitchen.run(path)).values()) == {"cached"}


def test_hashes_are_remembered_by_size_and_time_and_follow_content(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    os.utime(file, (1000, 1000))
    with FileHashes(tmp_path / "h.sqlite") as hashes:
        first = hashes.digest([tmp_path / "a"])
    file.write_text("two")
    os.utime(file, (1000, 1000))
    with FileHashes(tmp_path / "h.sqlite") as hashes:
        assert hashes.digest([file]) == first
    os.utime(file, (2000, 2000))
    with FileHashes(tmp_path / "h.sqlite") as hashes:
        assert hashes.digest([file]) != first
    file.write_text("new")
    with FileHashes(tmp_path / "h.sqlite") as hashes:
        young = hashes.digest([file])
        status = file.stat()
        file.write_text("won")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert hashes.digest([file]) != young


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes there")
def test_pipes_and_unreadable_files_are_hashed_as_what_they_are(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with FileHashes(tmp_path / "none" / "h.sqlite") as hashes:
        assert [f.sha256 for f in hashes.digest([tmp_path / "pipe", tmp_path / "gone"]).files] == [
            "not a file",
            "unreadable",
        ]


def test_an_unknown_engine_and_a_missing_one_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no engine 'locl'; did you mean 'local'"):
        engine("locl")
    monkeypatch.setattr("mmkit.recipes.engines.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'mmkit\[ray\]'"):
        engine("ray")


def test_the_ray_engine_gives_what_the_local_one_gives(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    search = os.pathsep.join([str(Path(__file__).parent), str(Path(mmkit.__file__).parents[1])])
    monkeypatch.setenv("PYTHONPATH", search)
    path = kitchen.steps(CHAIN + BRANCHES.split("\n", 3)[3].replace("${params.how}", "raise").replace('"n"', '"n2"'))
    result = kitchen.run(path, engine="ray", keep_going=True)
    assert statuses(result) == {
        "n": "done", "left": "done", "right": "done", "all": "done", "bad": "failed", "after": "skipped", "n2": "done"
    }  # fmt: skip
    assert "ZeroDivisionError" in str(result.errors[0])
    again = kitchen.run(path, keep_going=True)
    assert statuses(again)["all"] == "cached"
    assert again.tables["all"].equals(result.tables["all"])


def test_the_room_is_imported_without_heavy_packages() -> None:
    code = "import sys, mmkit.recipes; assert not {'pyarrow', 'numpy', 'torch'} & set(sys.modules), sys.modules.keys()"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
