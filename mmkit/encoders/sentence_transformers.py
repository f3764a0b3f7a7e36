"""``st:MODEL``: any text model of sentence-transformers (Reimers & Gurevych, 2019), from the hub or a folder.

Legend: N items, D dims.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mmkit.config import Settings
from mmkit.encoders.base import require
from mmkit.encoders.device import resolve_device, resolve_dtype
from mmkit.encoders.readme import licence_in
from mmkit.encoders.torchvision_guard import guard_torchvision
from mmkit.errors import MissingExtra, MmkitError, ModelUnavailable, UsageError
from mmkit.models import check_safe_weights, fingerprint
from mmkit.models.hub import Progress, fetch, select_weights
from mmkit.models.safety import PICKLED, SAFE
from mmkit.models.sources import HUB_PREFIX, parse_hub_name
from mmkit.types import Embeddings, EncoderSpec, Item, Modality, Prepared

__all__ = ["SentenceTransformerEncoder", "load", "pull"]

#: Where sentence-transformers itself looks for a bare name.
_ORGANISATION: Final = "sentence-transformers"
#: Larger JSON files are vocabularies.
_CONFIG_LIMIT: Final = 1 << 20
_CONFIGS: Final = (".json", ".txt", ".model")


def load(argument: str | None, *, settings: Settings) -> SentenceTransformerEncoder:
    """Load a model of sentence-transformers; code that comes with a model is never run.

    Args:
        argument: a folder, ``ORG/NAME[@REVISION]`` on the hub, or a bare name such as ``all-MiniLM-L6-v2``.

    Raises:
        UsageError: no argument, or a malformed name.
        ModelUnavailable: missing or unsafe files, a model that needs its own code, or a hub out of reach.
        MissingExtra: sentence-transformers is not installed.
    """
    folder = _locate(argument, settings, refresh=False, progress=None)
    return SentenceTransformerEncoder(str(argument), folder, settings=settings)


def pull(argument: str | None, *, settings: Settings, progress: Progress | None = None) -> Path:
    """Fetch the files of a model, so that ``load`` works offline; returns their folder.

    Raises:
        UsageError, ModelUnavailable: as ``load``.
    """
    return _locate(argument, settings, refresh=True, progress=progress)


class SentenceTransformerEncoder:
    """Texts to unit vectors, with the prompt and the truncation that the model's own configuration states."""

    def __init__(self, argument: str, folder: Path, *, settings: Settings) -> None:
        self.device = resolve_device(settings.device)
        dtype = resolve_dtype(settings.dtype, self.device)
        self._model = _build(argument, folder, str(self.device)).to(dtype).eval().requires_grad_(False)
        self._encoding = threading.Lock()
        mark = fingerprint(*_described(folder), cache_dir=settings.cache_dir)
        local = Path(argument).expanduser().is_dir()
        self.spec = EncoderSpec(
            name=f"st:{argument}",
            space=f"st:sha256-{mark[:16]}" if local else f"st:{_repository(argument)[0]}",
            modalities=("text",),
            dim=_dim(self._model),
            licence=licence_in(folder),
            revision="" if local else folder.name,
            fingerprint=mark,
        )

    def prepare(self, item: Item) -> Prepared:
        """The text of an item; it is tokenised with the whole batch, so that padding is as short as can be.

        Raises:
            BadInput: the item cannot be read.
            UsageError: it is not a text.
        """
        from mmkit.media.text import read_text

        require(self.spec, modalities=(item.modality,), purpose=f"the item {item.id}")
        return read_text(item)

    def encode(self, batch: Sequence[Prepared], modality: Modality) -> Embeddings:
        """Encode N texts: (N, D) float32 unit rows, in the order given.

        Raises:
            UsageError: the modality is not text.
        """
        import numpy as np

        require(self.spec, modalities=(modality,), purpose="encoding")
        vectors = np.zeros((0, self.spec.dim), dtype=np.float32)
        if batch:
            # Its tokenizer cannot be used by two threads at once.
            with self._encoding:
                found = self._model.encode(
                    list(batch), batch_size=len(batch), show_progress_bar=False, convert_to_tensor=True
                )
            vectors = found.float().cpu().numpy()
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return Embeddings(vectors, space=self.spec.space, fingerprint=self.spec.fingerprint)


def _repository(argument: str) -> tuple[str, str | None]:
    repo, revision = parse_hub_name(argument)
    return (repo if "/" in repo else f"{_ORGANISATION}/{repo}"), revision


def _locate(argument: str | None, settings: Settings, *, refresh: bool, progress: Progress | None) -> Path:
    if not argument:
        raise UsageError("st needs a model, as in st:all-MiniLM-L6-v2", where="--encoder")
    folder = Path(argument).expanduser()
    if not folder.is_dir():
        if folder.is_absolute() or argument.startswith((".", "~")):
            raise ModelUnavailable("there is no such folder", where=f"st:{argument}")
        repo, revision = _repository(argument.removeprefix(HUB_PREFIX))
        folder = fetch(
            repo,
            settings=settings,
            name=f"st:{argument}",
            revision=revision,
            select=select_weights,
            refresh=refresh,
            progress=progress,
        )
    return folder


def _build(argument: str, folder: Path, device: str) -> Any:
    for weights in _weights(folder, argument):
        check_safe_weights(weights)
    _check_modules(folder, argument)
    guard_torchvision()
    try:
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "sentence_transformers", extra="st", feature="the encoder st") from error
    try:
        return SentenceTransformer(str(folder), device=device, trust_remote_code=False, local_files_only=True)
    except MmkitError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ModelUnavailable(
            f"sentence-transformers cannot load {folder}: {reason[:300]}", where=f"st:{argument}"
        ) from error


def _check_modules(folder: Path, argument: str) -> None:
    """Refuse classes that are not the library's own; its older versions import them from a folder unasked."""
    for path in _files(folder):
        if path.suffix != ".json" or path.stat().st_size > _CONFIG_LIMIT:
            continue
        try:
            config = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise ModelUnavailable(f"{path} is not JSON: {error}", where=f"st:{argument}") from error
        named: list[object] = []
        if path.name == "modules.json" and isinstance(config, list):
            named = [module.get("type") for module in config if isinstance(module, dict)]
        elif isinstance(config, dict) and isinstance(config.get("types"), dict):
            named = list(config["types"].values())
        for kind in named:
            if not str(kind).startswith("sentence_transformers."):
                raise ModelUnavailable(
                    f"refused to load it: {path.name} asks for the class {kind}, which is code of its own",
                    where=f"st:{argument}",
                    mend="use a model made of the library's own modules",
                )


def _dim(model: Any) -> int:
    # Version 6 renamed it; the old name still answers in 3 to 5 alone.
    ask = getattr(model, "get_embedding_dimension", None) or model.get_sentence_embedding_dimension
    return int(ask())


def _files(folder: Path) -> list[Path]:
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return [folder / name for name in sorted(select_weights(names))]


def _weights(folder: Path, argument: str) -> list[Path]:
    weights = [path for path in _files(folder) if path.suffix in (SAFE, *PICKLED)]
    if not weights:
        raise ModelUnavailable(f"{folder} holds no weights as safetensors", where=f"st:{argument}")
    return weights


def _described(folder: Path) -> list[str | Path]:
    """Names and contents of all that decides what the model computes."""
    parts: list[str | Path] = []
    for path in _files(folder):
        if path.suffix in (SAFE, *PICKLED, *_CONFIGS):
            parts += [path.relative_to(folder).as_posix(), path]
    return parts
