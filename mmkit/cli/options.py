"""Options that several verbs share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from typer.core import TyperGroup

from mmkit.cli.default_verb import group_with_default
from mmkit.config import Settings, settings
from mmkit.errors import UsageError
from mmkit.types import MODALITIES, Modality

__all__ = [
    "BatchOption",
    "ColumnOption",
    "DeviceOption",
    "DtypeOption",
    "EncoderOption",
    "FailuresOption",
    "InputsArgument",
    "JsonOption",
    "ModalityOption",
    "OfflineOption",
    "OverwriteOption",
    "StrictOption",
    "WorkersOption",
    "chosen_settings",
    "modality_named",
    "new_app",
]

InputsArgument: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUTS...",
        help="Files, folders, globs, '-' for names on stdin, .tar, or tables with --column.",
        show_default=False,
    ),
]
EncoderOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--encoder", "-e", metavar="NAME", help="mini (bundled), openclip:MODEL/PRETRAINED, st:MODEL, …"),
]
ModalityOption: TypeAlias = Annotated[
    str | None, typer.Option("--modality", "-m", metavar="KIND", help=f"One of {', '.join(MODALITIES)}; default: look.")
]
ColumnOption: TypeAlias = Annotated[
    str | None, typer.Option("--column", metavar="NAME", help="The column of a table that holds paths or texts.")
]
DeviceOption: TypeAlias = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.")
]
DtypeOption: TypeAlias = Annotated[
    str | None, typer.Option("--dtype", metavar="TYPE", help="auto, float32, bfloat16 or float16.")
]
BatchOption: TypeAlias = Annotated[str | None, typer.Option("--batch", metavar="N", help="Items at once, or auto.")]
WorkersOption: TypeAlias = Annotated[int | None, typer.Option("--workers", min=1, help="Threads that decode.")]
OfflineOption: TypeAlias = Annotated[bool, typer.Option("--offline", help="Never ask a model hub.")]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON Lines instead of text.")]
StrictOption: TypeAlias = Annotated[bool, typer.Option("--strict", help="Stop at the first input that fails.")]
OverwriteOption: TypeAlias = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
FailuresOption: TypeAlias = Annotated[
    Path | None, typer.Option("--failures", metavar="FILE", help="Where inputs that failed are listed.")
]


def new_app(help: str, *, default: str | None = None) -> typer.Typer:
    """An app for a verb: plain help, no completion options of its own.

    Args:
        default: the app's verb that takes arguments which begin with no verb; see ``default_verb``.
    """
    return typer.Typer(
        cls=TyperGroup if default is None else group_with_default(default),
        help=help,
        rich_markup_mode=None,
        add_completion=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def chosen_settings(
    *,
    encoder: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    batch: str | None = None,
    workers: int | None = None,
    offline: bool = False,
) -> Settings:
    """The settings in force under the options of one command line."""
    return settings(
        encoder=encoder, device=device, dtype=dtype, batch=batch, workers=workers, offline=True if offline else None
    )


def modality_named(name: str | None) -> Modality | None:
    """A modality by its name. Raises UsageError for any other text."""
    if name is None or name == "auto":
        return None
    if name not in MODALITIES:
        raise UsageError(f"Expected one of {', '.join(MODALITIES)}, but received {name!r}", where="--modality")
    return name  # type: ignore[return-value]
