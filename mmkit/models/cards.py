"""Model cards: one TOML file beside the weights that says what they are and where they come from.

name = "mini"
task = "encoder"
space = "mini"                      # encoders only
licence = "Apache-2.0"
use = "free"                        # or "research", where a source forbids commercial use
description = "One sentence."
source = "Whose work it builds on."
hub = "org/name@revision"           # only where the weights do not lie beside the card

[sizes]
parameters = 13000000
bytes = 26000000

[files]
"model.safetensors" = "<sha256>"

[training]
command = "mmkit train mini --seed 0"
seed = 0
[[training.data]]
name = "Some pictures"
licence = "CC0-1.0"
source = "where they are"

[[measured]]
metric = "top-1"
data = "CIFAR-10 test"
value = 0.71
command = "mmkit eval zero-shot --root cifar10 --json"
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, Final, cast

from mmkit.errors import MmkitError, ModelUnavailable, PluginError
from mmkit.hookspecs import ModelEntry
from mmkit.plugins import registry

__all__ = [
    "Measurement",
    "ModelCard",
    "TrainingData",
    "broken_cards",
    "card_path",
    "model_card",
    "model_cards",
    "parse_card",
]

USES: Final = ("free", "research")
_TEXTS: Final = ("name", "task", "licence", "use", "description", "source")
_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")
_KNOWN: Final = frozenset({*_TEXTS, "space", "hub", "sizes", "files", "training", "measured"})


@dataclass(frozen=True, slots=True)
class TrainingData:
    """One source of training data and the licence it came under."""

    name: str
    licence: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured number; accuracies and recalls are fractions.

    Attributes:
        command: the command line that measures it again.
    """

    metric: str
    value: float
    command: str
    data: str = ""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model is, what it was made of and what it reaches.

    Attributes:
        use: ``free``, or ``research`` where a source forbids commercial use.
        sizes: whole numbers by name, such as ``parameters`` and ``bytes``.
        files: path relative to the weights' folder -> sha256 in lower-case hexadecimal.
        training_command, seed: what makes the weights again.
        space: what the vectors of an encoder may be compared with; empty for other tasks.
        hub: ``org/name[@revision]`` where the weights do not ship; empty where they lie beside the card.
        folder: where the card was read.
        extra: every key that this version does not know.
    """

    name: str
    task: str
    licence: str
    use: str
    description: str
    source: str
    sizes: Mapping[str, int]
    files: Mapping[str, str]
    training_data: tuple[TrainingData, ...]
    training_command: str
    seed: int
    measured: tuple[Measurement, ...]
    space: str = ""
    hub: str = ""
    folder: Path = Path()
    extra: Mapping[str, Any] = field(default_factory=dict)


def parse_card(text: str, *, where: str, folder: Path = Path()) -> ModelCard:
    """The card written in ``text``.

    Raises:
        PluginError: naming ``where`` and everything that is missing or wrong, not only the first of it.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        raw: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PluginError(f"the model card is not TOML: {error}", where=where) from error
    problems = _problems(raw)
    if problems:
        raise PluginError(f"the model card is not complete: {', '.join(problems)}", where=where)
    training = raw["training"]
    return ModelCard(
        **{name: raw[name] for name in _TEXTS},
        space=raw.get("space", ""),
        hub=raw.get("hub", ""),
        sizes=raw["sizes"],
        files=raw["files"],
        training_data=tuple(
            TrainingData(row["name"], row["licence"], str(row.get("source", ""))) for row in training["data"]
        ),
        training_command=training["command"],
        seed=training["seed"],
        measured=tuple(
            Measurement(row["metric"], float(row["value"]), row["command"], str(row.get("data", "")))
            for row in raw["measured"]
        ),
        folder=folder,
        extra={key: value for key, value in raw.items() if key not in _KNOWN},
    )


def _problems(raw: Mapping[str, Any]) -> list[str]:
    problems: list[str] = []

    def need(table: Mapping[str, Any], key: str, kinds: tuple[type, ...], prefix: str = "") -> bool:
        value = table.get(key)
        if value is None or value in ("", [], {}):
            problems.append(f"{prefix}{key} is missing")
        elif not isinstance(value, kinds) or isinstance(value, bool):
            problems.append(f"{prefix}{key} is {type(value).__name__}, expected {kinds[0].__name__}")
        else:
            return True
        return False

    def rows(table: Mapping[str, Any], key: str, fields: Mapping[str, tuple[type, ...]], prefix: str = "") -> None:
        if not need(table, key, (list,), prefix):
            return
        for number, row in enumerate(table[key]):
            if not isinstance(row, dict):
                problems.append(f"{prefix}{key}[{number}] is {type(row).__name__}, expected a table")
                continue
            for name, kinds in fields.items():
                need(row, name, kinds, f"{prefix}{key}[{number}].")

    for name in _TEXTS:
        need(raw, name, (str,))
    if raw.get("task") == "encoder":
        need(raw, "space", (str,))
    problems.extend(f"{key} is not text" for key in ("space", "hub") if not isinstance(raw.get(key, ""), str))
    if isinstance(raw.get("use"), str) and raw["use"] and raw["use"] not in USES:
        problems.append(f"use is {raw['use']!r}, expected {' or '.join(USES)}")
    if need(raw, "sizes", (dict,)):
        problems.extend(f"sizes.{key} is not a whole number" for key, n in raw["sizes"].items() if type(n) is not int)
    if need(raw, "files", (dict,)):
        for name, digest in raw["files"].items():
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
                problems.append(f"files.{name!r} leaves the folder of the weights")
            if not isinstance(digest, str) or not _SHA256.match(digest):
                problems.append(f"files.{name!r} is not a sha256 of 64 lower-case hexadecimal digits")
    if isinstance(raw.get("training"), dict):
        training = cast("dict[str, Any]", raw["training"])
        need(training, "command", (str,), "training.")
        need(training, "seed", (int,), "training.")
        rows(training, "data", {"name": (str,), "licence": (str,)}, "training.")
    else:
        problems += ["training.command is missing", "training.seed is missing", "training.data is missing"]
    rows(raw, "measured", {"metric": (str,), "value": (float, int), "command": (str,)})
    return problems


def card_path(entry: ModelEntry) -> Path:
    """The file of a registered model's card; imports no more than the top package that holds it.

    Raises:
        PluginError: the package does not import or is not installed as files, or the path leaves it.
    """
    package, _, inside = entry.card.partition(":")
    if PurePosixPath(inside).is_absolute() or ".." in PurePosixPath(inside).parts:
        raise PluginError(f"the card {entry.card!r} leaves its package", where=entry.name)
    from importlib.resources import files

    try:
        root = files(import_module(package))
    except ImportError as error:
        raise PluginError(f"the package of the card {entry.card!r} does not import: {error}") from error
    found = root.joinpath(*PurePosixPath(inside).parts)
    if not isinstance(found, Path):
        raise PluginError(f"the package {package} is not installed as plain files", where=entry.name)
    return found


def _read(entry: ModelEntry) -> ModelCard:
    path = card_path(entry)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PluginError(
            f"the model card cannot be read: {error}", where=entry.name, mend="reinstall the package that brings it"
        ) from error
    card = parse_card(text, where=str(path), folder=path.parent)
    if (card.name, card.task) != (entry.name, entry.task):
        raise PluginError(
            f"the card says {card.name!r} for {card.task!r}, and it is registered as {entry.name!r} for {entry.task!r}",
            where=str(path),
        )
    return card


@cache
def _cards() -> tuple[dict[str, ModelCard], dict[str, MmkitError]]:
    good: dict[str, ModelCard] = {}
    broken: dict[str, MmkitError] = {}
    for name, entry in registry().models.items():
        try:
            good[name] = _read(entry)
        except MmkitError as error:
            broken[name] = error
    return good, broken


def model_cards() -> Mapping[str, ModelCard]:
    """The cards of all registered models by name, less those in ``broken_cards()``."""
    return _cards()[0]


def broken_cards() -> Mapping[str, MmkitError]:
    """Registered models whose card is missing or incomplete, and why; one of them hides no other."""
    return _cards()[1]


def model_card(name: str) -> ModelCard:
    """The card of one registered model.

    Raises:
        PluginError: its card is missing or incomplete.
        ModelUnavailable: no model of this name is registered.
    """
    good, broken = _cards()
    if name in broken:
        raise broken[name]
    if name not in good:
        raise ModelUnavailable(f"no model is called {name!r}", mend="see: mmkit models list")
    return good[name]
