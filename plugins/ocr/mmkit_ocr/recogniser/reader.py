"""The bundled recogniser behind the contract of ``mmkit_ocr.reading``: one word a crop.

Legend: N crops, L = 26 slots.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from mmkit_ocr.recogniser.runtime import Runtime
from mmkit_ocr.recogniser.views import second_looks
from mmkit_ocr.recogniser.weights import BUNDLED, load_network

__all__ = ["DECODINGS", "DEFAULT_DECODING", "WordReader", "decode", "load_reader"]

#: draft: the CTC head alone; nar: the draft refined in one parallel pass; ar: character by character, then refined;
#: careful: as ar, and crops that were read with doubt are looked at again in several ways.
DECODINGS: Final = ("draft", "nar", "ar", "careful")
DEFAULT_DECODING: Final = "ar"

_BATCH: Final = 32
#: Readings less certain than this are doubted, and another look has to be surer by this factor to count.
_DOUBT: Final = 0.9
_SURER: Final = 1.1
#: From this many crops on it pays to write the graph of a CPU's runtime, which is then kept.
_WORTH_WRITING: Final = 200


class WordReader:
    """Reads crops of single words.

    Args:
        network: as ``load_network`` gives it.
        name: as ``--recognizer`` takes it.
        decoding: one of ``DECODINGS``.
        runtime: reads instead of the network once its graph is there, or many crops make it worth writing.
    """

    lines = False

    def __init__(
        self,
        network: Network,
        *,
        name: str = "bundled",
        decoding: str = DEFAULT_DECODING,
        runtime: Runtime | None = None,
    ) -> None:
        if decoding not in DECODINGS:
            raise UsageError(f"Expected one of {', '.join(DECODINGS)}, but received {decoding!r}", where="--decode")
        self.name = name
        self.network = network
        self.decoding = decoding
        self._runtime = runtime
        self._read = 0

    def read(self, crops: Sequence[np.ndarray]) -> list[Reading]:
        """One Reading a crop, in order."""
        readings: list[Reading] = []
        runtime = self._ready(len(crops))
        with torch.inference_mode():
            for first in range(0, len(crops), _BATCH):
                part = [fitted(crop, width=self.network.shape.width) for crop in crops[first : first + _BATCH]]
                readings += readings_of(*self._decoded(np.stack(part), runtime))
            if self.decoding == "careful":
                for place, reading in enumerate(readings):
                    if reading.confidence < _DOUBT:
                        readings[place] = self._looked_again(crops[place], reading, runtime)
        return readings

    def _looked_again(self, crop: np.ndarray, reading: Reading, runtime: Runtime | None) -> Reading:
        looks = np.stack(second_looks(crop, width=self.network.shape.width))
        best = max(readings_of(*self._decoded(looks, runtime)), key=lambda other: other.confidence)
        return best if best.confidence > _SURER * reading.confidence else reading

    def _decoded(self, crops: np.ndarray, runtime: Runtime | None) -> tuple[Tensor, Tensor]:
        if runtime is not None:
            return chosen(runtime.logits(crops))
        device = next(self.network.parameters()).device
        pictures = torch.from_numpy(crops).to(device).permute(0, 3, 1, 2).float() / 255
        return decode(self.network, self.network(pictures), self.decoding)

    def _ready(self, crops: int) -> Runtime | None:
        self._read += crops
        if self._runtime is None or self._runtime.written:
            return self._runtime
        if self._read < _WORTH_WRITING:
            return None
        try:
            self._runtime.write(self.network)
        except OSError:
            # The cache cannot be written: torch reads the same, only slower.
            self._runtime = None
        return self._runtime


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
    target = resolve_device(device)
    network = load_network(path, device=target)
    runtime = None
    if target.type == "cpu" and decoding in ("ar", "careful"):
        runtime = Runtime(path, threads=torch.get_num_threads())
    return WordReader(network, name=name, decoding=decoding, runtime=runtime)


def decode(network: Network, seen: Seen, decoding: str) -> tuple[Tensor, Tensor]:
    """Numbers and confidences, both (N, L): of a slot the probability of what was chosen there."""
    if decoding == "draft":
        return ctc_draft(seen.draft)
    if decoding == "nar":
        first, _ = ctc_draft(seen.draft)
    else:
        first = read_forward(network.decoder, seen.memory).argmax(-1)
    return chosen(refine(network.decoder, seen.memory, first))


def chosen(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The best class of each slot and its probability: (N, L, C) -> numbers and confidences, both (N, L)."""
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
