"""The folder that a run fills: ``runs/NAME/`` with tables, files, ``failures.jsonl`` and ``run.json``.

Every step gives ``ID.arrow`` and, where it wrote files, the folder ``ID/``; a final step also ``ID.parquet`` and
``ID.jsonl``. Files are hard links into the cache where the disk allows it, else copies; each is put in place whole, and
what an earlier run of the same recipe left is replaced step by step.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from mmkit.errors import UsageError
from mmkit.recipes.cache import FILES, TABLE, Cache, Entry
from mmkit.recipes.execute import FAILURES
from mmkit.recipes.problems import shown
from mmkit.recipes.tables import atomically, open_table, write_jsonl, write_parquet

__all__ = ["RUN_FILE", "RunFolder", "with_readable_tables"]

RUN_FILE: Final = "run.json"
_TABLE_SUFFIXES: Final = (".arrow", ".parquet", ".jsonl")


def with_readable_tables(cache: Cache, entry: Entry) -> Entry:
    """``entry`` with its table as Parquet and JSON Lines beside it, written once."""
    folder = cache.folder(entry)
    if "table.jsonl" in entry.files:
        return entry
    table = open_table(folder / TABLE)
    write_parquet(table, folder / "table.parquet")
    write_jsonl(table, folder / "table.jsonl")
    return cache.publish(entry)


class RunFolder:
    """The output folder of one recipe."""

    def __init__(self, path: Path, recipe: str) -> None:
        self.path = path
        self.recipe = recipe

    def claim(self, steps: Iterable[str]) -> None:
        """Make the folder, or take over that of an earlier run and remove outputs of steps that are no more.

        Raises:
            UsageError: the folder holds something else, which a run must not replace.
        """
        if os.path.lexists(self.path) and not self.path.is_dir():
            raise UsageError("Expected a folder for the outputs", where=str(self.path), mend="give another with --out")
        self.path.mkdir(parents=True, exist_ok=True)
        earlier = self._earlier()
        if earlier is None and any(self.path.iterdir()):
            raise UsageError(
                f"the folder is not empty and holds no earlier run of {shown(self.recipe)}",
                where=str(self.path),
                mend="give another with --out",
            )
        for step in set(earlier or ()) - set(steps):
            self._remove(step)

    def _earlier(self) -> list[str] | None:
        try:
            data = json.loads((self.path / RUN_FILE).read_text(encoding="utf-8"))
            if data["recipe"]["name"] != self.recipe:
                return None
            names = [str(step["id"]) for step in data["steps"]]
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        # They become paths to remove, so whoever wrote the file must not be able to name others.
        return [name for name in names if name.replace("-", "").replace("_", "").isalnum()]

    def _remove(self, step: str) -> None:
        for suffix in _TABLE_SUFFIXES:
            (self.path / f"{step}{suffix}").unlink(missing_ok=True)
        self._remove_folder(self.path / step)

    @staticmethod
    def _remove_folder(folder: Path) -> None:
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, step: str, cache: Cache, entry: Entry, *, final: bool) -> None:
        """Put a step's output in place."""
        source = cache.folder(entry)
        for suffix in _TABLE_SUFFIXES:
            target = self.path / f"{step}{suffix}"
            table = source / f"table{suffix}"
            if table.name in entry.files and (final or suffix == ".arrow"):
                _link(table, target)
            else:
                target.unlink(missing_ok=True)
        self._put_folder(source / FILES, self.path / step)

    def _put_folder(self, source: Path, target: Path) -> None:
        wanted = {path.relative_to(source): path for path in sorted(source.rglob("*"))}
        if target.is_dir() and _same_files(wanted, target):
            return
        token = uuid.uuid4().hex[:8]
        fresh, stale = (target.with_name(f".{target.name}.{token}.{kind}") for kind in ("new", "old"))
        try:
            if wanted:
                fresh.mkdir()
                for relative, path in wanted.items():
                    if path.is_dir() and not path.is_symlink():
                        (fresh / relative).mkdir(parents=True, exist_ok=True)
                    else:
                        (fresh / relative).parent.mkdir(parents=True, exist_ok=True)
                        _link(path, fresh / relative)
            if os.path.lexists(target):
                target.rename(stale)
            if wanted:
                fresh.rename(target)
        finally:
            self._remove_folder(fresh)
            self._remove_folder(stale)

    def write_failures(self, cache: Cache, entries: Mapping[str, Entry]) -> None:
        """Gather the failed items of all steps in ``failures.jsonl``; no file where there are none."""
        target = self.path / FAILURES
        sources = [(step, cache.folder(entry) / FAILURES) for step, entry in entries.items() if entry.failures]
        if not sources:
            target.unlink(missing_ok=True)
            return

        def write(temporary: Path) -> None:
            with open(temporary, "w", encoding="utf-8") as out:
                for step, source in sources:
                    for line in source.read_text(encoding="utf-8").splitlines():
                        # The cached output may be that of a step of another name.
                        out.write(json.dumps({**json.loads(line), "step": step}) + "\n")

        atomically(target, write)

    def write_run(self, record: Mapping[str, Any]) -> None:
        """Write ``run.json``."""
        text = json.dumps(record, indent=2, allow_nan=False) + "\n"
        atomically(self.path / RUN_FILE, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _link(source: Path, target: Path) -> None:
    if target.exists() and source.exists() and source.samefile(target):
        return
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        try:
            os.link(source, temporary, follow_symlinks=False)
        except (OSError, NotImplementedError):
            shutil.copy2(source, temporary, follow_symlinks=False)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _same_files(wanted: Mapping[Path, Path], target: Path) -> bool:
    there = {path.relative_to(target) for path in target.rglob("*")}
    return bool(wanted) and there == set(wanted) and all(_same(path, target / name) for name, path in wanted.items())


def _same(source: Path, target: Path) -> bool:
    if source.is_dir():
        return target.is_dir()
    return target.exists() and source.exists() and source.samefile(target)
