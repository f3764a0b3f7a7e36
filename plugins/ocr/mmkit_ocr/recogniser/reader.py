"""The bundled recogniser behind the contract of ``mmkit_ocr.reading``: one word a crop.

Legend: N crops, L = 26 slots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from mmkit.encoders.device import resolve_device
from mmkit.errors import UsageError
from mmkit_ocr.reading import RECOGNISERS, Reading
from mmkit_ocr.recogniser.charset import EOS, to_text
from mmkit_ocr.recogniser.crops import fitted
from mmkit_ocr.recogniser.decoding import ctc_draft, read_forward, refine
from mmkit_ocr.recogniser.network import Network, Seen
from mmkit_ocr.recogniser.weights import BUNDLED, load_network

__all__ = ["DECODINGS", "DEFAULT_DECODING", "WordReader", "decode", "load_reader"]

#: draft: the CTC head alone; nar: the draft refined in one parallel pass; ar: character by character, then refined.
DECODINGS: Final = ("draft", "nar", "ar")
DEFAULT_DECODING: Final = "ar"

_BATCH: Final = 32


class WordReader:
    """Reads crops of single words.

    Args:
        network: as ``load_network`` gives it.
        name: as ``--recognizer`` takes it.
        decoding: one of ``DECODINGS``.
    """

    lines = False

    def __init__(self, network: Network, *, name: str = "bundled", decoding: str = DEFAULT_DECODING) -> None:
        if decoding not in DECODINGS:
            raise UsageError(f"Expected one of {', '.join(DECODINGS)}, but received {decoding!r}", where="--decode")
        self.name = name
        self.network = network.to(memory_format=torch.channels_last)
        self.decoding = decoding

    def read(self, crops: Sequence[np.ndarray]) -> list[Reading]:
        """One Reading a crop, in order."""
        readings: list[Reading] = []
        with torch.inference_mode():
            for seen in self.see(crops):
                numbers, sure = decode(self.network, seen, self.decoding)
                readings += readings_of(numbers, sure)
        return readings

    def see(self, crops: Sequence[np.ndarray]) -> Iterator[Seen]:
        """What the visual half makes of the crops, in batches."""
        device = next(self.network.parameters()).device
        for first in range(0, len(crops), _BATCH):
            part = np.stack([fitted(crop, width=self.network.shape.width) for crop in crops[first : first + _BATCH]])
            pictures = torch.from_numpy(part).to(device).permute(0, 3, 1, 2).float() / 255
            yield self.network(pictures)


def load_reader(name: str = "bundled", *, device: str = "auto", decoding: str = DEFAULT_DECODING) -> WordReader:
    """The reader of the bundled weights or of a file.

    Raises:
        UsageError: the name is no recogniser's and no file's.
        ModelUnavailable: the weights cannot be read.
    """
    path = BUNDLED if name == "bundled" else Path(name)
    if name != "bundled" and not path.is_file():
        raise UsageError(
            f"Expected one of {', '.join(RECOGNISERS)} or a file of weights, but received {name!r}",
            where="--recognizer",
        )
    return WordReader(load_network(path, device=resolve_device(device)), name=name, decoding=decoding)


def decode(network: Network, seen: Seen, decoding: str) -> tuple[Tensor, Tensor]:
    """Numbers and confidences, both (N, L): of a slot the probability of what was chosen there."""
    if decoding == "draft":
        return ctc_draft(seen.draft)
    if decoding == "nar":
        first, _ = ctc_draft(seen.draft)
    else:
        first = read_forward(network.decoder, seen.memory).argmax(-1)
    logits = refine(network.decoder, seen.memory, first)
    sure, numbers = logits.softmax(-1).max(-1)
    return numbers, sure


def readings_of(numbers: Tensor, sure: Tensor) -> list[Reading]:
    """A Reading a row; the confidence of a word is the product over its characters and its end."""
    readings = []
    for row, odds in zip(numbers.tolist(), sure.tolist(), strict=True):
        text = to_text(row)
        ends = len(text) + (len(text) < len(row) and row[len(text)] == EOS)
        readings.append(Reading(text, float(np.prod(odds[:ends])), tuple(odds[: len(text)])))
    return readings
