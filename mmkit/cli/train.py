"""``mmkit train``: train the models that ship with mmkit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmkit.cli.options import DeviceOption, chosen_settings, new_app
from mmkit.errors import UsageError

app = new_app("Train the models that ship with mmkit.")


@app.callback()
def group() -> None:
    """Train the models that ship with mmkit."""


@app.command()
def mini(
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Folders of pictures, each with its captions.jsonl.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the weights and their card go.")],
    seed: Annotated[int, typer.Option("--seed", help="Of every random choice.")] = 0,
    device: DeviceOption = None,
) -> None:
    """Train the projectors of the bundled encoder, and its towers where the recipe says so.

    \b
    Example:
      mmkit train mini --data data --out weights --seed 0 --device cuda
    """
    from mmkit.encoders.device import resolve_device
    from mmkit.encoders.mini.training.train import main

    if not data.is_dir():
        raise UsageError("is not a folder", where=str(data), mend="its layout is described in --help of the module")
    target = resolve_device(chosen_settings(device=device).device)
    main(["--data", str(data), "--out", str(out), "--seed", str(seed), "--device", str(target)])
