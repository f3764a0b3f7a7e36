"""Masked-token generation (LaMP, section 3.3; after MaskGIT and MoMask), conditioned on LaMP's text embedding.

N motions, L codes, D width, C codes of the codebook.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkit_motion.model.attention import Attention, FeedForward, sinusoids
from mmkit_motion.model.sizes import Sizes

__all__ = ["MaskedGenerator", "corrupt", "mask_share"]


def mask_share(progress: Tensor | float) -> Tensor:
    """cos(pi u / 2): the share of codes masked at progress u from 0 to 1."""
    return torch.cos(torch.as_tensor(progress) * math.pi / 2)


def corrupt(
    codes: Tensor, mask: Tensor, *, codebook: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """BERT-style corruption: of a cosine share of places 10 % become random codes, 88 % of the rest the mask code.

    Args:
        codes: (N, L) true codes.
        mask: (N, L), true within the motion.

    Returns:
        Corrupted codes (N, L), and (N, L) true where the loss is taken. The mask code is number C.
    """
    device = codes.device

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, device=device, generator=generator)

    lengths = mask.sum(1)
    wanted = (lengths * mask_share(draw(len(codes)))).round().clamp(min=1)
    order = draw(*codes.shape).masked_fill(~mask, 2.0).argsort(1).argsort(1)
    chosen = (order < wanted[:, None]) & mask
    kind = draw(*codes.shape)
    randoms = torch.randint(codebook, codes.shape, device=device, generator=generator)
    noisy = torch.where(chosen & (kind < 0.1), randoms, codes)
    return torch.where(chosen & (kind >= 0.1) & (kind < 0.1 + 0.9 * 0.88), codebook, noisy), chosen


class _Block(nn.Module):
    def __init__(self, sizes: Sizes, dropout: float) -> None:
        super().__init__()
        self.own_norm, self.own = nn.LayerNorm(sizes.width), Attention(sizes.width, sizes.heads, dropout=dropout)
        self.net_norm, self.net = nn.LayerNorm(sizes.width), FeedForward(sizes.width, dropout=dropout)
        self.drop = nn.Dropout(dropout)

    def forward(self, states: Tensor, attend: Tensor) -> Tensor:
        normed = self.own_norm(states)
        states = states + self.drop(self.own(normed, normed, attend))
        return states + self.drop(self.net(self.net_norm(states)))


class MaskedGenerator(nn.Module):
    """Predicts every masked code from those that stand, the length and a condition."""

    positions: Tensor

    def __init__(self, sizes: Sizes, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.sizes = sizes
        self.codes = nn.Embedding(sizes.codes + 1, sizes.width)
        self.condition_in = nn.Linear(sizes.width, sizes.width)
        self.without = nn.Parameter(torch.zeros(sizes.width))
        self.layers = nn.ModuleList(_Block(sizes, dropout) for _ in range(sizes.generator_layers))
        self.norm, self.out = nn.LayerNorm(sizes.width), nn.Linear(sizes.width, sizes.codes)
        self.register_buffer("positions", sinusoids(sizes.queries + 1, sizes.width), persistent=False)

    def forward(self, codes: Tensor, mask: Tensor, condition: Tensor, given: Tensor | None = None) -> Tensor:
        """(N, L, C) logits.

        Args:
            codes: (N, L), with C where masked.
            mask: (N, L), true within the motion.
            condition: (N, D) text embeddings.
            given: (N,), false where the condition is withheld; all given if left out.
        """
        first = self.condition_in(condition)
        if given is not None:
            first = torch.where(given[:, None], first, self.without.to(first.dtype))
        states = torch.cat([first[:, None], self.codes(codes)], 1) + self.positions[: codes.shape[1] + 1]
        attend = F.pad(mask, (1, 0), value=True)[:, None, None]
        for layer in self.layers:
            states = layer(states, attend)
        return self.out(self.norm(states[:, 1:]))

    @torch.no_grad()
    def sample(
        self,
        condition: Tensor,
        lengths: Tensor,
        *,
        guidance: float = 4.0,
        steps: int = 10,
        temperature: float = 1.0,
        keep_best: float = 0.9,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Codes (N, L) drawn in ``steps`` rounds, each re-masking the least confident; 0 behind a motion's end.

        Args:
            condition: (N, D).
            lengths: (N,) codes of each motion.
            guidance: w of classifier-free guidance: w * given - (w - 1) * withheld.
            temperature: of the drawing; 0 takes the most probable code.
            keep_best: share of the most probable codes that are kept in the draw.
        """
        device, count, longest = condition.device, len(condition), int(lengths.max())
        mask = torch.arange(longest, device=device) < lengths[:, None]
        codes = torch.full((count, longest), self.sizes.codes, device=device)
        fixed = torch.full((count, longest), -1.0, device=device)
        given = torch.cat([torch.ones(count, dtype=torch.bool), torch.zeros(count, dtype=torch.bool)]).to(device)
        for step in range(steps):
            unknown = codes == self.sizes.codes
            both = self(codes.repeat(2, 1), mask.repeat(2, 1), condition.repeat(2, 1), given).float()
            with_text, without = both.chunk(2)
            logits = without + guidance * (with_text - without)
            logits = logits.masked_fill(_unlikely(logits, keep_best), -torch.inf)
            if temperature > 0:
                noise = torch.rand(logits.shape, device=device, generator=generator).clamp(1e-9, 1 - 1e-9)
                drawn = (logits / temperature - (-noise.log()).log()).argmax(-1)
            else:
                drawn = logits.argmax(-1)
            sure = logits.softmax(-1).gather(-1, drawn[..., None])[..., 0]
            codes = torch.where(unknown & mask, drawn, codes)
            fixed = torch.where(unknown, sure, torch.inf).masked_fill(~mask, torch.inf)
            again = (lengths * mask_share((step + 1) / steps).to(device)).floor().long()
            order = fixed.argsort(1).argsort(1)
            codes = torch.where((order < again[:, None]) & mask & unknown, self.sizes.codes, codes)
        return codes.masked_fill(~mask, 0)


def _unlikely(logits: Tensor, keep: float) -> Tensor:
    """True for all but the ``1 - keep`` share of codes with the highest logits."""
    wanted = max(1, math.ceil((1 - keep) * logits.shape[-1]))
    return logits < logits.topk(wanted, -1).values[..., -1:]
