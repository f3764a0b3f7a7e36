"""A picture of a separation: mixture, and for each query what share was taken and what came of it.

Legend: R rows of log frequency, W columns, K bins, n samples of a piece.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["SpectrogramBoard"]

_ROWS: Final = 180
_MARGIN, _TITLE, _GAP = 56, 20, 10
_BELOW_DB: Final = 75.0
_LOWEST: Final = 40.0
# Dark blue over magenta to light yellow, even steps in lightness.
_STOPS: Final = ((0, 0, 8), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21), (252, 255, 164))


class SpectrogramBoard:
    """Collects log-frequency spectrograms of pieces as they come, in W columns however long the sound is.

    Args:
        names: of the queries.
        rate: samples a second.
        frames: samples of the whole sound.
    """

    def __init__(self, names: Sequence[str], rate: int, frames: int, *, width: int = 900) -> None:
        self.names, self.rate, self.frames = list(names), rate, max(1, frames)
        window = max(64, int(rate * 0.064) // 2 * 2)
        self._window, self._hop = window, max(1, window // 4)
        columns = max(1, self.frames // self._hop)
        self._width = min(width, max(columns, 60))
        self._sums = np.zeros((1 + len(self.names), _ROWS, self._width))
        self._counts = np.zeros(self._width)
        top = rate / 2
        edges = np.geomspace(min(_LOWEST, top / 8), top, _ROWS + 1) / rate * window
        self._edges = edges
        self._place = 0

    def add(self, mixture: NDArray[np.float32], stems: NDArray[np.float32]) -> None:
        """A piece (C, n) of the mixture and the stems (Q, C, n) of it, in order."""
        signals = np.concatenate([mixture[None], stems]).mean(axis=1)
        length = signals.shape[-1]
        padded = np.pad(signals, ((0, 0), (self._window // 2, self._window)))
        taper = np.hanning(self._window)
        for start in range(0, length, self._hop):
            power = np.abs(np.fft.rfft(padded[:, start : start + self._window] * taper)) ** 2
            column = min(self._width - 1, int((self._place + start) / self.frames * self._width))
            self._sums[..., column] += self._banded(power)
            self._counts[column] += 1
        self._place += length

    def _banded(self, power: NDArray[np.float64]) -> NDArray[np.float64]:
        """(S, K) power to the mean over the bins of each row; a row narrower than a bin is read between two."""
        total = np.concatenate([np.zeros((len(power), 1)), np.cumsum(power, axis=1)], axis=1)
        places = np.clip(self._edges + 0.5, 0, power.shape[1])
        grid = np.arange(total.shape[1])
        at = np.stack([np.interp(places, grid, row) for row in total])
        return np.asarray(np.diff(at, axis=1) / np.diff(places).clip(1e-6))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Draw it as PNG. Raises BadInput where it cannot be written."""
        from PIL import Image, ImageDraw, ImageFont

        from mmkit.media.target import atomic_path

        filled = np.maximum(self._counts, 1)
        for column in np.flatnonzero(self._counts == 0):  # a short sound has fewer frames than columns
            near = np.flatnonzero(self._counts)
            self._sums[..., column] = self._sums[..., near[np.argmin(np.abs(near - column))]] if len(near) else 0
            filled[column] = filled[near[np.argmin(np.abs(near - column))]] if len(near) else 1
        power = self._sums / filled
        levels = 10 * np.log10(power + 1e-12)
        ceiling = float(levels[0].max())
        panels = [("mixture", (levels[0] - ceiling) / _BELOW_DB + 1)]
        for number, name in enumerate(self.names, start=1):
            share = np.sqrt(power[number] / np.maximum(power[0], 10 ** ((ceiling - _BELOW_DB) / 10)))
            panels += [(f"mask: {name}", share), (f"result: {name}", (levels[number] - ceiling) / _BELOW_DB + 1)]
        height = _ROWS + _TITLE + _GAP
        columns = min(3, len(panels)) if len(self.names) == 1 else 1 if len(panels) == 1 else 2
        cells: list[tuple[int, int]] = [(0, 0)]
        if columns == 3:
            cells += [(0, 1), (0, 2)]
        else:
            cells += [(1 + (number - 1) // 2, (number - 1) % 2) for number in range(1, len(panels))]
        rows = 1 + max(row for row, _ in cells)
        canvas = Image.new("RGB", (columns * (self._width + _MARGIN + _GAP), rows * height + 22), "white")
        pen, font = ImageDraw.Draw(canvas), ImageFont.load_default()
        for (row, column), (title, values) in zip(cells, panels, strict=True):
            left, top = column * (self._width + _MARGIN + _GAP) + _MARGIN, row * height + _TITLE
            canvas.paste(Image.fromarray(_coloured(values[::-1])), (left, top))
            pen.text((left, top - 14), title[: self._width // 6], "black", font)
            self._axes(pen, font, left, top)
        with atomic_path(Path(path)) as partial:
            canvas.save(partial, format="PNG", optimize=True)

    def _axes(self, pen: object, font: object, left: int, top: int) -> None:
        hertz = self._edges / self._window * self.rate
        for tick in (50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000):
            if hertz[0] <= tick <= hertz[-1]:
                y = top + _ROWS - 1 - int(np.interp(np.log(tick), np.log(hertz), np.arange(_ROWS + 1)))
                text = f"{tick // 1000} kHz" if tick >= 1000 else f"{tick} Hz"
                pen.line([(left - 4, y), (left - 1, y)], fill="black")  # type: ignore[attr-defined]
                pen.text((left - 50, y - 6), text, "black", font)  # type: ignore[attr-defined]
        seconds = self.frames / self.rate
        pen.text((left, top + _ROWS), "0 s", "black", font)  # type: ignore[attr-defined]
        text = f"{seconds:.1f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
        pen.text((left + self._width - 40, top + _ROWS), text, "black", font)  # type: ignore[attr-defined]


def _coloured(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Values within [0, 1] as colours; what lies outside is brought to the ends."""
    place = np.clip(np.nan_to_num(values), 0, 1) * (len(_STOPS) - 1)
    stops = np.array(_STOPS, float)
    channels = [np.interp(place, np.arange(len(_STOPS)), stops[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)
