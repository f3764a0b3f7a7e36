"""What a recogniser is: pictures of words or lines in, text with confidences out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np

__all__ = ["RECOGNISERS", "Reading", "Recogniser", "recogniser"]

#: The names that ``recogniser`` takes beside a path.
RECOGNISERS: Final = ("bundled", "rapidocr", "tesseract")


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read in one crop.

    Attributes:
        text: the text, empty where nothing was found.
        confidence: 0 to 1, of the whole text.
        characters: one confidence, 0 to 1, a character of ``text``.
        spans: where each character begins and ends, as fractions of the crop's width; empty where that is not known.
    """

    text: str
    confidence: float
    characters: tuple[float, ...]
    spans: tuple[tuple[float, float], ...] = ()


@runtime_checkable
class Recogniser(Protocol):
    """Reads crops.

    Attributes:
        name: as ``--recognizer`` takes it.
        lines: True where a crop may be a whole line of text, False where it must be one word.
    """

    name: str
    lines: bool

    def read(self, crops: Sequence[np.ndarray]) -> list[Reading]:
        """One Reading a crop, in order; a crop is uint8 RGB (H, W, 3), H and W at least 1."""


def recogniser(name: str, *, device: str = "auto") -> Recogniser:
    """The recogniser of that name.

    Args:
        name: one of ``RECOGNISERS``, or the path of a file that ``mmkit ocr train`` wrote.

    Raises:
        UsageError: there is no such recogniser or file.
        ModelUnavailable: its weights or its library cannot be had.
    """
    if name == "rapidocr":
        from mmkit_ocr.recognisers.rapidocr import RapidOcr

        return RapidOcr(device=device)
    if name == "tesseract":
        from mmkit_ocr.recognisers.tesseract import Tesseract

        return Tesseract()
    from mmkit_ocr.recogniser.reader import load_reader

    return load_reader(name, device=device)
