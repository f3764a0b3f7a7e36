"""Weights of 8 bits on a CPU: the linear layers, by torch's dynamic quantisation."""

from __future__ import annotations

import warnings
from copy import deepcopy

from torch import nn

from mmkit.errors import UsageError
from mmkit_translate.model.network import Network

__all__ = ["quantised"]


def quantised(network: Network) -> Network:
    """A copy whose matrices are int8 with a scale a row; activations are rounded as they come.

    The output layer keeps its floats: rounded, it alone costs about 0.2 BLEU.

    Raises:
        UsageError: the network is not on a CPU.
    """
    from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

    if network.languages.device.type != "cpu":
        raise UsageError("8-bit weights run on a CPU only", where="--int8", mend="give --device cpu")
    copy = deepcopy(network).float()
    how = {nn.Linear: per_channel_dynamic_qconfig}
    with warnings.catch_warnings():
        # It says that it will move to another package.
        warnings.simplefilter("ignore")
        copy.encoder = quantize_dynamic(copy.encoder, how)
        copy.decoder.layers = quantize_dynamic(copy.decoder.layers, how)
    return copy
