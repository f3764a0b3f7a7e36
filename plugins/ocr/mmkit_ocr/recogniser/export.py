"""The recogniser as one ONNX file: crops in, the logits of every slot out.

Legend: N crops, L = 26 slots, C = 95 classes, T columns.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from mmkit.media.target import atomic_path
from mmkit_ocr.recogniser.charset import BOS, SLOTS
from mmkit_ocr.recogniser.decoding import refine
from mmkit_ocr.recogniser.network import HEIGHT, Network

__all__ = ["INPUT", "OUTPUT", "WholeReading", "export_onnx"]

INPUT: Final = "crops"
OUTPUT: Final = "logits"
_OPSET: Final = 17


class WholeReading(nn.Module):
    """Crops (N, 3, 48, W), RGB in [0, 1] -> logits (N, L, C) of the forward reading after its refinement.

    All slots are read, whatever ends earlier, so that the graph has no branch.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> Tensor:
        decoder = self.network.decoder
        memory = self.network(crops).memory
        remembered = decoder.cross_attention.keys_values(memory)
        latest = torch.full_like(memory[:, :1, 0], BOS, dtype=torch.long)
        kept = decoder.self_attention.keys_values(decoder.content(latest))
        read = []
        for slot in range(SLOTS):
            queries = decoder.positions[:, slot : slot + 1].expand(memory.shape[0], -1, -1)
            latest = decoder.step(queries, kept, remembered, None).argmax(-1)
            read.append(latest)
            if slot + 1 < SLOTS:
                more = decoder.self_attention.keys_values(decoder.content(latest, slot + 1))
                kept = torch.cat([kept[0], more[0]], 2), torch.cat([kept[1], more[1]], 2)
        return refine(decoder, memory, torch.cat(read, 1))


def export_onnx(network: Network, path: Path) -> None:
    """Write the network as ONNX (opset 17), whole or not at all; any number of crops is one batch."""
    import onnx

    example = torch.zeros(2, 3, HEIGHT, network.shape.width)
    whole = WholeReading(network.cpu().float()).eval()
    with atomic_path(path) as partial:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                whole,
                (example,),
                os.fspath(partial),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "N"}, OUTPUT: {0: "N"}},
                opset_version=_OPSET,
                dynamo=False,
            )
        onnx.checker.check_model(os.fspath(partial))
