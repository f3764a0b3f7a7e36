"""From the argument of ``openclip:`` to files on this machine.

open_clip is only ever given local files: mmkit.models fetches them, so that offline behaviour, messages and the
choice of safe weights are the same as for every other model.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mmkit.config import Settings
from mmkit.errors import ModelUnavailable, UsageError
from mmkit.models import check_safe_weights
from mmkit.models.hub import Progress, Select, fetch
from mmkit.models.sources import parse_hub_name

__all__ = ["Checkpoint", "locate"]

_CONFIG: Final = "open_clip_config.json"
#: open_clip's own order of preference in a folder; the choice made here has to be the one it makes.
_PREFERRED: Final = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
_TOKENIZER: Final = re.compile(
    r"(tokenizer.*\.json|special_tokens_map\.json|added_tokens\.json|config\.json|vocab\.(txt|json)|merges\.txt|.*\.model)\Z"
)
_VOCABULARY: Final = re.compile(r"(tokenizer\.json|vocab\.(txt|json)|.*\.model)\Z")
_PREPROCESSING: Final = ("mean", "std", "interpolation", "resize_mode")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that open_clip needs to build one model, as local files.

    Attributes:
        model: the name for open_clip's factory: a built-in architecture or ``local-dir:FOLDER``.
        weights: the one file that is loaded.
        config: the ``model_cfg`` of the architecture.
        preprocessing: what the weights ask for instead of open_clip's defaults.
        quick_gelu: the weights were trained with QuickGELU although the architecture does not say so.
        tokenizer: folder of a transformers tokenizer; None is open_clip's own.
        text_config: folder with the config.json of a transformers text tower, where the model has one.
        public: the weights are named by the argument itself; a local file is named by its content.
    """

    argument: str
    model: str
    weights: Path
    config: Mapping[str, Any]
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    quick_gelu: bool = False
    tokenizer: Path | None = None
    text_config: Path | None = None
    public: bool = True
    revision: str = ""


class _Fetcher:
    """Gets files from the hub under the name that the user typed."""

    def __init__(self, argument: str, settings: Settings, refresh: bool, progress: Progress | None) -> None:
        self.name = f"openclip:{argument}"
        self.settings = settings
        self.refresh = refresh
        self.progress = progress

    def __call__(self, repo: str, select: Select, revision: str | None = None) -> Path:
        return fetch(
            repo,
            settings=self.settings,
            name=self.name,
            revision=revision,
            select=select,
            refresh=self.refresh,
            progress=self.progress,
        )


def locate(argument: str, *, settings: Settings, refresh: bool = False, progress: Progress | None = None) -> Checkpoint:
    """Find the files of ``MODEL/TAG``, ``MODEL/FILE``, ``hf-hub:ORG/NAME`` or ``local-dir:PATH``; fetch what lacks.

    Raises:
        UsageError: the argument names no weights; the message lists those there are.
        ModelUnavailable: an unknown model, missing or unsafe files, or a hub out of reach.
    """
    get = _Fetcher(argument, settings, refresh, progress)
    schema, colon, rest = argument.partition(":")
    if colon and schema == "hf-hub":
        found = _hub_repository(argument, rest, get)
    elif colon and schema == "local-dir":
        found = _folder(argument, Path(rest).expanduser(), get, tokenizer=Path(rest).expanduser())
    else:
        found = _architecture(argument, get)
    check_safe_weights(found.weights)
    return found


def _architecture(argument: str, get: _Fetcher) -> Checkpoint:
    import open_clip

    model, _, pretrained = argument.partition("/")
    known = open_clip.list_models()
    if not model:
        raise ModelUnavailable(
            f"{argument!r} names no model before its first '/'", mend="write openclip:MODEL/FILE, as in ViT-B-32/w.pt"
        )
    if model not in known:
        near = difflib.get_close_matches(model, known, n=3, cutoff=0.5)
        raise ModelUnavailable(
            f"open_clip has no model {model!r}",
            where=get.name,
            mend=f"did you mean {', '.join(near)}?" if near else "a repository is written openclip:hf-hub:ORG/NAME",
        )
    tags = open_clip.list_pretrained_tags_by_model(model)
    if not pretrained:
        raise UsageError(
            f"{model} needs weights, as in openclip:{model}/{tags[0] if tags else 'FILE.safetensors'}",
            where=get.name,
            mend=f"weights known for it: {', '.join(tags)}, or a file" if tags else "open_clip knows none: name a file",
        )
    config: dict[str, Any] = open_clip.get_model_config(model)
    text: dict[str, Any] = config["text_cfg"]
    if open_clip.pretrained.is_pretrained_cfg(model, pretrained):
        tag: dict[str, Any] = open_clip.get_pretrained_cfg(model, pretrained)
        repo, _, file = str(tag["hf_hub"]).rpartition("/")
        weights, revision = _tagged(repo, file, get)
        quick, wanted, public = bool(tag.get("quick_gelu", False)), _preprocessing(tag), True
    else:
        weights, revision = Path(pretrained).expanduser(), ""
        if not weights.is_file():
            near = difflib.get_close_matches(pretrained, tags, n=1)
            raise ModelUnavailable(
                f"{pretrained!r} is neither a file nor weights that open_clip knows for {model}",
                where=get.name,
                mend=f"did you mean {near[0]}?" if near else f"known: {', '.join(tags) or 'none'}",
            )
        (quick, wanted), public = _usual(model, weights), False
    return Checkpoint(
        argument,
        model,
        weights,
        config,
        preprocessing=wanted,
        quick_gelu=quick and not config.get("quick_gelu", False),
        tokenizer=get(text["hf_tokenizer_name"], _select_tokenizer) if text.get("hf_tokenizer_name") else None,
        text_config=_text_config(text, get),
        public=public,
        revision=revision,
    )


def _tagged(repo: str, file: str, get: _Fetcher) -> tuple[Path, str]:
    """The file of weights of a tag, safetensors before all else, and the hub's commit."""
    candidates = [f"{file.rpartition('.')[0]}.safetensors", file] if file else list(_PREFERRED[:1] + _PREFERRED[2:3])

    def select(names: Sequence[str]) -> list[str]:
        weights = [name for name in candidates if name in names][:1]
        return [name for name in names if name == "README.md"] + weights if weights else []

    folder = get(repo, select)
    return next(folder / name for name in candidates if (folder / name).is_file()), folder.name


def _usual(model: str, weights: Path) -> tuple[bool, dict[str, Any]]:
    """QuickGELU and preprocessing of a bare file: from the config beside it, else what all weights of MODEL share."""
    import open_clip

    beside = weights.parent / _CONFIG
    if beside.is_file():
        config = _read_config(beside)
        return bool(config["model_cfg"].get("quick_gelu", False)), _preprocessing(config.get("preprocess_cfg", {}))
    tags = [open_clip.get_pretrained_cfg(model, tag) for tag in open_clip.list_pretrained_tags_by_model(model)]
    asked = [(bool(tag.get("quick_gelu", False)), _preprocessing(tag)) for tag in tags]
    return asked[0] if asked and all(one == asked[0] for one in asked) else (False, {})


def _preprocessing(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: config[key] for key in _PREPROCESSING if config.get(key) is not None}


def _hub_repository(argument: str, address: str, get: _Fetcher) -> Checkpoint:
    repo, revision = parse_hub_name(address)

    def select(names: Sequence[str]) -> list[str]:
        weights = [name for name in _PREFERRED if name in names][:1]
        if not weights or _CONFIG not in names:
            return []
        return [name for name in names if _TOKENIZER.match(name) or name in (_CONFIG, "README.md")] + weights

    folder = get(repo, select, revision)
    text = _read_config(folder / _CONFIG)["model_cfg"].get("text_cfg", {})
    named = text.get("hf_tokenizer_name")
    own = any(_VOCABULARY.match(path.name) for path in folder.iterdir())
    tokenizer = folder if named and (named == repo or own) else None
    if named and tokenizer is None:
        tokenizer = get(named, _select_tokenizer)
    return _folder(argument, folder, get, tokenizer=tokenizer, revision=folder.name)


def _folder(argument: str, folder: Path, get: _Fetcher, *, tokenizer: Path | None, revision: str = "") -> Checkpoint:
    if not (folder / _CONFIG).is_file():
        raise ModelUnavailable(f"{folder} is not a folder with an {_CONFIG}", where=get.name)
    config = _read_config(folder / _CONFIG)["model_cfg"]
    text = config.get("text_cfg", {})
    return Checkpoint(
        argument,
        f"local-dir:{folder}",
        _weights_in(folder, get.name),
        config,
        tokenizer=tokenizer if text.get("hf_tokenizer_name") else None,
        text_config=_text_config(text, get),
        public=bool(revision),
        revision=revision,
    )


def _weights_in(folder: Path, name: str) -> Path:
    for preferred in _PREFERRED:
        if (folder / preferred).is_file():
            return folder / preferred
    found = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin", ".pth"))
    if len(found) != 1:
        raise ModelUnavailable(
            f"{folder} holds {len(found)} files of weights, expected one",
            where=name,
            mend=f"call the right one {_PREFERRED[0]}",
        )
    return found[0]


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"cannot be read: {error}", where=str(path)) from error
    if not isinstance(config, dict) or not isinstance(config.get("model_cfg"), dict):
        raise ModelUnavailable("has no model_cfg", where=str(path))
    return config


def _select_tokenizer(names: Sequence[str]) -> list[str]:
    return [name for name in names if _TOKENIZER.match(name)] if any(map(_VOCABULARY.match, names)) else []


def _text_config(text: Mapping[str, Any], get: _Fetcher) -> Path | None:
    named = text.get("hf_model_name")
    if not named:
        return None
    if Path(named).is_dir():
        return Path(named)
    return get(str(named), lambda names: [name for name in names if name == "config.json"])
