"""The conformance suite on the core and on every plugin of this repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmkit.plugins import registry
from mmkit.testing import check_plugin

PLUGINS = Path(__file__).parents[2] / "plugins"
FIRST_PARTY = ["core", *sorted(folder.name for folder in PLUGINS.iterdir() if (folder / "pyproject.toml").exists())]


@pytest.mark.parametrize("name", FIRST_PARTY)
def test_keeps_the_contract(name: str) -> None:
    if name not in {info.name for info in registry().plugins}:
        pytest.fail(f"plugins/{name} is not installed; the README's first command installs it")
    failed = [f"{result.name}: {result.detail}" for result in check_plugin(name) if result.state == "failed"]
    assert not failed, "\n".join(failed)
