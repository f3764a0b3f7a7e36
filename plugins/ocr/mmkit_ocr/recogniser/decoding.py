"""From what was seen to characters: autoregressive reading, CTC drafts, refinement, and likelihoods of given words.

Legend: N crops, L = 26 slots, M memory states, D dims, C = 95 classes, T columns.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mmkit_ocr.recogniser.charset import BOS, EOS, MAX_LENGTH, PAD, SLOTS
from mmkit_ocr.recogniser.decoder import Decoder, cloze_mask, forward_mask

__all__ = ["ctc_draft", "other_case", "read_forward", "refine", "word_likelihoods"]


def read_forward(decoder: Decoder, memory: Tensor) -> Tensor:
    """Logits (N, L, C) of greedy autoregressive reading; keys and values are kept, so each step costs one query."""
    n = memory.shape[0]
    remembered = decoder.cross_attention.keys_values(memory)
    latest = torch.full((n, 1), BOS, device=memory.device)
    kept = decoder.self_attention.keys_values(decoder.content(latest))
    ended = torch.zeros(n, dtype=torch.bool, device=memory.device)
    logits = []
    for slot in range(SLOTS):
        queries = decoder.positions[:, slot : slot + 1].expand(n, -1, -1)
        logits.append(decoder.step(queries, kept, remembered, None))
        latest = logits[-1].argmax(-1)
        ended |= latest[:, 0] == EOS
        if ended.all():
            break
        more = decoder.self_attention.keys_values(decoder.content(latest, slot + 1))
        kept = torch.cat([kept[0], more[0]], 2), torch.cat([kept[1], more[1]], 2)
    read = torch.cat(logits, 1)
    return F.pad(read, (0, 0, 0, SLOTS - read.shape[1]))


def ctc_draft(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Greedy CTC: (N, T, 1 + 94) logits -> (N, L) numbers and (N, L) confidences (1 where PAD stands)."""
    confidence, best = logits.softmax(-1).max(-1)
    fresh = torch.ones_like(best, dtype=torch.bool)
    fresh[:, 1:] = best[:, 1:] != best[:, :-1]
    taken = fresh & (best > 0)
    place = taken.cumsum(1) - 1
    taken &= place < MAX_LENGTH
    n = best.shape[0]
    # One slot more than needed takes what is not kept, and is cut off again.
    place = torch.where(taken, place, SLOTS)
    numbers = torch.full((n, SLOTS + 1), PAD, device=logits.device)
    numbers.scatter_(1, place, best - 1)
    sure = torch.ones(n, SLOTS + 1, device=logits.device, dtype=confidence.dtype)
    sure.scatter_(1, place, confidence)
    numbers = numbers[:, :SLOTS]
    length = taken.sum(1, keepdim=True)
    return numbers.scatter(1, length, EOS), sure[:, :SLOTS].scatter(1, length, 1.0)


def refine(decoder: Decoder, memory: Tensor, numbers: Tensor) -> Tensor:
    """Logits (N, L, C) with every character of a draft (N, L) seen but the slot's own."""
    mask = cloze_mask().to(memory.device)[None]
    return decoder(memory, numbers, mask)[:, 0]


def word_likelihoods(decoder: Decoder, memory: Tensor, numbers: Tensor) -> Tensor:
    """The log-likelihood of each of K words under each crop, reading forwards; a letter counts in either case.

    Args:
        memory: (N, M, D).
        numbers: (N, K, L), spelt as the decoder is to see them; L may be cut to the longest word and its EOS.

    Returns:
        (N, K) natural logarithms.
    """
    n, k, slots = numbers.shape
    keys, values = (part.repeat_interleave(k, 0) for part in decoder.cross_attention.keys_values(memory))
    flat = numbers.reshape(n * k, slots)
    mask = forward_mask()[:slots, :slots].to(memory.device)[None]
    logs = decoder((keys, values), flat, mask)[:, 0].float().log_softmax(-1)
    wanted = flat.clamp_max(EOS)
    own = logs.gather(2, wanted[..., None])[..., 0]
    other = logs.gather(2, other_case(wanted)[..., None])[..., 0]
    either = torch.where(other_case(wanted) == wanted, own, torch.logaddexp(own, other))
    return (either * (flat != PAD)).sum(1).view(n, k)


def other_case(numbers: Tensor) -> Tensor:
    """Numbers of letters in the other case; all others stay."""
    capital = (numbers >= ord("A") - 33) & (numbers <= ord("Z") - 33)
    small = (numbers >= ord("a") - 33) & (numbers <= ord("z") - 33)
    return numbers + 32 * capital - 32 * small
