"""Three sources behind one scheme of names: a bundled name, ``hf:org/name[@revision]``, a local path."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from mmkit.config import Settings
from mmkit.config import settings as current_settings
from mmkit.errors import ModelUnavailable, UsageError
from mmkit.models.cards import ModelCard, model_card
from mmkit.models.hub import Progress, Select, fetch, select_patterns, select_weights
from mmkit.plugins import registry

__all__ = ["HUB_PREFIX", "ResolvedModel", "Source", "parse_hub_name", "path", "pull", "resolve"]

Source = Literal["bundled", "hub", "local"]
HUB_PREFIX: Final = "hf:"
_HUB_NAME: Final = re.compile(r"(?P<repo>[\w.-]+(?:/[\w.-]+)?)(?:@(?P<revision>[\w./-]+))?\Z")


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """Where a model's files lie on this machine.

    Attributes:
        path: the folder that holds them, or the one file that a local path names.
        files: the files asked for; all that the card lists, or all in the folder, where none were named.
        revision: the hub's commit, or the short hash of what a card lists; empty for a local path.
        card: of a registered model.
    """

    name: str
    source: Source
    path: Path
    files: tuple[Path, ...]
    revision: str = ""
    card: ModelCard | None = None


def parse_hub_name(name: str) -> tuple[str, str | None]:
    """Repository and revision of ``[hf:]org/name[@revision]``.

    Raises:
        UsageError: it is not of that form.
    """
    match = _HUB_NAME.match(name.removeprefix(HUB_PREFIX))
    if match is None:
        raise UsageError(f"{name!r} is not a name of the hub", mend="write hf:ORG/NAME or hf:ORG/NAME@REVISION")
    return match["repo"], match["revision"]


def resolve(name: str, *, settings: Settings | None = None, files: Sequence[str] | None = None) -> ResolvedModel:
    """Find a model's files, fetching them from the hub where they are not here yet.

    Args:
        name: a registered name, ``hf:org/name[@revision]`` or a path; a registered name wins over a path.
        settings: whether the hub may be asked; None takes those in force.
        files: names or glob patterns of the files needed, each of which has to match; None takes all.

    Raises:
        ModelUnavailable: nothing of that name, files are lacking, or the hub is out of reach.
        UsageError: a malformed hub name.
    """
    return _resolve(name, settings or current_settings(), files, refresh=False, progress=None)


def pull(
    name: str,
    *,
    settings: Settings | None = None,
    files: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> ResolvedModel:
    """Bring a model's newest files onto this machine; for a bundled or local one, check that they are here.

    Args:
        progress: called with the bytes that are there and the bytes wanted.

    Raises:
        ModelUnavailable, UsageError: as ``resolve``.
    """
    return _resolve(name, settings or current_settings(), files, refresh=True, progress=progress)


def path(name: str, *, settings: Settings | None = None) -> Path:
    """The folder or file of a model that is already on this machine; the hub is never asked.

    Raises:
        ModelUnavailable: it is not here.
    """
    from dataclasses import replace

    return resolve(name, settings=replace(settings or current_settings(), offline=True)).path


def _resolve(
    name: str, settings: Settings, files: Sequence[str] | None, *, refresh: bool, progress: Progress | None
) -> ResolvedModel:
    if not name.strip():
        raise ModelUnavailable("Expected the name of a model, but received an empty one", mend="see: mmkit models list")
    if name in registry().models:
        card = model_card(name)
        if not card.hub:
            return _bundled(name, card, files)
        select = select_patterns(files or list(card.files))
        return _from_hub(name, card.hub, settings, select, refresh=refresh, progress=progress, card=card)
    if name.startswith(HUB_PREFIX):
        select = select_weights if files is None else select_patterns(files)
        return _from_hub(name, name, settings, select, refresh=refresh, progress=progress, card=None)
    local = Path(name).expanduser()
    if local.is_file():
        return ResolvedModel(name, "local", local, (local,))
    if local.is_dir():
        return ResolvedModel(name, "local", local, _matching(local, files, name))
    near = difflib.get_close_matches(name, registry().models, n=1)
    hint = f"did you mean {near[0]}?" if near else "see: mmkit models list; a hub's model is written hf:ORG/NAME"
    raise ModelUnavailable(f"no model and no file is called {name!r}", mend=hint)


def _bundled(name: str, card: ModelCard, files: Sequence[str] | None) -> ResolvedModel:
    lacking = [file for file in card.files if not (card.folder / file).is_file()]
    if lacking:
        raise ModelUnavailable(
            f"the bundled file {lacking[0]} is missing from {card.folder}",
            where=name,
            mend="reinstall the package that brings it",
        )
    listed = hashlib.sha256("\n".join(f"{file} {card.files[file]}" for file in sorted(card.files)).encode())
    chosen = tuple(card.folder / file for file in card.files) if files is None else _matching(card.folder, files, name)
    return ResolvedModel(name, "bundled", card.folder, chosen, listed.hexdigest()[:12], card)


def _from_hub(
    name: str,
    address: str,
    settings: Settings,
    select: Select,
    *,
    refresh: bool,
    progress: Progress | None,
    card: ModelCard | None,
) -> ResolvedModel:
    repo, revision = parse_hub_name(address)
    folder = fetch(
        repo, settings=settings, name=name, revision=revision, select=select, refresh=refresh, progress=progress
    )
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return ResolvedModel(name, "hub", folder, tuple(folder / file for file in select(names)), folder.name, card)


def _matching(folder: Path, files: Sequence[str] | None, name: str) -> tuple[Path, ...]:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    if files is None:
        return tuple(folder / file for file in names)
    chosen = select_patterns(files)(names)
    if not chosen:
        raise ModelUnavailable(f"{folder} does not hold all of {', '.join(files)}", where=name)
    return tuple(folder / file for file in chosen)
