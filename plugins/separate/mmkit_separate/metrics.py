"""How good a separation is: SDR, SIR and SAR of BSS Eval version 3, and SI-SDR. Pure functions.

BSS Eval (Vincent, Gribonval, Févotte 2006): an estimate is split into what a filter of 512 taps can make of its
source, what such filters can make of the other sources, and the rest. Equal to mir_eval.separation.bss_eval_sources,
for one estimate at a time; the sources' correlations are solved once and serve many estimates of the same mixture.

Legend: S sources, T samples, E estimates, L taps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["TAPS", "BssEval", "Scores", "sdr", "si_sdr"]

TAPS: Final = 512
Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """In dB. ``sir`` is infinite where there is one source alone."""

    sdr: float
    sir: float
    sar: float
    si_sdr: float


class BssEval:
    """Scores estimates of the first of S sources.

    Args:
        sources: (S, T), the target first; none of them silent.
        taps: length of the distortions that are forgiven.

    Raises:
        ValueError: a source is silent.
    """

    def __init__(self, sources: NDArray[np.floating], *, taps: int = TAPS) -> None:
        from scipy.linalg import cho_factor, toeplitz

        self.sources = np.asarray(sources, np.float64)
        if not (np.square(self.sources).sum(axis=1) > 0).all():
            raise ValueError("Expected sources with sound in them, but received a silent one")
        self.taps = taps
        count, length = self.sources.shape
        self._size = 1 << (length + taps - 1).bit_length()
        self._spectra = np.fft.rfft(self.sources, self._size)
        self._length = length + taps - 1
        gram = np.empty((count * taps, count * taps))
        for one in range(count):
            for other in range(count):
                lags = np.fft.irfft(self._spectra[one] * np.conj(self._spectra[other]), self._size)
                column = np.concatenate([lags[:1], lags[-1:-taps:-1]])
                gram[one * taps : (one + 1) * taps, other * taps : (other + 1) * taps] = toeplitz(column, lags[:taps])
        # A trace of the mean power on the diagonal: band-limited sources make the matrix singular.
        ridge = 1e-12 * np.trace(gram) / len(gram)
        gram[np.diag_indices_from(gram)] += ridge
        self._all = cho_factor(gram)
        self._own = cho_factor(gram[:taps, :taps])

    def scores(self, estimate: NDArray[np.floating]) -> Scores:
        """Scores of one (T,) estimate of the first source."""
        from scipy.linalg import cho_solve

        given = np.asarray(estimate, np.float64)
        spectrum = np.fft.rfft(given, self._size)
        taps = self.taps
        likeness = np.concatenate(
            [np.fft.irfft(np.conj(source) * spectrum, self._size)[:taps] for source in self._spectra]
        )
        own = self._filtered(cho_solve(self._own, likeness[:taps])[None], self._spectra[:1])
        whole = self._filtered(cho_solve(self._all, likeness).reshape(-1, taps), self._spectra)
        padded = np.pad(given, (0, taps - 1))
        strange, rest = whole - own, padded - whole
        return Scores(
            sdr=_ratio(own, padded - own),
            sir=_ratio(own, strange),
            sar=_ratio(whole, rest),
            si_sdr=si_sdr(self.sources[0], given),
        )

    def _filtered(self, filters: Samples, spectra: NDArray[np.complex128]) -> Samples:
        total = (np.fft.rfft(filters, self._size) * spectra).sum(axis=0)
        return np.asarray(np.fft.irfft(total, self._size)[: self._length])


def sdr(target: NDArray[np.floating], estimate: NDArray[np.floating]) -> float:
    """Plain signal-to-distortion ratio in dB: no filter and no scale is forgiven."""
    wanted = np.asarray(target, np.float64)
    return _ratio(wanted, np.asarray(estimate, np.float64) - wanted)


def si_sdr(target: NDArray[np.floating], estimate: NDArray[np.floating]) -> float:
    """Scale-invariant SDR in dB (Le Roux et al. 2019); a silent estimate has minus infinity."""
    wanted, given = np.asarray(target, np.float64), np.asarray(estimate, np.float64)
    power = float(wanted @ wanted)
    if power == 0 or not given.any():
        return float("-inf")
    scaled = (float(wanted @ given) / power) * wanted
    return _ratio(scaled, given - scaled)


def _ratio(signal: Samples, noise: Samples) -> float:
    above, below = float(np.square(signal).sum()), float(np.square(noise).sum())
    if below == 0:
        return float("inf") if above else float("-inf")
    return float(10 * np.log10(above / below)) if above else float("-inf")
