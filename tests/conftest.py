"""One thread a process, no network, a cache and settings of the tests' own, and a place to install plugins."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

# Before anything imports torch, here and in child processes.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session", autouse=True)
def private_folders() -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="mmkit-tests-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMKIT_CACHE_DIR", str(Path(folder) / "cache"))
        patch.setenv("MMKIT_CONFIG", str(Path(folder) / "config.toml"))
        yield


@dataclass(frozen=True)
class Site:
    """A folder that holds what pip would leave behind: packages, and metadata with their entry points."""

    path: Path

    def add(self, name: str, plugin: str, *, distribution: str = "", files: Mapping[str, str] | None = None) -> str:
        """Install a plugin whose module is the text ``plugin``; its package is called ``site_NAME``."""
        distribution = distribution or name
        package = f"site_{distribution}".replace("-", "_")
        (self.path / package).mkdir()
        for file, text in {"__init__.py": "", "plugin.py": plugin, **(files or {})}.items():
            (self.path / package / file).write_text(text, "utf-8")
        metadata = self.path / f"{package}-0.1.0.dist-info"
        metadata.mkdir()
        (metadata / "entry_points.txt").write_text(f"[mmkit]\n{name} = {package}.plugin\n", "utf-8")
        return package

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a child process that finds these plugins, and mmkit where this process does."""
        import mmkit

        home = str(Path(mmkit.__file__).parents[1])
        return {**os.environ, "PYTHONPATH": os.pathsep.join([str(self.path), home]), **more}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A place to install plugins, for this process (whose registry starts anew) and for its children."""
    from mmkit import plugins

    folder = tmp_path / "site"
    folder.mkdir()
    # What else is installed on this machine would stand in the lists that tests compare.
    find = plugins.installed_entry_points
    elsewhere = {(point.name, point.value) for point in find(plugins.ENTRY_POINT_GROUP)}
    monkeypatch.setattr(
        plugins,
        "installed_entry_points",
        lambda group: [point for point in find(group) if (point.name, point.value) not in elsewhere],
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delenv("MMKIT_PLUGINS", raising=False)
    monkeypatch.setenv("MMKIT_NO_PLUGIN", "")
    _forget_plugins()
    before = set(sys.modules)
    yield Site(folder)
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    _forget_plugins()


def _forget_plugins() -> None:
    from mmkit.models import cards
    from mmkit.plugins import registry

    registry.cache_clear()
    cards._cards.cache_clear()
