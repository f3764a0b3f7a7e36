"""The kinds of a step's parameters: what each takes and what the step receives for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from mmkit.hookspecs import ParamSpec
from mmkit.recipes.model import StepFolder, StepTable, StoreFolder, TableFile
from mmkit.recipes.paths import GivenText, PathProblem, expand, links_out, locate
from mmkit.recipes.problems import nearest, shown

__all__ = ["WANTED", "Mismatch", "ValueReader"]

WANTED: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "path": "the path of a file or folder",
    "paths": "a path or glob, or a list of them",
    "table": "'${STEP}' or the path of a table file",
    "list": "a list",
    "encoder": "the name of an encoder",
    "store": "the name of a folder to write",
    "any": "a value",
}


class Mismatch(ValueError):
    """Why a value is not what a parameter takes, as a phrase."""


@dataclass(frozen=True, slots=True)
class ValueReader:
    """Turns the resolved value of a parameter into what its step receives.

    ``path`` gives a ``Path``, ``paths`` a list of them (globs expanded, folders as they are), ``table`` a
    ``StepTable`` or ``TableFile``, ``store`` a ``StoreFolder``; ``${STEP}`` as a path is the step's ``StepFolder``.
    """

    root: Path
    cwd: Path

    def read(self, spec: ParamSpec, value: object) -> object:
        """The value as the step receives it.

        Raises:
            Mismatch: it is of another kind, not among the choices, or names a file that is not there.
        """
        read = _READERS.get(spec.kind)
        if read is None:
            raise Mismatch(f"the step declares the kind {shown(spec.kind)}, which this mmkit does not know")
        result = read(self, value)
        if spec.choices:
            for one in result if isinstance(result, list) else [result]:
                if str(one) not in spec.choices:
                    name = str(one)
                    raise Mismatch(
                        f"{shown(name)} is not a choice; valid: {', '.join(spec.choices)}{_hint(name, spec)}"
                    )
        return result

    def path(self, value: object) -> object:
        if isinstance(value, (StepTable, StepFolder)):
            return _folder(value)
        found = self._expand(_text("path", value), one="path")
        return found[0]

    def paths(self, value: object) -> object:
        texts = list(value) if isinstance(value, (list, tuple)) else [value]
        if not texts:
            raise Mismatch(f"Expected {WANTED['paths']}, but received an empty list")
        found: list[object] = []
        for text in texts:
            if isinstance(text, (StepTable, StepFolder)):
                found.append(_folder(text))
            else:
                found.extend(self._expand(_text("paths", text)))
        return list(dict.fromkeys(found))

    def table(self, value: object) -> object:
        if isinstance(value, StepTable):
            return value
        if isinstance(value, StepFolder):
            return _folder(value)
        path = self._expand(_text("table", value), one="table")[0]
        from mmkit.media.tables import TABLE_KINDS, table_kind

        if table_kind(path) is None:
            raise Mismatch(f"{shown(path.name)} is not a table file; Expected {', '.join(TABLE_KINDS)}")
        return TableFile(path)

    def store(self, value: object) -> object:
        text = _text("store", value)
        try:
            path = locate(text, self.root, self.cwd)
        except PathProblem as problem:
            raise Mismatch(str(problem)) from problem
        return StoreFolder(path if isinstance(text, GivenText) else Path(PurePosixPath(text)))

    def _expand(self, text: str, *, one: str | None = None) -> list[Path]:
        try:
            found = expand(text, self.root, self.cwd)
        except PathProblem as problem:
            raise Mismatch(str(problem)) from problem
        except (OSError, ValueError) as error:
            raise Mismatch(f"{shown(text)} cannot be looked up: {getattr(error, 'strerror', error)}") from error
        if one and len(found) > 1:
            raise Mismatch(f"Expected {WANTED[one]}, but {shown(text)} matches {len(found)}")
        if not isinstance(text, GivenText):
            for folder in filter(os.path.isdir, found):
                if link := links_out(Path(folder), self.root):
                    name = shown(str(link.relative_to(self.root)))
                    raise Mismatch(f"{name} is a link out of the recipe's folder; give such a path with -p")
        return found


def _hint(name: str, spec: ParamSpec) -> str:
    hint = nearest(name, spec.choices)
    return hint if "did you mean" in hint else ""


def _folder(value: StepTable | StepFolder) -> StepFolder:
    if isinstance(value, StepTable):
        return StepFolder(value.step)
    parts = PurePosixPath(value.below).parts
    if ".." in parts or "\0" in value.below:
        raise Mismatch(f"{shown(value.below)} leaves the folder of step '{value.step}'")
    return value


def _mismatch(kind: str, value: object) -> Mismatch:
    received = f"the table of step '{value.step}'" if isinstance(value, StepTable) else shown(value)
    if isinstance(value, StepFolder):
        received = f"a path in the folder of step '{value.step}'"
    return Mismatch(f"Expected {WANTED[kind]}, but received {received}")


def _text(kind: str, value: object) -> str:
    if isinstance(value, os.PathLike):
        return GivenText(os.fspath(value))
    if not isinstance(value, str):
        raise _mismatch(kind, value)
    return value


def _read_str(reader: ValueReader, value: object) -> object:
    if not isinstance(value, str):
        raise _mismatch("str", value)
    return str(value)


def _read_encoder(reader: ValueReader, value: object) -> object:
    if not isinstance(value, str) or not value.strip():
        raise _mismatch("encoder", value)
    return str(value)


def _read_int(reader: ValueReader, value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _mismatch("int", value)
    return value


def _read_float(reader: ValueReader, value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _mismatch("float", value)
    return float(value)


def _read_bool(reader: ValueReader, value: object) -> object:
    if not isinstance(value, bool):
        raise _mismatch("bool", value)
    return value


def _read_list(reader: ValueReader, value: object) -> object:
    if not isinstance(value, (list, tuple)):
        raise _mismatch("list", value)
    return _plain(list(value))


def _read_any(reader: ValueReader, value: object) -> object:
    return _plain(value)


def _plain(value: object) -> object:
    """Drop the mark of text that the user gave: only paths ask for it."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    return value


_READERS: Final[dict[str, Callable[[ValueReader, object], object]]] = {
    "str": _read_str,
    "int": _read_int,
    "float": _read_float,
    "bool": _read_bool,
    "path": ValueReader.path,
    "paths": ValueReader.paths,
    "table": ValueReader.table,
    "list": _read_list,
    "encoder": _read_encoder,
    "store": ValueReader.store,
    "any": _read_any,
}
