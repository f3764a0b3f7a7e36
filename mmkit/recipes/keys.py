"""The key of a step's output: everything it depends on, part by part, so that a change can be named."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path

from mmkit.errors import MmkitError, PluginError
from mmkit.hookspecs import StepSpec
from mmkit.plugins import load_target
from mmkit.recipes.hashing import FileHashes, InputDigest, sha256_file
from mmkit.recipes.model import RecipeStep, StepFolder, StepTable, StoreFolder, TableFile, needed_steps, rebuilt

__all__ = ["code_version", "difference", "input_digests", "key_of", "key_parts", "model_fingerprint"]

_PATH_KINDS = ("path", "paths", "table")


def code_version(spec: StepSpec) -> str:
    """The distribution's version and the hash of the step's module, so that an edit in a source tree counts too."""
    module = spec.target.partition(":")[0]
    package = module.partition(".")[0]
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        version = "unreleased"
    try:
        found = importlib.util.find_spec(module)
        source = sha256_file(Path(found.origin))[:16] if found and found.origin else "no source"
    # Looking for a module imports its parents, which may raise anything; running the step will tell.
    except Exception:
        source = "no source"
    return f"{package} {version} {source}"


def model_fingerprint(step: RecipeStep) -> str:
    """What the step says about the models it would use; empty where it uses none.

    Its function is called with every parameter but tables, stores and what other steps make.

    Raises:
        MmkitError: a model is not to be had, or the plugin's function failed.
    """
    if step.spec.fingerprint is None:
        return ""
    made_later = {spec.name for spec in step.spec.params if spec.kind in ("table", "store")}
    plain = {n: value for n, value in step.values.items() if n not in made_later and not needed_steps(value)}
    function = load_target(step.spec.fingerprint)
    try:
        return str(function(**plain))
    except MmkitError:
        raise
    except Exception as error:
        raise PluginError(
            f"its fingerprint function failed: {type(error).__name__}: {error}", where=f"step '{step.id}'"
        ) from error


def input_digests(step: RecipeStep, hashes: FileHashes) -> dict[str, InputDigest]:
    """Hashes of the files that the step reads, by parameter."""
    digests = {}
    for spec in step.spec.params:
        if spec.kind in _PATH_KINDS:
            value = step.values.get(spec.name)
            items = value if isinstance(value, list) else [value]
            paths = [item.path if isinstance(item, TableFile) else item for item in items]
            found = [path for path in paths if isinstance(path, Path)]
            if found:
                digests[spec.name] = hashes.digest(found)
    return digests


def key_parts(
    step: RecipeStep, *, model: str, digests: Mapping[str, InputDigest], upstream: Mapping[str, str]
) -> dict[str, str]:
    """Everything the output depends on, by a name that a reader understands.

    Args:
        upstream: the keys of the steps it needs, by id.
    """
    parts = {"step": step.spec.name, "version": step.spec.version, "code": code_version(step.spec)}
    if model:
        parts["model"] = model
    for spec in step.spec.params:
        value = step.values.get(spec.name)
        if spec.name in digests:
            digest = digests[spec.name]
            parts[f"input {spec.name}"] = f"{len(digest.files)} files {digest.digest}"
        needed = needed_steps(value)
        # Names of input files are in their digest.
        if spec.name in digests and not needed:
            continue
        # Ids of other steps stay out of the key, so that renaming a step costs nothing; their keys stand for them.
        parts[f"param {spec.name}"] = _canonical(value)
        if needed:
            parts[f"upstream {spec.name}"] = " ".join(upstream[one] for one in needed)
    return parts


def key_of(parts: Mapping[str, str]) -> str:
    """The sha256 of the parts, in hex."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("ascii")).hexdigest()


def difference(parts: Mapping[str, str], last: Mapping[str, str] | None) -> str:
    """Why a step with ``parts`` runs when it last finished with ``last``, in a few words."""
    if last is None:
        return "first run"
    changed = [name for name in {**last, **parts} if parts.get(name) != last.get(name)]
    reasons = []
    for name in changed:
        noun, _, rest = name.partition(" ")
        if noun in ("version", "code"):
            reasons.append("code changed")
        elif noun == "upstream":
            reasons.append(f"what {rest} comes from changed")
        elif noun == "input":
            reasons.append(f"input {rest} changed")
        elif noun == "param":
            reasons.append(f"param {rest} changed")
        else:
            reasons.append(f"{noun} changed")
    return ", ".join(dict.fromkeys(reasons)) or "its output is gone"


def _canonical(value: object) -> str:
    plain = rebuilt(
        value,
        {
            StepTable: lambda leaf: ["${}", "table"],
            StepFolder: lambda leaf: ["${}", "folder", leaf.below],
            StoreFolder: lambda leaf: ["store", str(leaf.path)],
            TableFile: lambda leaf: str(leaf.path),
            type(Path()): str,
            # 1 and 1.0 are different values to a step, and json would also write "inf" as no valid text.
            float: lambda leaf: ["float", repr(leaf)],
        },
    )
    return json.dumps(plain, sort_keys=True, default=repr)
