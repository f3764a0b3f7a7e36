"""Tesseract as a recogniser of lines, through its own program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmkit.errors import MmkitError, ModelUnavailable
from mmkit_ocr.reading import Reading

__all__ = ["Tesseract"]

#: One line of text, read as it is.
_LINE_MODE: Final = "7"
#: Tesseract reads letters of 20 to 40 pixels best.
_HEIGHT: Final = 48
_BORDER: Final = 10
#: Grey levels between paper and ink.
_CONTRAST: Final = 24
_HTML: Final = "{http://www.w3.org/1999/xhtml}"
_NUMBERS: Final = re.compile(r"-?\d+(?:\.\d+)?")


class Tesseract:
    """Reads lines with the installed Tesseract, in the language of its environment or English.

    Args:
        language: as its option ``-l`` takes it, such as ``eng+deu``; by default MMKIT_TESSERACT_LANG, else ``eng``.

    Raises:
        ModelUnavailable: the program is not installed.
    """

    name = "tesseract"
    lines = True

    def __init__(self, language: str | None = None) -> None:
        program = shutil.which("tesseract")
        if program is None:
            raise ModelUnavailable(
                "the program tesseract is not installed",
                mend="install it (Debian, Ubuntu: apt install tesseract-ocr; macOS: brew install tesseract)",
            )
        self._program = program
        self._language = language or os.environ.get("MMKIT_TESSERACT_LANG") or "eng"

    def read(self, crops: Sequence[NDArray[np.uint8]]) -> list[Reading]:
        """One Reading a crop; see ``mmkit_ocr.reading.Recogniser``. Starts the program once for all of them.

        Raises:
            ModelUnavailable: its language data are missing.
            MmkitError: the program failed.
        """
        if not crops:
            return []
        with tempfile.TemporaryDirectory(prefix="mmkit-tesseract-") as folder:
            paths, widths = [], []
            for number, crop in enumerate(crops):
                path = Path(folder, f"{number}.png")
                widths.append(_write(crop, path))
                paths.append(str(path))
            listing = Path(folder, "crops.txt")
            listing.write_text("\n".join(paths) + "\n", "utf-8")
            shown = self._run(listing)
        pages = [page for page in ElementTree.fromstring(shown).iter(f"{_HTML}div") if page.get("class") == "ocr_page"]
        if len(pages) != len(crops):
            raise MmkitError(f"tesseract read {len(pages)} of {len(crops)} lines", mend="use another --recognizer")
        # In a blank crop Tesseract sees letters.
        blank = [int(crop.max()) - int(crop.min()) < _CONTRAST for crop in crops]
        return [
            Reading("", 0.0, ()) if empty else _reading(page, width)
            for page, width, empty in zip(pages, widths, blank, strict=True)
        ]

    def _run(self, listing: Path) -> str:
        options = ["--psm", _LINE_MODE, "-l", self._language, "-c", "hocr_char_boxes=1", "-c", "tessedit_create_hocr=1"]
        done = subprocess.run(
            [self._program, str(listing), "stdout", *options],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        said = done.stderr.decode("utf-8", "replace")
        if done.returncode != 0 and "language" in said:
            raise ModelUnavailable(
                f"tesseract has no data for the language {self._language!r}",
                mend="install its package (Debian: tesseract-ocr-LANG), or set MMKIT_TESSERACT_LANG",
            )
        if done.returncode != 0:
            raise MmkitError(f"tesseract failed: {said.strip().splitlines()[-1] if said.strip() else done.returncode}")
        return done.stdout.decode("utf-8", "replace")


def _write(crop: NDArray[np.uint8], path: Path) -> int:
    """Save a crop at the height that suits Tesseract, with a border; returns the width of the crop in it."""
    image = Image.fromarray(np.ascontiguousarray(crop))
    width = max(1, round(image.width * _HEIGHT / image.height))
    image = image.resize((width, _HEIGHT), Image.Resampling.BICUBIC)
    paper = tuple(int(value) for value in np.median(crop.reshape(-1, 3), axis=0))
    framed = Image.new("RGB", (width + 2 * _BORDER, _HEIGHT + 2 * _BORDER), paper)
    framed.paste(image, (_BORDER, _BORDER))
    framed.save(path, "PNG", compress_level=1, dpi=(300, 300))
    return width


def _reading(page: ElementTree.Element, width: int) -> Reading:
    text = ""
    confidences: list[float] = []
    spans: list[tuple[float, float]] = []
    for word in _spans(page, "ocrx_word"):
        begins = bool(text)
        for letter in _spans(word, "ocrx_cinfo"):
            character = letter.text or ""
            # x_bboxes x0 y0 x1 y1; x_conf c
            numbers = [float(number) for number in _NUMBERS.findall(letter.get("title", ""))]
            if not character.strip() or len(numbers) < 5:
                continue
            start, end = (min(max((value - _BORDER) / width, 0.0), 1.0) for value in (numbers[0], numbers[2]))
            confidence = min(max(numbers[4] / 100, 0.0), 1.0)
            if begins:
                text += " "
                confidences.append(min(confidences[-1], confidence))
                spans.append((spans[-1][1], start))
                begins = False
            text += character
            confidences += [confidence] * len(character)
            spans += [(start, end)] * len(character)
    if not text:
        return Reading("", 0.0, ())
    return Reading(text, float(np.mean(confidences)), tuple(confidences), tuple(spans))


def _spans(element: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [span for span in element.iter(f"{_HTML}span") if span.get("class") == kind]
