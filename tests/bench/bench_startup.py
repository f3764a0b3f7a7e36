"""How long ``mmkit --help`` takes, beside an interpreter that does nothing.

Builds a throw-away environment's worth of plugins: six, as ``mmkit plugins new`` writes them, on a path of their own.
Targets: at most 120 ms median for ``mmkit --help``, at most 250 ms to the first line of a command that loads no model,
on a machine where ``python -c pass`` takes 11 to 16 ms.

    python tests/bench/bench_startup.py [--runs 21]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLUGINS = ("separate-x", "motion-x", "caption-x", "translate-x", "link-x", "ocr-x")


def install(names: tuple[str, ...], site: Path) -> None:
    """What pip would leave behind: the package and its metadata with the entry point."""
    from mmkit.testing.scaffold import write_plugin

    for name in names:
        folder = write_plugin(name, site / "source")
        package = f"mmkit_{name.replace('-', '_')}"
        (folder / package).rename(site / package)
        metadata = site / f"{package}-0.1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mmkit-{name}\nVersion: 0.1.0\n")
        (metadata / "entry_points.txt").write_text(f"[mmkit]\n{name} = {package}.plugin\n")


def milliseconds(command: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - started) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=21)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        install(PLUGINS, Path(folder))
        path = os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH", "")])])
        environment = {**os.environ, "PYTHONPATH": path}
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "mmkit --help": [sys.executable, "-m", "mmkit", "--help"],
            "mmkit match --help": [sys.executable, "-m", "mmkit", "match", "--help"],
            "mmkit plugins list": [sys.executable, "-m", "mmkit", "plugins", "list"],
        }
        for command in commands.values():
            milliseconds(command, environment)
        # One of each in turn, so that a busy moment of the machine meets them all.
        times = [{name: milliseconds(command, environment) for name, command in commands.items()} for _ in range(runs)]
    result = {name: round(statistics.median(each[name] for each in times), 1) for name in commands}
    print(json.dumps({"median_ms": result, "runs": runs, "plugins": len(PLUGINS)}, indent=1))


if __name__ == "__main__":
    main()
