"""All checks of one installed plugin, by its name."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final

from mmkit.encoders import encoder as load_encoder
from mmkit.errors import PluginError
from mmkit.hookspecs import API, PARAM_KINDS, StepSpec
from mmkit.plugins import PluginInfo, load_target, registry
from mmkit.testing.encoders import check_encoder, no_network
from mmkit.testing.result import CheckResult, attempt

__all__ = [
    "CheckResult",
    "check_commands",
    "check_discovery",
    "check_encoders",
    "check_models",
    "check_plugin",
    "check_steps",
    "check_targets",
    "find_plugin",
]

_HEAVY: Final = ("torch", "numpy", "transformers", "tensorflow", "jax")
_IMPORT_LIMIT_MS: Final = 50.0
_PROBE: Final = """
import sys, time, mmkit.hookspecs
before = set(sys.modules)
start = time.perf_counter()
__import__(sys.argv[1])
took = (time.perf_counter() - start) * 1e3
print(f"{took:.2f}", *sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def check_plugin(name: str, *, encoders: Iterable[str] = ()) -> list[CheckResult]:
    """Run the whole suite on an installed plugin.

    Args:
        encoders: full names to check of encoder families that take an argument.

    Raises:
        PluginError: no such plugin is installed.
    """
    info = find_plugin(name)
    if info.status != "active":
        return [CheckResult("loads", "failed", info.reason)]
    return [
        *check_discovery(info),
        *check_targets(info),
        *check_commands(info),
        *check_encoders(info, also=encoders),
        *check_steps(info),
        *check_models(info),
    ]


def find_plugin(name: str) -> PluginInfo:
    """What became of an installed plugin. Raises PluginError where none has that name."""
    for info in registry().plugins:
        if info.name == name:
            return info
    raise PluginError(f"no plugin is called {name!r}", mend="see: mmkit plugins list")


def check_discovery(info: PluginInfo) -> list[CheckResult]:
    """A quick import, nothing heavy, and the api version stated."""
    module = info.module.partition(":")[0]

    def imports_quickly_and_lightly() -> str | None:
        milliseconds, loaded = float("inf"), set()
        # The best of three: a busy machine slows one import, and cannot speed one up.
        for _ in range(3):
            probe = subprocess.run(
                [sys.executable, "-c", _PROBE, module], capture_output=True, text=True, timeout=60, check=False
            )
            if probe.returncode:
                return probe.stderr.strip().splitlines()[-1]
            *printed, line = probe.stdout.splitlines()
            if printed:
                return f"its module prints {printed[0]!r} at import; stdout carries results only"
            first, *names = line.split()
            milliseconds, loaded = min(milliseconds, float(first)), set(names)
        if heavy := sorted(loaded & set(_HEAVY)):
            return f"its module imports {', '.join(heavy)} at discovery; name the code in a spec instead"
        if milliseconds > _IMPORT_LIMIT_MS:
            return f"its module takes {milliseconds:.0f} ms to import; Expected at most {_IMPORT_LIMIT_MS:.0f}"
        return None

    def states_its_api() -> str | None:
        stated = getattr(import_module(module), "api", None)
        return None if stated == API else f"Expected api = {API} in {module}, but received {stated!r}"

    return [
        attempt("discovery is quick and light", imports_quickly_and_lightly),
        attempt("its api version is stated", states_its_api),
    ]


def _specs(info: PluginInfo, kind: str) -> list[Any]:
    table = getattr(registry(), kind)
    return list({id(table[name]): table[name] for name in info.provides.get(kind, ())}.values())


def check_targets(info: PluginInfo) -> list[CheckResult]:
    """Every name in a spec leads to code."""
    results = []
    for kind in info.provides:
        for spec in _specs(info, kind):
            if kind == "models":
                continue
            label = getattr(spec, "name", None) or ", ".join(spec.suffixes)
            extra = getattr(spec, "extra", None)

            def leads_somewhere(target: str = spec.target, extra: str | None = extra, label: str = label) -> None:
                load_target(target, extra=extra, feature=label)

            results.append(attempt(f"{kind[:-1]} {label}: its code is there", leads_somewhere))
    return results


def check_commands(info: PluginInfo) -> list[CheckResult]:
    """Every command answers ``--help``, with an example, and loads no torch for it."""
    results = []
    for name in info.provides.get("commands", ()):

        def helps(name: str = name) -> str | None:
            done = subprocess.run(
                [sys.executable, "-X", "importtime", "-m", "mmkit", name, "--help"],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            if done.returncode:
                return f"mmkit {name} --help ends with code {done.returncode}"
            if any(line.rpartition("|")[2].strip() == "torch" for line in done.stderr.splitlines()):
                return f"mmkit {name} --help imports torch"
            if "Usage:" not in done.stdout:
                return f"mmkit {name} --help prints no usage"
            # The help of a group lists its commands; their own help has the examples.
            shown = "Example" in done.stdout or "Commands:" in done.stdout
            return None if shown else f"mmkit {name} --help shows no example"

        results.append(attempt(f"command {name}: --help works and is light", helps))
    return results


def check_encoders(info: PluginInfo, *, also: Iterable[str] = ()) -> list[CheckResult]:
    """Every encoder that can be loaded by its bare name keeps the Encoder contract."""
    results = []
    names = [entry.name for entry in _specs(info, "encoders") if not entry.takes_argument]
    for name in [*names, *also]:
        loaded: list[Any] = []

        def loads(name: str = name, loaded: list[Any] = loaded) -> None:
            with no_network():
                loaded.append(load_encoder(name, offline=True))

        results.append(attempt(f"encoder {name}: loads offline", loads))
        if loaded:
            results += check_encoder(loaded[0])
    return results


def check_steps(info: PluginInfo) -> list[CheckResult]:
    """A step's function takes the context and every parameter that its spec declares."""
    results = []
    for spec in _specs(info, "steps"):

        def fits(spec: StepSpec = spec) -> str | None:
            if wrong := [param.name for param in spec.params if param.kind not in PARAM_KINDS]:
                return f"the kind of the parameter {wrong[0]} is not one of {', '.join(PARAM_KINDS)}"
            parameters = inspect.signature(load_target(spec.target)).parameters
            if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                return "its function hides its parameters behind **kwargs"
            missing = [param.name for param in spec.params if param.name not in parameters]
            return f"its function lacks the parameter {missing[0]}" if missing else None

        results.append(attempt(f"step {spec.name}: its function fits its spec", fits))
    return results


def check_models(info: PluginInfo) -> list[CheckResult]:
    """Every model has a complete card, and weights that match it and are safe to load."""
    from mmkit.models import model_card, verify

    results = []
    for name in info.provides.get("models", ()):

        def is_sound(name: str = name) -> str | None:
            return "; ".join(verify(model_card(name))) or None

        results.append(attempt(f"model {name}: card complete, weights safe and unchanged", is_sound))
    return results
