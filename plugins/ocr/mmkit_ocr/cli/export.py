"""``mmkit ocr export``: the recogniser as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmkit.cli.options import OverwriteOption
from mmkit.errors import UsageError


def export(
    output: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="Where the graph goes.", show_default=False)],
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help="A file of mmkit ocr train; default: the bundled.")
    ] = None,
    overwrite: OverwriteOption = False,
) -> int:
    """Write the recogniser as one ONNX graph, autoregressive reading and refinement included.

    Input "crops": (N, 3, 48, 192) float32, RGB in [0, 1]. Output "logits": (N, 26, 95); classes 0 to 93 are the
    printable ASCII characters from "!" on, and 94 ends the word.

    \b
    Example:
      mmkit ocr export word.onnx
    """
    from mmkit.cli.output import emit
    from mmkit_ocr.recogniser.export import export_onnx
    from mmkit_ocr.recogniser.weights import BUNDLED, load_network

    if output.exists() and not overwrite:
        raise UsageError("is there already", where=str(output), mend="give --overwrite to replace it")
    if not output.parent.is_dir():
        raise UsageError("its folder does not exist", where=str(output), mend=f"mkdir -p {output.parent}")
    export_onnx(load_network(weights or BUNDLED), output)
    emit(str(output))
    return 0
