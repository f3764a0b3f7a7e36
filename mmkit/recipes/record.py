"""What ``run.json`` says about a run."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmkit.recipes.hashing import InputDigest, sha256_file
from mmkit.recipes.model import StepFolder, StepTable, StoreFolder, TableFile, rebuilt
from mmkit.recipes.plan import Plan, PlannedStep

if TYPE_CHECKING:
    from mmkit.recipes.result import StepResult

__all__ = ["run_record"]

#: So many input files are listed by name for a parameter; the digest covers all of them.
_MOST_FILES: Final = 1000


def run_record(
    plan: Plan, results: Mapping[str, StepResult], *, engine: str, status: str, started: str, seconds: float
) -> dict[str, Any]:
    """Versions, parameters, input hashes, model fingerprints and what became of each step, as strict JSON.

    ``status`` is ``running`` (also where the run was killed), ``ok``, ``partial``, ``failed`` or ``interrupted``.
    """
    recipe = plan.recipe
    return {
        "mmkit": _version("mmkit"),
        "python": platform.python_version(),
        "pyarrow": _version("pyarrow"),
        "platform": platform.platform(),
        "recipe": {"name": recipe.name, "path": _text(recipe.path), "sha256": _hash(recipe.path)},
        "params": {name: _json(param.value) for name, param in recipe.params.items()},
        "engine": engine,
        "status": status,
        "started": started,
        "seconds": round(seconds, 3),
        "failures": sum(result.failures for result in results.values()),
        "steps": [_step(planned, results.get(planned.id)) for planned in plan.steps],
    }


def _step(planned: PlannedStep, result: StepResult | None) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": planned.id,
        "use": planned.step.spec.name,
        "version": planned.step.spec.version,
        "code": planned.parts["code"],
        "model": planned.model or None,
        "key": planned.key,
        "reason": planned.reason,
        "needs": list(planned.step.needs),
        "params": {name: _json(value) for name, value in planned.step.values.items() if name not in planned.digests},
        "inputs": {name: _inputs(digest) for name, digest in planned.digests.items()},
        "status": "waiting",
    }
    if result is not None:
        record |= {
            "status": result.status,
            "cached": result.status == "cached",
            "seconds": round(result.seconds, 3),
            "rows": result.rows,
            "failures": result.failures,
        }
        if result.error is not None:
            record["error"] = str(result.error)
    return record


def _inputs(digest: InputDigest) -> dict[str, Any]:
    files = [{"path": _text(file.path), "sha256": file.sha256} for file in digest.files[:_MOST_FILES]]
    return {"count": len(digest.files), "sha256": digest.digest, "files": files}


def _json(value: object) -> Any:
    plain = rebuilt(
        value,
        {
            StepTable: lambda leaf: f"${{{leaf.step}}}",
            StepFolder: lambda leaf: f"${{{leaf.step}}}/{leaf.below}",
            StoreFolder: lambda leaf: _text(leaf.path),
            TableFile: lambda leaf: _text(leaf.path),
            type(Path()): _text,
            float: lambda leaf: leaf if math.isfinite(leaf) else repr(leaf),
        },
    )
    return plain if plain is None or isinstance(plain, (str, bool, int, float, list, dict)) else repr(plain)


def _text(path: object) -> str:
    return os.fspath(path) if isinstance(path, os.PathLike) else str(path)


def _hash(path: Path) -> str | None:
    try:
        return sha256_file(path)
    except OSError:
        return None


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        from mmkit import __version__

        return __version__ if package == "mmkit" else "unknown"
