"""What separation is trained to make small. Pure functions of spectra.

Legend: B mixtures, Q queries, F bins, N frames.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

__all__ = ["clipsep_loss", "nit_loss", "separation_loss"]

_ENOUGH: Final = 1e-3


def separation_loss(estimates: Tensor, targets: Tensor, mixture: Tensor) -> Tensor:
    """Mean negative signal-to-noise ratio in dB, levelling off at 30 dB, plus a compressed L1 distance.

    A silent target has no such ratio: there it is the energy let through, in dB below the mixture, at a third of
    the weight.

    Args:
        estimates, targets: (B, Q, F, N) complex. mixture: (B, F, N) complex.
    """
    energy = targets.abs().square().sum(dim=(-2, -1))
    error = (estimates - targets).abs().square().sum(dim=(-2, -1))
    whole = mixture.abs().square().sum(dim=(-2, -1)).clamp_min(1e-12)[:, None]
    silent = energy <= 1e-6 * whole
    ratio = 10 * torch.log10((error + _ENOUGH * energy).clamp_min(1e-12) / energy.clamp_min(1e-12))
    leak = 10 * torch.log10((error + _ENOUGH * whole) / whole) / 3
    scale = whole.sqrt()[..., None, None]
    # The cube root brings quiet parts of the spectrum nearer to loud ones.
    close = ((estimates.abs() / scale + 1e-7).pow(1 / 3) - (targets.abs() / scale + 1e-7).pow(1 / 3)).abs()
    return torch.where(silent, leak, ratio).mean() + 20 * close.mean()


def weight_of(mixture: Tensor) -> Tensor:
    """The paper's weight of a bin: log(1 + magnitude), kept within [1e-3, 10]."""
    return torch.log1p(mixture).clamp(1e-3, 10)


def clipsep_loss(logits: Tensor, targets: Tensor, mixture: Tensor) -> Tensor:
    """CLIPSep (Dong et al. 2023, section 3): weighted cross-entropy against the ideal binary masks.

    Args:
        logits: (B, Q, F, N). targets: magnitudes (B, Q, F, N). mixture: magnitudes (B, F, N).
    """
    truth = (targets > 0.5 * mixture[:, None]).float()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (loss * weight_of(mixture)[:, None]).mean()


def nit_loss(
    logits: Tensor, noise: Tensor, targets: Tensor, mixture: Tensor, *, gamma: float = 0.25, strength: float = 0.1
) -> Tensor:
    """CLIPSep-NIT (section 4): each source explained by its mask and one of two noise masks, at the better pairing.

    Args:
        logits: (B, 2, F, N). noise: (B, 2, F, N) logits of the query-free heads.
        targets: magnitudes (B, 2, F, N). mixture: magnitudes (B, F, N).
        gamma: mean activity of the noise masks that costs nothing; ``strength`` is the price of more.
            The paper's 0.25 and 0.1 are the defaults.
    """
    truth = (targets > 0.5 * mixture[:, None]).float()
    weight = weight_of(mixture)[:, None]
    signal, stray = torch.sigmoid(logits.float()), torch.sigmoid(noise.float())

    def explained(heads: Tensor) -> Tensor:
        union = (signal + heads).clamp(1e-6, 1 - 1e-6)
        loss = torch.nn.functional.binary_cross_entropy(union, truth, reduction="none")
        return (loss * weight).mean(dim=(1, 2, 3))

    best = torch.minimum(explained(stray), explained(stray.flip(1)))
    activity = torch.relu(stray.mean(dim=(1, 2, 3)) - gamma)
    return (best + strength * activity).mean()
