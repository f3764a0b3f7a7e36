"""Options that several verbs share, declared once."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

__all__ = [
    "BatchTokensOption",
    "BeamOption",
    "FromOption",
    "Int8Option",
    "LengthPenaltyOption",
    "ModelOption",
    "PrefixOption",
    "ToOption",
]

FromOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--from", metavar="LANG", help="The language of the texts; found line by line if left out."),
]
ToOption: TypeAlias = Annotated[str, typer.Option("--to", metavar="LANG", help="The language to translate into.")]
ModelOption: TypeAlias = Annotated[
    str, typer.Option("--model", metavar="NAME", help="bundled, hf:ORG/NAME, a .safetensors file or a folder.")
]
BeamOption: TypeAlias = Annotated[int, typer.Option("--beam", min=1, max=64, help="Texts that are followed at once.")]
LengthPenaltyOption: TypeAlias = Annotated[
    float, typer.Option("--length-penalty", help="Above 1 favours long translations.")
]
BatchTokensOption: TypeAlias = Annotated[
    int, typer.Option("--batch-tokens", min=1, help="Places of a batch, padding included.")
]
PrefixOption: TypeAlias = Annotated[
    str, typer.Option("--prefix", metavar="KIND", help="text: from the source's own vector, or none.")
]
Int8Option: TypeAlias = Annotated[bool, typer.Option("--int8", help="Weights of 8 bits; on a CPU.")]
