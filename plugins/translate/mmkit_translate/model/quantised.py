"""Weights of 8 bits on a CPU: linear layers and the output layer, by torch's dynamic quantisation."""

from __future__ import annotations

import warnings
from copy import deepcopy

from torch import Tensor, nn

from mmkit.errors import UsageError
from mmkit.generation.transformer import TextDecoder
from mmkit_translate.model.network import Network

__all__ = ["quantised"]


def quantised(network: Network) -> Network:
    """A copy whose matrices are int8 with a scale a row; activations are rounded as they come.

    Raises:
        UsageError: the network is not on a CPU.
    """
    import torch
    from torch.ao.quantization import quantize_dynamic

    if network.languages.device.type != "cpu":
        raise UsageError("8-bit weights run on a CPU only", where="--int8", mend="give --device cpu")
    copy = deepcopy(network).float()
    output = nn.Linear(copy.sizes.text.width, copy.sizes.text.vocabulary, bias=False)
    output.weight.data.copy_(copy.decoder.tokens.weight)
    with warnings.catch_warnings():
        # It says that it will move to another package.
        warnings.simplefilter("ignore")
        copy.encoder = quantize_dynamic(copy.encoder, {nn.Linear}, dtype=torch.qint8)
        layers = quantize_dynamic(copy.decoder.layers, {nn.Linear}, dtype=torch.qint8)
        output = quantize_dynamic(nn.Sequential(output), {nn.Linear}, dtype=torch.qint8)
    copy.decoder.layers = layers
    copy.decoder = _with_output(copy.decoder, output)
    return copy


def _with_output(decoder: TextDecoder, output: nn.Module) -> TextDecoder:
    class QuantisedDecoder(TextDecoder):
        def logits(self, states: Tensor) -> Tensor:
            scores: Tensor = self.output(states)
            return scores

    decoder.__class__ = QuantisedDecoder
    decoder.output = output
    return decoder
