"""The Hugging Face hub: what is in its local cache, and what can be fetched into it.

The cache is asked first and the hub only for what is not in it, so a model that was fetched once starts without
network. Downloads are huggingface_hub's own: to a temporary name, renamed when whole, shared with every other tool.
"""

from __future__ import annotations

import errno
import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from mmkit.config import Settings
from mmkit.errors import MmkitError, ModelUnavailable, UsageError
from mmkit.models.hashes import write_atomically

__all__ = ["Progress", "Select", "fetch", "not_available", "select_patterns", "select_weights"]

#: From the names of all files of a repository to those wanted; empty where it lacks something essential.
Select: TypeAlias = Callable[[Sequence[str]], list[str]]
#: Called with the bytes that are there and the bytes wanted.
Progress: TypeAlias = Callable[[int, int], None]

#: Seconds until a hub that does not answer counts as unreachable; its client tries a second time by itself.
_PATIENCE: Final = 3.0
_TEXTS: Final = (".json", ".txt", ".model", ".md")
_PICKLED: Final = (".bin", ".pt", ".pth")
#: Pickles beside the weights that are of no use here.
_TRAINING_STATE: Final = ("training_args", "optimizer", "scheduler", "rng_state", "scaler")
#: The same weights again, for other runtimes.
_OTHER_RUNTIMES: Final = ("onnx/", "openvino/", "coreml/")
_NETWORK: Final = frozenset({"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "huggingface_hub"})
_DISK: Final = frozenset({errno.ENOSPC, errno.EACCES, errno.EPERM, errno.EROFS, errno.EDQUOT})


def not_available(name: str) -> ModelUnavailable:
    """The one answer for a model that is not here and cannot be asked for, be it offline or out of reach."""
    return ModelUnavailable(
        "not in the local cache, and the hub is unreachable or switched off (offline)",
        where=name,
        mend=f"run `mmkit models pull {name}` where there is a network, or give a local path",
    )


def select_weights(names: Sequence[str]) -> list[str]:
    """Settings, tokenizer and weights; pickled weights only where there are no safetensors."""
    useful = [name for name in names if not name.startswith(_OTHER_RUNTIMES)]
    weights = [name for name in useful if name.endswith(".safetensors")]
    if not weights:
        weights = [
            name
            for name in useful
            if name.endswith(_PICKLED) and not name.rpartition("/")[2].startswith(_TRAINING_STATE)
        ]
    if not weights:
        return []
    return [name for name in useful if name.endswith(_TEXTS)] + weights


def select_patterns(patterns: Sequence[str]) -> Select:
    """Select the files that match any of the patterns; each pattern has to match something."""
    from fnmatch import fnmatchcase

    def select(names: Sequence[str]) -> list[str]:
        matches = [[name for name in names if fnmatchcase(name, pattern)] for pattern in patterns]
        return sorted({name for match in matches for name in match}) if all(matches) else []

    return select


def fetch(
    repo: str,
    *,
    settings: Settings,
    name: str,
    revision: str | None = None,
    select: Select = select_weights,
    refresh: bool = False,
    progress: Progress | None = None,
) -> Path:
    """The folder of a repository's snapshot in the local cache, with at least the selected files in it.

    Args:
        repo: ``org/name``.
        name: how the user called it; what errors name.
        refresh: ask the hub although the cache has it.

    Raises:
        ModelUnavailable: it is not in the cache and the hub does not have it, does not give it or is out of reach.
        UsageError: ``repo`` is not a name of the hub.
    """
    if not refresh and (folder := _cached(repo, revision, select, settings, certain=True)) is not None:
        return folder
    if not settings.offline:
        try:
            return _download(repo, revision, select, settings, name, progress)
        except MmkitError:
            raise
        except Exception as error:
            explained = _explain(error, repo, name)
            if explained is not None:
                raise explained from error
    if (folder := _cached(repo, revision, select, settings, certain=False)) is not None:
        return folder
    raise not_available(name)


def _cached(repo: str, revision: str | None, select: Select, settings: Settings, *, certain: bool) -> Path | None:
    """The cached snapshot; ``certain`` wants the hub's own list of files, so that nothing can be lacking."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        found = snapshot_download(repo, revision=revision, local_files_only=True, allow_patterns=[])
    except HFValidationError as error:
        raise UsageError(f"{repo!r} is not a name of the hub", mend="write hf:ORG/NAME or hf:ORG/NAME@REVISION") from (
            error
        )
    except (LocalEntryNotFoundError, OSError):
        return None
    folder = Path(str(found))
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    names = _listing(_note(repo, folder.name, settings)) if certain else sorted(present)
    wanted = select(names)
    return folder if wanted and present.issuperset(wanted) else None


def _download(
    repo: str, revision: str | None, select: Select, settings: Settings, name: str, progress: Progress | None
) -> Path:
    from huggingface_hub import HfApi, hf_hub_download

    info = HfApi().model_info(repo, revision=revision, timeout=_PATIENCE, files_metadata=True)
    sizes = {file.rfilename: int(file.size or 0) for file in info.siblings or ()}
    wanted = select(sorted(sizes))
    if not wanted:
        raise ModelUnavailable("the repository does not hold the files that are needed", where=name)
    total, done = sum(sizes[file] for file in wanted), 0
    # The newer versions of the library report on the way; with the older ones progress moves file by file.
    reports = "tqdm_class" in inspect.signature(hf_hub_download).parameters
    for file in wanted:
        bar: dict[str, Any] = {"tqdm_class": _bar(progress, done, total)} if reports else {}
        path = Path(hf_hub_download(repo, file, revision=revision, **bar))
        done += sizes[file]
        if progress is not None:
            progress(done, total)
    folder = path.parents[len(Path(file).parts) - 1]
    write_atomically(_note(repo, folder.name, settings), json.dumps(sorted(sizes)))
    return folder


def _note(repo: str, commit: str, settings: Settings) -> Path:
    return settings.cache_dir / "hub" / repo.replace("/", "--") / f"{commit}.json"


def _listing(note: Path) -> list[str]:
    try:
        names = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _bar(progress: Progress | None, done: int, total: int) -> type:
    from tqdm.auto import tqdm  # type: ignore[import-untyped,unused-ignore]

    class Bar(tqdm):  # type: ignore[misc,type-arg,unused-ignore]
        """Passes on what it is told and shows nothing itself."""

        def __init__(self, *args: object, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})
            self.here = int(kwargs.get("initial") or 0)

        def update(self, n: float | None = 1) -> bool | None:
            self.here += int(n or 0)
            if progress is not None:
                progress(min(done + self.here, total), total)
            return None

    return Bar


def _explain(error: Exception, repo: str, name: str) -> MmkitError | None:
    """What the hub's answer means; None where it gave none, so that the cache has the last word."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        return ModelUnavailable(
            f"the hub gives {repo} only to those who agreed to its terms",
            where=name,
            mend=f"agree at https://huggingface.co/{repo} and run `hf auth login`",
        )
    if isinstance(error, RepositoryNotFoundError):
        return ModelUnavailable(
            f"the hub has no public model {repo}", where=name, mend="check the name, or run `hf auth login`"
        )
    if isinstance(error, RevisionNotFoundError):
        return ModelUnavailable(f"the hub's {repo} has no such revision", where=name)
    if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
        return ModelUnavailable(f"a file of {repo} is gone from the hub: {error}", where=name)
    if isinstance(error, HFValidationError):
        return UsageError(f"{repo!r} is not a name of the hub", mend="write hf:ORG/NAME or hf:ORG/NAME@REVISION")
    if isinstance(error, OSError) and error.errno in _DISK:
        return ModelUnavailable(f"the download cannot be written: {error}", where=name)
    if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _NETWORK:
        return None
    raise error
