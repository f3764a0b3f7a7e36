"""A workplace for recipes: a folder, a cache of its own and the toy steps."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
# Steps are named as "module:attribute", so the toys must be importable by name, here and in child processes.
if HERE not in sys.path:
    sys.path.insert(0, HERE)

from hypothesis import HealthCheck  # noqa: E402
from hypothesis import settings as hypothesis_settings  # noqa: E402
from recipe_kitchen import Kitchen  # noqa: E402

from mmkit.config import Settings  # noqa: E402

hypothesis_settings.register_profile(
    "recipes",
    max_examples=int(os.environ.get("MMKIT_EXAMPLES", "200")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
hypothesis_settings.load_profile("recipes")


@pytest.fixture
def kitchen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kitchen:
    root = tmp_path / "recipes"
    root.mkdir()
    calls = tmp_path / "calls"
    monkeypatch.setenv("TOY_CALLS", str(calls))
    monkeypatch.chdir(tmp_path)
    return Kitchen(root, Settings(cache_dir=tmp_path / "cache"), calls)
