"""Short-time spectra whose bins mean the same Hz and seconds at every sample rate.

The window is a length of time, not a number of samples, so that one network serves every rate: what changes is
how many bins there are, and masks for the bins above the network's range are carried on from its upper edge.

Legend: B signals, T samples, F bins of the network, K bins of the signal, N frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Resolution"]


def _fast_size(size: float) -> int:
    """The even number within 1 % of ``size`` whose largest prime factor is the least; FFTs of it are fast."""

    def largest_factor(number: int) -> int:
        factor, largest = 2, 1
        while factor * factor <= number:
            if number % factor:
                factor += 1
            else:
                number //= factor
                largest = factor
        return max(largest, number)

    nearest = 2 * round(size / 2)
    reach = max(2, int(size * 0.01))
    candidates = [n for n in range(max(4, nearest - reach), nearest + reach + 1) if n % 2 == 0]
    return min(candidates, key=lambda n: (largest_factor(n) > 7, abs(n - size)))


@dataclass(frozen=True, slots=True)
class Resolution:
    """Length and step of the window in seconds, and the F bins that the network sees from 0 Hz up."""

    window: float = 0.064
    hop: float = 0.020
    bins: int = 1024

    def sizes(self, rate: int) -> tuple[int, int]:
        """Window and step in samples at ``rate`` Hz."""
        window = _fast_size(self.window * rate)
        return window, max(1, round(self.hop * window / self.window))

    def analyse(self, samples: Tensor, rate: int) -> Tensor:
        """(B, T) samples to (B, K, N) complex spectra; a sine of amplitude 1 peaks at 0.5 at every rate."""
        window, hop = self.sizes(rate)
        taper = torch.hann_window(window, device=samples.device, dtype=samples.dtype)
        # Reflection needs more samples than half a window; zeros stand in where there are not.
        pad = "reflect" if samples.shape[-1] > window // 2 else "constant"
        spectra = torch.stft(samples, window, hop, window=taper, return_complex=True, pad_mode=pad)
        return spectra / taper.sum()

    def synthesise(self, spectra: Tensor, rate: int, length: int) -> Tensor:
        """(B, K, N) complex spectra back to (B, ``length``) samples; the inverse of ``analyse``."""
        window, hop = self.sizes(rate)
        taper = torch.hann_window(window, device=spectra.device, dtype=torch.float32)
        return torch.istft(spectra * taper.sum(), window, hop, window=taper, length=length)

    def to_network(self, spectra: Tensor) -> Tensor:
        """The lowest F bins of (B, K, N), with silence above where the rate has fewer."""
        missing = self.bins - spectra.shape[-2]
        return functional.pad(spectra, (0, 0, 0, missing)) if missing > 0 else spectra[..., : self.bins, :]

    def from_network(self, mask: Tensor, bins: int) -> Tensor:
        """(B, F, N) mask to ``bins`` bins; above the network's range the mean of its topmost 1/16 goes on."""
        if bins <= self.bins:
            return mask[..., :bins, :]
        edge = mask[..., -(self.bins // 16) :, :].mean(dim=-2, keepdim=True)
        return torch.cat([mask, edge.expand(*mask.shape[:-2], bins - self.bins, mask.shape[-1])], dim=-2)
