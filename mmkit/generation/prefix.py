"""A vector as the first places of a decoder's input.

N vectors, D dims, P places of the prefix, W width of the decoder.
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["PrefixMapper"]


class PrefixMapper(nn.Module):
    """(N, D) to (N, P, W).

    Without ``hidden``: one linear layer and PReLU, as CLIPTrans (Yang, Fang and Khashabi 2023, section 3.2). With it:
    linear, tanh, linear, as ClipCap and CgT-GAN (Yu et al. 2023, section 3.1), which take ``hidden = P * W / 2``.

    Args:
        dim: D.
        width: W.
        length: P.
        hidden: width of the hidden layer.
    """

    def __init__(self, dim: int, width: int, length: int = 10, *, hidden: int | None = None) -> None:
        super().__init__()
        if min(dim, width, length) < 1 or (hidden is not None and hidden < 1):
            raise ValueError(f"Expected sizes of at least 1, but received {(dim, width, length, hidden)}")
        self.dim, self.width, self.length = dim, width, length
        self.layers: nn.Sequential
        if hidden is None:
            self.layers = nn.Sequential(nn.Linear(dim, length * width), nn.PReLU())
        else:
            self.layers = nn.Sequential(nn.Linear(dim, hidden), nn.Tanh(), nn.Linear(hidden, length * width))

    def forward(self, vectors: Tensor) -> Tensor:
        """The prefix (N, P, W) of vectors (N, D)."""
        prefix: Tensor = self.layers(vectors)
        return prefix.view(-1, self.length, self.width)
