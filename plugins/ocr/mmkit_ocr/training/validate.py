"""How well a network reads crops with known words, by way of decoding.

Legend: N crops.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmkit_ocr.evaluate import folded
from mmkit_ocr.recogniser.charset import to_text
from mmkit_ocr.recogniser.decoding import ctc_draft, read_forward, refine
from mmkit_ocr.recogniser.network import Network

__all__ = ["validate"]


@torch.no_grad()
def validate(network: Network, pictures: Tensor, texts: Sequence[str], *, batch: int = 2048) -> dict[str, float]:
    """Word accuracy over 36 characters of the draft, the refined draft, the forward reading and the refined one.

    Args:
        pictures: (N, 48, W, 3) uint8, or (N, 3, 48, W) in [0, 1].
    """
    was_training = network.training
    network.eval()
    device = next(network.parameters()).device
    read: dict[str, list[str]] = {"draft": [], "nar": [], "ar": [], "ar+refine": []}
    for first in range(0, len(texts), batch):
        part = pictures[first : first + batch].to(device)
        if part.dtype == torch.uint8:
            part = part.permute(0, 3, 1, 2).float() / 255
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            seen = network(part)
            draft, _ = ctc_draft(seen.draft.float())
            forward = read_forward(network.decoder, seen.memory).argmax(-1)
            again = refine(network.decoder, seen.memory, forward).argmax(-1)
            nar = refine(network.decoder, seen.memory, draft).argmax(-1)
        for name, numbers in (("draft", draft), ("nar", nar), ("ar", forward), ("ar+refine", again)):
            read[name] += [to_text(row) for row in numbers.tolist()]
    network.train(was_training)
    wanted = [folded(text) for text in texts]
    return {
        name: sum(folded(own) == word for own, word in zip(words, wanted, strict=True)) / max(1, len(texts))
        for name, words in read.items()
    }
