"""The recogniser in onnxruntime, which reads about twice as fast as torch on a CPU.

The graph is written once for each file of weights and kept in mmkit's cache folder. Its linear layers are in 8 bits, a
scale for each output; what they are given is rounded as it comes. The convolutions stay as they are.

Legend: N crops, L = 26 slots, C = 95 classes.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from mmkit.config import settings
from mmkit.models.hashes import file_sha256

if TYPE_CHECKING:
    from mmkit_ocr.recogniser.network import Network

__all__ = ["Runtime"]

#: Changes with the graph that is written, so that an older one is not taken for it.
_GRAPH: Final = "8-bit-1"


class Runtime:
    """Logits of crops by onnxruntime, from the graph that belongs to a file of weights.

    Args:
        weights: the file; its hash names the graph.
        threads: of one call.
    """

    def __init__(self, weights: Path, *, threads: int) -> None:
        cache = settings().cache_dir
        self._graph = cache / "ocr" / f"{file_sha256(weights, cache_dir=cache)[:24]}-{_GRAPH}.onnx"
        self._threads = threads
        self._session = None

    @property
    def written(self) -> bool:
        """True where the graph is there already."""
        return self._graph.is_file()

    def write(self, network: Network) -> None:
        """Write the graph, which takes some seconds.

        Raises:
            OSError: the cache folder cannot be written.
        """
        from mmkit_ocr.recogniser.export import export_onnx

        self._graph.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._graph.parent, prefix=".new-") as folder:
            whole, rounded = Path(folder) / "whole.onnx", Path(folder) / "rounded.onnx"
            export_onnx(network, whole)
            _round(whole, rounded)
            rounded.replace(self._graph)

    def logits(self, crops: np.ndarray) -> torch.Tensor:
        """(N, 48, W, 3) uint8 -> (N, L, C) of the refined forward reading."""
        from mmkit_ocr.recogniser.export import INPUT

        if self._session is None:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self._threads
            options.log_severity_level = 3
            self._session = onnxruntime.InferenceSession(str(self._graph), options, providers=["CPUExecutionProvider"])
        given = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32) / np.float32(255)
        return torch.from_numpy(self._session.run(None, {INPUT: given})[0])


def _round(whole: Path, rounded: Path) -> None:
    """Linear layers of a graph in 8 bits."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # It advises on every call to run a tool of its own first, which changes nothing here.
    logging.disable(logging.WARNING)
    try:
        quantize_dynamic(
            whole, rounded, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, weight_type=QuantType.QInt8
        )
    finally:
        logging.disable(logging.NOTSET)
