"""Motion VQ-VAE (LaMP, section 3.1; after T2M-GPT): a motion as one of 512 codes for every four frames.

N motions, T frames, L = T / 4 codes, F features a frame, D width, C codes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkit_motion.model.sizes import Sizes

__all__ = ["Codebook", "MotionVqVae"]


class _Residual(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.wide = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.point = nn.Conv1d(width, width, 1)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        return (states + self.point(F.relu(self.wide(F.relu(states)) * mask))) * mask


class Codebook(nn.Module):
    """Nearest-code quantisation, the codes moving averages of what falls to them; unused codes start anew."""

    codes: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, codes: int, width: int, *, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("codes", torch.randn(codes, width))
        self.register_buffer("counts", torch.ones(codes), persistent=False)
        self.register_buffer("sums", torch.zeros(codes, width), persistent=False)

    def nearest(self, states: Tensor) -> Tensor:
        """(..., D) to the numbers (...) of the nearest codes."""
        flat = states.reshape(-1, states.shape[-1]).float()
        codes = self.codes.float()
        distance = codes.square().sum(-1) - 2 * flat @ codes.T
        return distance.argmin(-1).view(states.shape[:-1])

    @torch.no_grad()
    def update(self, states: Tensor, chosen: Tensor, *, least: float = 1.0) -> None:
        """Move the codes towards the (M, D) states that chose them; a code chosen less than ``least`` starts anew."""
        states = states.float()
        count = torch.zeros_like(self.counts).index_add_(0, chosen, torch.ones_like(chosen, dtype=torch.float32))
        total = torch.zeros_like(self.sums).index_add_(0, chosen, states)
        self.counts.mul_(self.decay).add_(count, alpha=1 - self.decay)
        self.sums.mul_(self.decay).add_(total, alpha=1 - self.decay)
        fresh = states[torch.randint(len(states), (len(self.codes),), device=states.device)]
        used = (self.counts >= least)[:, None]
        self.codes.copy_(torch.where(used, self.sums / self.counts.clamp(min=1e-5)[:, None], fresh))
        self.sums.copy_(torch.where(used, self.sums, fresh * least))
        self.counts.clamp_(min=least)


class MotionVqVae(nn.Module):
    """Encoder, codebook and decoder over normalised features."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.width
        self.enter = nn.Conv1d(sizes.features, width, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv1d(width, width, 4, stride=2, padding=1) for _ in range(2))
        self.down_blocks = nn.ModuleList(nn.ModuleList(_Residual(width, d) for d in (3, 1)) for _ in range(2))
        self.to_code = nn.Conv1d(width, width, 3, padding=1)
        self.codebook = Codebook(sizes.codes, width)
        self.from_code = nn.Conv1d(width, width, 3, padding=1)
        self.up_blocks = nn.ModuleList(nn.ModuleList(_Residual(width, d) for d in (3, 1)) for _ in range(2))
        self.up = nn.ModuleList(nn.Conv1d(width, width, 3, padding=1) for _ in range(2))
        self.last = nn.Conv1d(width, width, 3, padding=1)
        self.leave = nn.Conv1d(width, sizes.features, 3, padding=1)

    def encode(self, features: Tensor, mask: Tensor) -> Tensor:
        """(N, T, F) normalised features and (N, T) mask, T a multiple of 4, to states (N, L, D).

        What lies behind a motion's end never reaches it: every layer's output is masked, so that a motion gets the
        same states alone and in a batch of longer ones.
        """
        keep = mask[:, None].to(features.dtype)
        states = F.relu(self.enter(features.transpose(1, 2) * keep)) * keep
        for shrink, blocks in zip(self.down, self.down_blocks, strict=True):
            keep = keep[:, :, ::2]
            states = shrink(states) * keep
            for block in blocks:
                states = block(states, keep)
        return (self.to_code(states) * keep).transpose(1, 2)

    def decode(self, states: Tensor, mask: Tensor) -> Tensor:
        """(N, L, D) codes or states, and (N, L) mask, to (N, 4 L, F) normalised features."""
        keep = mask[:, None].to(states.dtype)
        hidden = F.relu(self.from_code(states.transpose(1, 2) * keep)) * keep
        for blocks, grow in zip(self.up_blocks, self.up, strict=True):
            for block in blocks:
                hidden = block(hidden, keep)
            keep = keep.repeat_interleave(2, -1)
            hidden = grow(hidden.repeat_interleave(2, -1)) * keep
        hidden = F.relu(self.last(hidden)) * keep
        return (self.leave(hidden) * keep).transpose(1, 2)

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction (N, T, F), commitment loss, and chosen codes (N, L); straight-through gradients."""
        states = self.encode(features, mask)
        keep = mask[:, ::4]
        chosen = self.codebook.nearest(states)
        codes = self.codebook.codes[chosen].to(states.dtype)
        commitment = F.mse_loss(states[keep], codes[keep])
        if self.training:
            self.codebook.update(states[keep].detach(), chosen[keep])
        return self.decode(states + (codes - states).detach(), keep), commitment, chosen
