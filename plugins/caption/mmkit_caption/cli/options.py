"""Options that several verbs of ``caption`` share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

__all__ = ["BeamOption", "CorpusOption", "LanguageOption", "ModelOption"]

ModelOption: TypeAlias = Annotated[
    str, typer.Option("--model", metavar="NAME|DIR", help="caption-mini (bundled), or a folder that train wrote.")
]
LanguageOption: TypeAlias = Annotated[str, typer.Option("--lang", metavar="CODE", help="Of the captions: en or de.")]
BeamOption: TypeAlias = Annotated[
    int | None, typer.Option("--beam", min=1, max=64, help="Texts followed at once; 1 is greedy. Default: the model's.")
]
CorpusOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--corpus", metavar="FILE", help="Sentences, a line each, or .jsonl; may be repeated."),
]
