"""Whether the files of a model are those that its card lists."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mmkit.config import Settings
from mmkit.errors import ModelUnavailable
from mmkit.models.cards import ModelCard
from mmkit.models.hashes import file_sha256
from mmkit.models.safety import PICKLED, SAFE, check_safe_weights
from mmkit.models.sources import path

__all__ = ["verify"]

#: Files beside the weights that change nothing of what the model computes.
_PAPERS: Final = ("notice", "licen", "readme", "authors", "citation", "__init__")


def verify(card: ModelCard, *, settings: Settings | None = None) -> list[str]:
    """Every problem with a model's files, one line each; empty where all is well.

    Missing and changed files, files that the card does not list, and weights that are damaged or not safe to load.
    Hashes are computed anew, never remembered.
    """
    folder = card.folder
    if card.hub:
        try:
            folder = path(card.name, settings=settings)
        except ModelUnavailable as error:
            return [str(error)]
    problems: list[str] = []
    for name, expected in card.files.items():
        file = folder / name
        if not file.is_file():
            problems.append(f"{name}: missing from {folder}")
            continue
        if (found := file_sha256(file)) != expected:
            problems.append(f"{name}: Expected sha256 {expected}, but received {found}")
        if file.suffix in (SAFE, *PICKLED):
            try:
                check_safe_weights(file)
            except ModelUnavailable as error:
                problems.append(f"{name}: {error.what}")
    # A hub's snapshot holds whatever the repository does; only what ships has to be listed whole.
    if not card.hub:
        problems.extend(f"{name}: not listed in the card" for name in _unlisted(card, folder))
    return problems


def _unlisted(card: ModelCard, folder: Path) -> list[str]:
    names = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return sorted(
        name.as_posix()
        for name in names
        if name.as_posix() not in card.files
        and name.suffix not in (".toml", ".md", ".pyc")
        and not name.name.lower().startswith(_PAPERS)
        and not any(part.startswith(".") for part in name.parts)
    )
