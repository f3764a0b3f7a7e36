"""Settings: defaults, then ``config.toml``, then environment variables, then the command line."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, cast

from mmkit.errors import UsageError

__all__ = ["DEFAULT_ENCODER", "Settings", "cache_home", "config_path", "settings"]

DEFAULT_ENCODER: Final = "mini"
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Settings:
    """How mmkit runs; every field can be set in ``config.toml`` or as ``MMKIT_<FIELD>`` (empty: not set).

    Attributes:
        encoder: the encoder used when none is named.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``; ``auto`` is float32 on a CPU, bfloat16 on a GPU.
        batch: ``auto`` or a number of items.
        offline: never ask a hub.
        cache_dir: where downloads, step results and learned batch sizes are kept.
        workers: threads that decode; 0 chooses by the number of cores.
    """

    encoder: str = DEFAULT_ENCODER
    device: str = "auto"
    dtype: str = "auto"
    batch: str = "auto"
    offline: bool = False
    cache_dir: Path = Path()
    workers: int = 0


def cache_home() -> Path:
    """The folder for things that can be made again: ``MMKIT_CACHE_DIR``, or the platform's own place."""
    if explicit := os.environ.get("MMKIT_CACHE_DIR"):
        return Path(explicit).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "mmkit"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home() / "AppData" / "Local"))) / "mmkit" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mmkit"


def config_path() -> Path:
    """The settings file: ``MMKIT_CONFIG``, or ``mmkit/config.toml`` in the platform's own place."""
    if explicit := os.environ.get("MMKIT_CONFIG"):
        return Path(explicit).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", str(Path.home()))) / "mmkit" / "config.toml"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "mmkit" / "config.toml"


def settings(**overrides: object) -> Settings:
    """The settings in force; ``overrides`` that are None count as not given.

    Raises:
        UsageError: the file or a variable holds a name or a value that does not exist.
    """
    values: dict[str, object] = {"cache_dir": cache_home()}
    path = config_path()
    for name, value in _file_values(path).items():
        values[name] = _convert(name, value, where=str(path))
    for known in fields(Settings):
        variable = f"MMKIT_{known.name.upper()}"
        if text := os.environ.get(variable):
            values[known.name] = _convert(known.name, text, where=variable)
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in _TRUE:
        values["offline"] = True
    for name, value in overrides.items():
        if value is not None:
            values[name] = _convert(name, value, where=f"--{name.replace('_', '-')}")
    return replace(Settings(), **cast("dict[str, Any]", values))


def _file_values(path: Path) -> dict[str, object]:
    if not path.is_file():
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"the settings file cannot be read: {error}", where=str(path)) from error
    known = {f.name for f in fields(Settings)}
    if unknown := sorted(set(values) - known):
        raise UsageError(
            f"unknown setting {unknown[0]!r}", where=str(path), mend=f"known settings: {', '.join(sorted(known))}"
        )
    return values


def _convert(name: str, value: object, *, where: str) -> object:
    if name not in {f.name for f in fields(Settings)}:
        raise TypeError(f"Expected a field of Settings, but received {name!r}")
    if name == "offline":
        text = str(value).lower()
        if text in _TRUE | _FALSE:
            return text in _TRUE
        raise UsageError(f"Expected true or false for {name}, but received {value!r}", where=where)
    if name == "cache_dir":
        return Path(str(value)).expanduser()
    if name == "workers":
        text = str(value)
        if text.isdecimal():
            return int(text)
        raise UsageError(f"Expected a whole number for workers, but received {value!r}", where=where)
    if name == "batch" and str(value) != "auto" and (not str(value).isdecimal() or int(str(value)) < 1):
        raise UsageError(f"Expected 'auto' or a whole number above 0 for batch, but received {value!r}", where=where)
    if name == "dtype" and value not in ("auto", "float32", "bfloat16", "float16"):
        raise UsageError(f"Expected auto, float32, bfloat16 or float16 for dtype, but received {value!r}", where=where)
    return str(value)
