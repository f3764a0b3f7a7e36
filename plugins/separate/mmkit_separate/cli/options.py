"""Options that several verbs of ``separate`` share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

__all__ = ["GapOption", "ModelOption", "QueryEncoderOption"]

ModelOption: TypeAlias = Annotated[
    str,
    typer.Option("--model", metavar="NAME|DIR", help="film (default), clipsep, clipsep-nit, or a trained folder."),
]
QueryEncoderOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--encoder", "-e", metavar="NAME", help="Of the queries; default: what the model was trained with."),
]
GapOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--gap",
        metavar="KIND",
        help="Bring pictures nearer to the words of the training: none, mean or scaled; default: the model's own.",
    ),
]
