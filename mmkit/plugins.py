"""Guarded discovery: find plugins, take what they offer, skip those that break, and say why."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from typing import Any, Final, cast

import pluggy

from mmkit.entry_points import installed_entry_points
from mmkit.errors import MissingExtra, PluginError
from mmkit.hookspecs import (
    API,
    PROJECT,
    CommandEntry,
    EncoderEntry,
    EngineEntry,
    Hooks,
    ModelEntry,
    ReaderEntry,
    ScorerEntry,
    StepSpec,
)

__all__ = [
    "CORE",
    "ENTRY_POINT_GROUP",
    "PluginInfo",
    "Registry",
    "check_distinct",
    "collect_specs",
    "discover",
    "load_target",
    "registry",
    "step_specs",
]

ENTRY_POINT_GROUP: Final = "mmkit"
CORE: Final = "core"
_TARGET: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*\Z")
_CARD: Final = re.compile(r"[A-Za-z_][\w.]*:[^:]+\.toml\Z")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")
_SUFFIX: Final = re.compile(r"\.[a-z0-9][a-z0-9._-]*\Z")

#: hook name -> the type of the specs it returns; the part after ``mmkit_`` is the Registry's field.
_HOOKS: Final[Mapping[str, type]] = {
    "mmkit_encoders": EncoderEntry,
    "mmkit_commands": CommandEntry,
    "mmkit_steps": StepSpec,
    "mmkit_models": ModelEntry,
    "mmkit_readers": ReaderEntry,
    "mmkit_scorers": ScorerEntry,
    "mmkit_engines": EngineEntry,
}


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """What became of one plugin.

    Attributes:
        status: ``active``, ``skipped`` (broken; ``reason`` says how) or ``disabled`` (by the user).
        provides: kind of thing -> the names it offers.
        import_ms: milliseconds that importing its module took.
    """

    name: str
    module: str
    distribution: str = ""
    version: str = ""
    status: str = "active"
    reason: str = ""
    provides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    import_ms: float = 0.0

    @property
    def warning(self) -> str:
        """The one line to show for a plugin that was skipped; empty otherwise."""
        return f"plugin {self.name} skipped: {self.reason}" if self.status == "skipped" else ""


@dataclass(slots=True)
class Registry:
    """Everything that the core and the active plugins offer, by kind and name."""

    plugins: list[PluginInfo] = field(default_factory=list)
    encoders: dict[str, EncoderEntry] = field(default_factory=dict)
    commands: dict[str, CommandEntry] = field(default_factory=dict)
    steps: dict[str, StepSpec] = field(default_factory=dict)
    models: dict[str, ModelEntry] = field(default_factory=dict)
    readers: dict[str, ReaderEntry] = field(default_factory=dict)
    scorers: dict[str, ScorerEntry] = field(default_factory=dict)
    engines: dict[str, EngineEntry] = field(default_factory=dict)
    origins: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def warnings(self) -> list[str]:
        return [info.warning for info in self.plugins if info.warning]


def collect_specs(plugin: object) -> dict[str, list[Any]]:
    """Call every hook of one plugin and check what comes back.

    Returns:
        kind -> specs, in the plugin's order.

    Raises:
        PluginError: another api version, an unknown hook or one without its mark, a spec of the wrong type or with a
            malformed field.
    """
    stated = getattr(plugin, "api", API)
    if stated != API:
        raise PluginError(f"it speaks api {stated!r}, and this mmkit speaks api {API}")
    if unmarked := [name for name in _HOOKS if not _is_marked(getattr(plugin, name, None))]:
        raise PluginError(f"its {unmarked[0]} lacks the mark @hookimpl, so nobody would call it")
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    manager.register(plugin)
    specs: dict[str, list[Any]] = {}
    for caller in manager.get_hookcallers(plugin) or ():
        if caller.name not in _HOOKS:
            raise PluginError(f"it implements {caller.name}, which is not a hook of api {API}")
        expected = _HOOKS[caller.name]
        found: list[Any] = []
        for implementation in caller.get_hookimpls():
            found.extend(cast("Iterable[Any]", implementation.function() or ()))
        for spec in found:
            if getattr(spec, "api", API) != API:
                raise PluginError(f"it speaks api {spec.api!r}, and this mmkit speaks api {API}")
            if not isinstance(spec, expected):
                raise PluginError(
                    f"Expected {expected.__name__} from {caller.name}, but received {type(spec).__name__}"
                )
            _check_spec(spec)
        specs[caller.name.removeprefix("mmkit_")] = found
    return specs


def _is_marked(hook: object) -> bool:
    return hook is None or hasattr(hook, f"{PROJECT}_impl")


def _check_spec(spec: Any) -> None:
    kind, form = type(spec).__name__, _SUFFIX if isinstance(spec, ReaderEntry) else _NAME
    for name in _names(spec):
        if not _fits(name, form):
            raise PluginError(f"the name {name!r} of a {kind} is malformed (lower case, digits, . _ -)")
    # These are shown without the plugin's code being asked: one that is no text would spoil every listing.
    for label in ("summary", "panel", "task"):
        if not isinstance(text := getattr(spec, label, ""), str):
            raise PluginError(f"Expected a text for the {label} of a {kind}, but received {text!r}")
    if isinstance(spec, ModelEntry):
        if not _fits(spec.card, _CARD):
            raise PluginError(f"the card {spec.card!r} is not of the form 'package:path/to/card.toml'")
    elif not _fits(spec.target, _TARGET):
        raise PluginError(f"the target {spec.target!r} is not of the form 'module:attribute'")


def _fits(text: object, form: re.Pattern[str]) -> bool:
    return isinstance(text, str) and form.match(text) is not None


def _names(spec: Any) -> tuple[str, ...]:
    return spec.suffixes if isinstance(spec, ReaderEntry) else (spec.name,)


def check_distinct(registry: Registry, specs: Mapping[str, list[Any]]) -> None:
    """Refuse specs whose names are taken.

    Raises:
        PluginError: naming the kind, the name and who has it already.
    """
    for kind, found in specs.items():
        seen: set[str] = set()
        for name in (n for spec in found for n in _names(spec)):
            if name in seen:
                raise PluginError(f"it offers the {kind[:-1]} {name!r} twice")
            seen.add(name)
            if (owner := registry.origins.get((kind, name))) is not None:
                raise PluginError(f"the {kind[:-1]} {name!r} is already taken by {owner}")


def discover(*, only: Iterable[str] | None = None, without: Iterable[str] = ()) -> Registry:
    """Load the core's own parts and every installed plugin that works.

    Args:
        only: names of the plugins to load; None loads all.
        without: names of plugins to leave out.
    """
    found = Registry()
    _admit(found, PluginInfo(CORE, "mmkit.builtin"), lambda: import_module("mmkit.builtin"))
    allowed = None if only is None else set(only)
    excluded = set(without)
    for entry_point in installed_entry_points(ENTRY_POINT_GROUP):
        info = PluginInfo(entry_point.name, entry_point.value, entry_point.distribution, entry_point.version)
        if entry_point.name in excluded or (allowed is not None and entry_point.name not in allowed):
            found.plugins.append(replace(info, status="disabled", reason="left out on request"))
        elif any(known.name == info.name for known in found.plugins):
            found.plugins.append(replace(info, status="skipped", reason="another plugin of this name is loaded"))
        else:
            _admit(found, info, entry_point.load)
    return found


@cache
def registry() -> Registry:
    """The registry of this process, under ``MMKIT_PLUGINS`` (only these) and ``MMKIT_NO_PLUGIN`` (not these)."""
    only = os.environ.get("MMKIT_PLUGINS")
    return discover(only=None if only is None else _split(only), without=_split(os.environ.get("MMKIT_NO_PLUGIN", "")))


def step_specs() -> Mapping[str, StepSpec]:
    """The steps that recipes may use, by name."""
    return registry().steps


def load_target(target: str, *, extra: str | None = None, feature: str = "") -> Any:
    """Import what a spec names.

    Raises:
        MissingExtra: the module needs a package that one of mmkit's extras brings.
        PluginError: the module does not import, or lacks the attribute.
    """
    module_name, _, attribute = target.partition(":")
    try:
        value: Any = import_module(module_name)
        for part in attribute.split("."):
            value = getattr(value, part)
    except ModuleNotFoundError as error:
        if extra is not None and error.name is not None and not module_name.startswith(error.name):
            raise MissingExtra(error.name, extra=extra, feature=feature or target) from error
        raise PluginError(f"cannot import {target}: {_brief(error)}") from error
    except (Exception, SystemExit) as error:
        raise PluginError(f"cannot import {target}: {_brief(error)}") from error
    return value


def _admit(found: Registry, info: PluginInfo, load: Any) -> None:
    started = time.perf_counter()
    try:
        # stdout carries results only, whatever a plugin prints while it loads.
        with redirect_stdout(sys.stderr):
            plugin = load()
            milliseconds = (time.perf_counter() - started) * 1e3
            specs = collect_specs(plugin)
        check_distinct(found, specs)
    except PluginError as error:
        found.plugins.append(replace(info, status="skipped", reason=str(error)))
        return
    # A plugin is foreign code: whatever it raises, SystemExit too, must not take the other commands with it.
    except (Exception, SystemExit) as error:
        found.plugins.append(replace(info, status="skipped", reason=_brief(error)))
        return
    provides: dict[str, tuple[str, ...]] = {}
    for kind, entries in specs.items():
        table: dict[str, Any] = getattr(found, kind)
        for spec in entries:
            for name in _names(spec):
                table[name] = spec
                found.origins[kind, name] = info.name
        provides[kind] = tuple(name for spec in entries for name in _names(spec))
    found.plugins.append(replace(info, provides=provides, import_ms=milliseconds))


def _split(names: str) -> list[str]:
    return [name for name in re.split(r"[,\s]+", names) if name]


def _brief(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__
