"""Options that the motion verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from mmkit.config import Settings
    from mmkit_motion.encoder import MotionEncoder
    from mmkit_motion.lamp import Lamp

__all__ = ["MotionsArgument", "RateOption", "SeedOption", "encoder", "lamp"]

MotionsArgument: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUTS...", help="Motion files (.bvh .amc .npy .npz), folders, globs or '-'.", show_default=False
    ),
]
RateOption: TypeAlias = Annotated[
    float | None,
    typer.Option("--rate", metavar="FPS", min=0.1, help="Frames a second, where a file does not say or says it wrong."),
]
SeedOption: TypeAlias = Annotated[int, typer.Option("--seed", help="Same seed, same result.")]


def lamp(device: str | None, *, weights: Path | None = None) -> Lamp:
    """The bundled model, or that of a folder."""
    from mmkit_motion.lamp import WEIGHTS, Lamp

    return Lamp(weights or WEIGHTS, _settings(device))


def encoder(device: str | None, *, sets: bool = False) -> MotionEncoder:
    """The bundled encoder, one vector a clip or a set."""
    from mmkit_motion.encoder import MotionEncoder

    return MotionEncoder("multivector" if sets else "vector", _settings(device))


def _settings(device: str | None) -> Settings:
    from mmkit.cli.options import chosen_settings

    return chosen_settings(device=device)
