"""What the tests of recipes share: a workplace, and TOML written from values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import recipe_toys

from mmkit.config import Settings
from mmkit.recipes import Recipe, RunResult, load_recipe, run_recipe


@dataclass
class Kitchen:
    """Writes recipes and runs them with the toy steps."""

    root: Path
    settings: Settings
    calls_file: Path

    def write(self, text: str, name: str = "toy.toml") -> Path:
        path = self.root / name
        path.write_text(text, encoding="utf-8")
        return path

    def steps(self, body: str) -> Path:
        return self.write(f'[recipe]\nname = "toy"\n{body}')

    def load(self, path: Path, params: dict[str, object] | None = None) -> Recipe:
        return load_recipe(path, params, steps=recipe_toys.STEPS)

    def run(self, path: Path, params: dict[str, object] | None = None, **options: Any) -> RunResult:
        options.setdefault("out", self.root / "out")
        return run_recipe(path, params, steps=recipe_toys.STEPS, settings=self.settings, **options)

    def calls(self) -> list[str]:
        """The calls of steps since the last time it was asked."""
        if not self.calls_file.exists():
            return []
        lines = self.calls_file.read_text().splitlines()
        self.calls_file.unlink()
        return lines


def basic_string(text: str) -> str:
    """``text`` as a TOML string."""
    return '"' + "".join(f"\\U{ord(c):08x}" if c in '"\\' or ord(c) < 32 or ord(c) == 127 else c for c in text) + '"'


def inline(value: Any) -> str:
    """``value`` as TOML that can stand after an equals sign."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return basic_string(value)
    if isinstance(value, list):
        return "[\n " + ",\n ".join(map(inline, value)) + " ]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{basic_string(k)} = {inline(v)}" for k, v in value.items()) + " }"
    return repr(value)
