"""``mmkit doctor``: what works here and what does not."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from mmkit import __version__
from mmkit.cli.options import JsonOption, chosen_settings, new_app
from mmkit.cli.output import emit, emit_json
from mmkit.errors import EXIT_ERROR, EXIT_OK, MmkitError
from mmkit.plugins import registry

app = new_app("Say what works on this machine and what does not.")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``state`` is ok, note (works without it) or broken."""

    state: str
    what: str
    detail: str


_EXTRAS = {"openclip": "open_clip", "st": "sentence_transformers", "faiss": "faiss", "ray": "ray", "audio": "soundfile"}


@app.command()
def doctor(json: JsonOption = False) -> int:
    """Say what works on this machine and what does not; exit code 1 where something is broken.

    \b
    Example:
      mmkit doctor
    """
    findings = [*_machine(), *_plugins(), *_extras(), *_models()]
    for finding in findings:
        if json:
            emit_json({"state": finding.state, "what": finding.what, "detail": finding.detail})
        else:
            emit(f"{finding.state:<7} {finding.what:<22} {finding.detail}")
    return EXIT_ERROR if any(finding.state == "broken" for finding in findings) else EXIT_OK


def _machine() -> Iterator[Finding]:
    yield Finding("ok", "mmkit", f"{__version__} on Python {platform.python_version()}, {platform.platform()}")
    try:
        import torch

        gpus = ", ".join(torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count()))
        detail = f"{torch.__version__}, {torch.get_num_threads()} threads, {gpus or 'no CUDA device'}"
        yield Finding("ok", "torch", detail)
    except Exception as error:
        yield Finding("broken", "torch", f"{type(error).__name__}: {error}")
    try:
        cache = chosen_settings().cache_dir
    except MmkitError as error:
        yield Finding("broken", "settings", str(error))
        return
    there = next((folder for folder in (cache, *cache.parents) if folder.exists()), cache)
    free = shutil.disk_usage(there).free / 2**30
    writable = os.access(there, os.W_OK)
    yield Finding(
        "ok" if writable and free > 1 else "note",
        "cache folder",
        f"{cache}, {free:.1f} GiB free{'' if writable else ', not writable: nothing is remembered'}",
    )


def _plugins() -> Iterator[Finding]:
    for info in registry().plugins:
        state = {"active": "ok", "disabled": "note"}.get(info.status, "broken")
        counts = ", ".join(f"{len(names)} {kind}" for kind, names in info.provides.items() if names)
        slow = f", slow to import: {info.import_ms:.0f} ms" if info.import_ms > 50 else ""
        yield Finding(state, f"plugin {info.name}", info.reason or f"{counts}{slow}")


def _extras() -> Iterator[Finding]:
    for extra, module in _EXTRAS.items():
        if importlib.util.find_spec(module) is None:
            yield Finding("note", f"extra {extra}", f"not installed: pip install 'mmkit[{extra}]'")
        else:
            yield Finding("ok", f"extra {extra}", f"{module} is here")


def _models() -> Iterator[Finding]:
    from mmkit.models import broken_cards, model_cards, verify

    for name, error in broken_cards().items():
        yield Finding("broken", f"model {name}", str(error))
    for name, card in model_cards().items():
        problems = verify(card)
        yield Finding("broken" if problems else "ok", f"model {name}", "; ".join(problems) or "weights match its card")
