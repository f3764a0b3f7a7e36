"""The convolutional half of PP-OCRv6's small recogniser, as plain torch modules.

The published network (PaddleOCR, Apache-2.0; ``rapidocr`` bundles it as ONNX) is a fused convolution net, a neck of
two narrow transformer blocks and a CTC classifier over 18,710 characters. ``load_ppocr`` reads its initialisers, so
training starts from a reader that works; of the classifier only the rows of the printable ASCII characters are kept.

Legend: N crops, H = 48 and W pixels, T = W / 8 time steps, C classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmkit_ocr.recogniser.charset import CHARACTERS

if TYPE_CHECKING:
    import numpy as np

__all__ = ["BACKBONE_DIM", "NECK_DIM", "Backbone", "Neck", "load_ppocr"]

BACKBONE_DIM: Final = 384
NECK_DIM: Final = 120

#: (channels, squeeze-and-excitation in each block); between the stages height is halved and channels are doubled.
_STAGES: Final = (
    (96, (True, False, False)),
    (192, (True, False, True, False, True, False)),
    (384, (True, False)),
)


class _SqueezeExcite(nn.Module):
    """Rescales channels by their global means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // 4, 1)
        self.expand = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True))))
        return x * F.hardsigmoid(gate)


class _Block(nn.Module):
    """Depthwise 3x3, optional squeeze-and-excitation, pointwise MLP; residual where the shape stays."""

    def __init__(self, channels: int, out: int, *, squeeze: bool) -> None:
        super().__init__()
        down = channels != out
        self.residual = not down
        stride = (2, 1) if down else 1
        self.depthwise = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels)
        self.squeeze = _SqueezeExcite(channels) if squeeze else nn.Identity()
        self.widen = nn.Conv2d(channels, 2 * channels, 1)
        self.narrow = nn.Conv2d(2 * channels, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(self.depthwise(x))
        mixed = self.narrow(F.gelu(self.widen(x)))
        return x + mixed if self.residual else mixed


class Backbone(nn.Module):
    """(N, 3, 48, W) in BGR and [-1, 1] -> (N, 384, 3, W / 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.ModuleList(
            [
                nn.Conv2d(3, 48, 3, stride=2, padding=1),
                nn.Conv2d(48, 24, 2),
                nn.Conv2d(24, 48, 2),
                nn.Conv2d(96, 48, 3, stride=2, padding=1),
                nn.Conv2d(48, 96, 1),
            ]
        )
        blocks: list[nn.Module] = []
        for number, (channels, squeezes) in enumerate(_STAGES):
            if number:
                blocks.append(_Block(channels // 2, channels, squeeze=False))
            blocks += [_Block(channels, channels, squeeze=squeeze) for squeeze in squeezes]
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem[0](x))
        # The published 2x2 windows are padded on the right and below only.
        fine = F.relu(self.stem[1](F.pad(x, (0, 1, 0, 1))))
        fine = F.relu(self.stem[2](F.pad(fine, (0, 1, 0, 1))))
        # After a ReLU a zero never wins over a pixel, so zero padding equals the maximum over what is there.
        pooled = F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 2, stride=1)
        x = F.relu(self.stem[3](torch.cat([pooled, fine], 1)))
        return self.blocks(F.relu(self.stem[4](x)))


class _NeckBlock(nn.Module):
    """A pre-norm transformer block of width 120 with 8 heads."""

    def __init__(self, dim: int = NECK_DIM, heads: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, 2 * dim)
        self.narrow = nn.Linear(2 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        n, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, d)
        x = x + self.out(mixed)
        return x + self.narrow(F.silu(self.widen(self.norm2(x))))


class Neck(nn.Module):
    """(N, 384, 3, W / 4) -> (N, T, 120): one vector a column pair."""

    def __init__(self) -> None:
        super().__init__()
        self.skip = nn.Conv2d(BACKBONE_DIM, NECK_DIM, 1)
        self.enter = nn.Conv2d(BACKBONE_DIM, NECK_DIM, 1)
        self.local = nn.Conv2d(NECK_DIM, NECK_DIM, (1, 7), padding=(0, 3), groups=NECK_DIM)
        self.blocks = nn.ModuleList([_NeckBlock(), _NeckBlock()])
        self.norm = nn.LayerNorm(NECK_DIM)

    def forward(self, features: Tensor) -> Tensor:
        x = F.avg_pool2d(features, (3, 2))
        skip = F.silu(self.skip(x))
        x = F.silu(self.enter(x))
        x = x + F.silu(self.local(x))
        tokens = x.flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens) + skip.flatten(2).transpose(1, 2)


def load_ppocr(path: str | Path) -> tuple[Backbone, Neck, nn.Linear]:
    """The published weights: backbone, neck and a classifier (C = blank + the printable ASCII characters).

    Raises:
        ValueError: the file holds another network.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    arrays = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type != "Identity"]
    backbone, neck = Backbone().eval(), Neck().eval()
    published = [node for node in nodes if node.op_type == "Conv"]
    own = [module for part in (backbone, neck) for module in part.modules() if isinstance(module, nn.Conv2d)]
    if len(own) != len(published):
        raise ValueError(f"Expected the {len(own)} convolutions of PP-OCRv6 small, but found {len(published)}")
    follower = {name: node for node in nodes for name in node.input}
    with torch.no_grad():
        for module, node in zip(own, published, strict=True):
            weight, bias = _fused(arrays[node.input[1]], follower[node.output[0]], arrays)
            module.weight.copy_(torch.from_numpy(weight))
            module.bias.copy_(torch.from_numpy(bias))
        _load_neck_linears(neck, nodes, arrays)
    names = {item.key: item.value for item in model.metadata_props}["character"].splitlines()
    rows = [0, *(1 + names.index(character) for character in CHARACTERS)]
    head = nn.Linear(NECK_DIM, len(rows))
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(arrays["linear_8.w_0"].T[rows].copy()))
        head.bias.copy_(torch.from_numpy(arrays["linear_8.b_0"][rows].copy()))
    return backbone, neck, head


def _fused(weight: np.ndarray, after: object, arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A convolution with the bias, or the batch normalisation, that follows it."""
    if after.op_type == "Add":  # type: ignore[attr-defined]
        bias = next(arrays[name] for name in after.input if name in arrays)  # type: ignore[attr-defined]
        return weight.copy(), bias.reshape(-1).copy()
    scale, shift, mean, variance = (arrays[name] for name in after.input[1:5])  # type: ignore[attr-defined]
    gain = scale / (variance + 1e-5) ** 0.5
    return weight * gain[:, None, None, None], shift - mean * gain


def _load_neck_linears(neck: Neck, nodes: list[object], arrays: dict[str, np.ndarray]) -> None:
    """Linears by number; of a layer norm the gain is a Mul and the shift the Add after it."""
    for number, block in enumerate(neck.blocks):
        for place, module in enumerate((block.qkv, block.out, block.widen, block.narrow)):
            name = f"linear_{4 * number + place}"
            module.weight.copy_(torch.from_numpy(arrays[f"{name}.w_0"].T.copy()))
            module.bias.copy_(torch.from_numpy(arrays[f"{name}.b_0"].copy()))
    norms = [norm for block in neck.blocks for norm in (block.norm1, block.norm2)] + [neck.norm]
    for number, norm in enumerate(norms):
        norm.weight.copy_(torch.from_numpy(arrays[f"helper.reshape.{2 * number}"].copy()))
        norm.bias.copy_(torch.from_numpy(arrays[f"helper.reshape.{2 * number + 1}"].copy()))
