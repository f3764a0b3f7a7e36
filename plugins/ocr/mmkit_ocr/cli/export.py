"""``mmkit ocr export``: the recogniser as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmkit.cli.options import OverwriteOption


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
    from mmkit.cli.output import check_free, emit
    from mmkit_ocr.recogniser.export import export_onnx
    from mmkit_ocr.recogniser.weights import BUNDLED, load_network

    check_free(output, overwrite=overwrite)
    export_onnx(load_network(weights or BUNDLED), output)
    emit(str(output))
    return 0
