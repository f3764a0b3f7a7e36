"""The picture tower: EfficientNet-Lite with its batch norms folded into the convolutions.

Architecture: Tan and Le, "EfficientNet" (2019), table 1, in the Lite variant (no squeeze-and-excitation,
ReLU6 instead of swish, stem and head of fixed width). N pictures, H height, W width, C channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["VARIANTS", "EfficientNetLite", "TowerFeatures", "Variant"]


@dataclass(frozen=True, slots=True)
class Variant:
    """Width and depth multipliers and the picture size a variant was pre-trained at."""

    width: float
    depth: float
    size: int


class _Stage(NamedTuple):
    expand: int
    kernel: int
    stride: int
    channels: int
    repeats: int


VARIANTS: Final = {
    "lite0": Variant(1.0, 1.0, 224),
    "lite1": Variant(1.0, 1.1, 240),
    "lite2": Variant(1.1, 1.2, 260),
}

_STAGES: Final = (
    _Stage(1, 3, 1, 16, 1),
    _Stage(6, 3, 2, 24, 2),
    _Stage(6, 5, 2, 40, 2),
    _Stage(6, 3, 2, 80, 3),
    _Stage(6, 5, 1, 112, 3),
    _Stage(6, 5, 2, 192, 4),
    _Stage(6, 3, 1, 320, 1),
)
_STEM_CHANNELS: Final = 32
_HEAD_CHANNELS: Final = 1280
# Stage 5 (index 4) ends at stride 16: the last map before the final reduction.
_MIDDLE_STAGE: Final = 4


class TowerFeatures(NamedTuple):
    """What the tower hands to the projectors.

    pooled: (N, 1280) mean of the head map. last: (N, C, H/32, W/32) the last block.
    middle: (N, M, H/16, W/16) the last block at stride 16.
    """

    pooled: Tensor
    last: Tensor
    middle: Tensor


def _round_channels(channels: int, width: float, divisor: int = 8) -> int:
    """Scale a channel count and round it to a multiple of `divisor`, never losing more than 10 %."""
    scaled = channels * width
    rounded = max(divisor, int(scaled + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * scaled else rounded


class _SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding, which pads more at the right and bottom."""

    def forward(self, inputs: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            return F.conv2d(inputs, self.weight, self.bias, 1, kernel // 2, 1, self.groups)
        height, width = inputs.shape[-2:]
        pad_h = max((math.ceil(height / stride) - 1) * stride + kernel - height, 0)
        pad_w = max((math.ceil(width / stride) - 1) * stride + kernel - width, 0)
        padded = F.pad(inputs, (pad_w // 2, pad_w - pad_w // 2, pad_h // 2, pad_h - pad_h // 2))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, 1, self.groups)


class _InvertedResidual(nn.Module):
    """Expand, filter each channel, project; add the input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, *, expand: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = inputs * expand
        self.expand = nn.Conv2d(inputs, inner, 1) if expand != 1 else None
        self.depthwise = _SameConv2d(inner, inner, kernel, stride, groups=inner)
        self.project = nn.Conv2d(inner, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = inputs if self.expand is None else F.relu6(self.expand(inputs))
        hidden = F.relu6(self.depthwise(hidden))
        hidden = self.project(hidden)
        return inputs + hidden if self.residual else hidden


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite without its classifier.

    `last_channels` and `middle_channels` are the widths of `TowerFeatures.last` and `.middle`.
    """

    pooled_channels: Final[int] = _HEAD_CHANNELS

    def __init__(self, variant: str = "lite2") -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"Expected a variant of {sorted(VARIANTS)}, but received {variant!r}.")
        multipliers = VARIANTS[variant]
        self.stem = _SameConv2d(3, _STEM_CHANNELS, 3, 2)
        blocks: list[_InvertedResidual] = []
        inputs = _STEM_CHANNELS
        for index, stage in enumerate(_STAGES):
            outputs = _round_channels(stage.channels, multipliers.width)
            # The Lite variants keep the depth of the first and the last stage.
            fixed = index in (0, len(_STAGES) - 1)
            repeats = stage.repeats if fixed else math.ceil(stage.repeats * multipliers.depth)
            for repeat in range(repeats):
                stride = stage.stride if repeat == 0 else 1
                blocks.append(
                    _InvertedResidual(inputs, outputs, expand=stage.expand, kernel=stage.kernel, stride=stride)
                )
                inputs = outputs
            if index == _MIDDLE_STAGE:
                self._middle_block = len(blocks) - 1
                self.middle_channels = outputs
        self.blocks = nn.ModuleList(blocks)
        self.last_channels = inputs
        self.head = nn.Conv2d(inputs, _HEAD_CHANNELS, 1)

    def forward(self, pixels: Tensor) -> TowerFeatures:
        """Features of (N, 3, H, W) pixels in the tower's normalisation, (byte - 127) / 128."""
        hidden = F.relu6(self.stem(pixels))
        middle = hidden
        for index, block in enumerate(self.blocks):
            hidden = block(hidden)
            if index == self._middle_block:
                middle = hidden
        pooled = F.relu6(self.head(hidden)).mean(dim=(2, 3))
        return TowerFeatures(pooled=pooled, last=hidden, middle=middle)
