"""The three stages: the tower learns the space, the decoder learns to caption from it, everything learns to translate.

N pairs of a batch, S and T places of source and target, P places of the prefix, D dims, T* texts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmkit_translate.model.network import Network
from mmkit_translate.training.batches import Batches, Padded, caption_pairs, padded, parallel_pairs
from mmkit_translate.training.fit import Stage
from mmkit_translate.training.losses import distance, smoothed_cross_entropy
from mmkit_translate.training.packed import HELD_OUT, Packed

__all__ = ["Recipe", "caption_stage", "text_vectors", "tower_stage", "translation_stage"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a person may choose about the training.

    Attributes:
        pieces: places of a batch, padding included.
        peak: the highest learning rate of the translator; the tower's is the same.
        cross: how often a pair without English is in an epoch; pairs with English always are.
        no_prefix: the part of sentences whose prefix is zero in the last stage.
        smoothing: of the labels.
        seed: of every random choice.
    """

    pieces: int = 2048
    peak: float = 2e-3
    cross: float = 0.2
    no_prefix: float = 0.2
    smoothing: float = 0.1
    seed: int = 0


def tower_stage(network: Network, packed: Packed, pad: int, recipe: Recipe) -> Stage:
    """Teacher learning (M-CLIP, Carlsson et al. 2022): a text of any language to the vector of its English."""
    texts = caption_free(packed)
    batches = Batches(packed, texts, texts, keep=torch.ones(len(texts)), pieces=recipe.pieces, seed=recipe.seed)
    held_out = (packed.role == HELD_OUT).nonzero().flatten()

    def loss(sources: Tensor, _: Tensor) -> Tensor:
        read = padded(packed, sources, pad=pad, eos=network.eos)
        return distance(network.tower(read.ids, read.mask), _of_units(packed.text_vectors, packed, sources))

    def score() -> float:
        with torch.inference_mode():
            wanted = _of_units(packed.text_vectors, packed, held_out)
            return 100.0 - 100.0 * float(distance(text_vectors(network, packed, held_out, pad).to(wanted), wanted))

    return Stage("tower", list(network.tower.parameters()), batches, loss, recipe.peak, score)


def caption_stage(network: Network, packed: Packed, pad: int, recipe: Recipe) -> Stage:
    """CLIPTrans's first stage: the caption in each language from the picture's vector; the source says nothing."""
    texts = caption_pairs(packed)
    # Other captions of a picture are many and all in two languages: translations come every time, these in turns.
    keep = torch.where(packed.role[texts] == 0, 1.0, 0.25)
    batches = Batches(packed, texts, texts, keep=keep, pieces=recipe.pieces, seed=recipe.seed + 1)

    def loss(_: Tensor, targets: Tensor) -> Tensor:
        nothing = torch.full((len(targets), 1), network.eos, device=targets.device)
        with torch.no_grad():  # as there, the encoder is frozen: it has nothing to learn from no source
            memory = network.read(nothing, torch.ones_like(nothing, dtype=torch.bool))
        source = Padded(memory, torch.ones_like(nothing, dtype=torch.bool))
        vectors = _of_units(packed.vectors, packed, targets)
        return _writing_loss(network, packed, source, vectors, targets, pad, recipe)

    parameters: list[nn.Parameter] = [*network.decoder.parameters(), *network.prefix.parameters()]
    return Stage("captions", parameters, batches, loss, recipe.peak)


def translation_stage(network: Network, packed: Packed, pad: int, recipe: Recipe, *, vectors: Tensor) -> Stage:
    """CLIPTrans's second stage: translation, the prefix from the source text's own vector.

    Args:
        vectors: (T*, D) of every text, by the tower, which is frozen now.
    """
    sources, targets = parallel_pairs(packed)
    english = (packed.language[sources] == 0) | (packed.language[targets] == 0)
    keep = torch.where(english, 1.0, recipe.cross)
    batches = Batches(packed, sources, targets, keep=keep, pieces=recipe.pieces, seed=recipe.seed + 2)

    def loss(sources: Tensor, targets: Tensor) -> Tensor:
        read = padded(packed, sources, pad=pad, eos=network.eos)
        source = Padded(network.read(read.ids, read.mask), read.mask)
        known = torch.rand(len(sources), 1, device=sources.device) >= recipe.no_prefix
        return _writing_loss(network, packed, source, vectors[sources].float() * known, targets, pad, recipe)

    trained = [network.encoder, network.decoder, network.prefix]
    parameters = [value for part in trained for value in part.parameters()]
    return Stage("translation", parameters, batches, loss, recipe.peak)


def caption_free(packed: Packed) -> Tensor:
    """The training texts whose unit's vector is that of their own meaning: translations, no further captions."""
    return ((packed.role == 0) & (packed.lengths <= 100)).nonzero().flatten()


@torch.no_grad()
def text_vectors(network: Network, packed: Packed, texts: Tensor, pad: int, *, at_once: int = 512) -> Tensor:
    """(N, D) half precision: the tower's vectors of ``texts`` (N,), in their order."""
    network.tower.eval()
    vectors = torch.zeros(len(texts), network.sizes.space, dtype=torch.float16, device=texts.device)
    order = packed.lengths[texts].argsort()
    for chosen in order.split(at_once):
        read = padded(packed, texts[chosen], pad=pad, eos=network.eos)
        vectors[chosen] = network.tower(read.ids, read.mask).half()
    return vectors


def _of_units(vectors: Tensor, packed: Packed, texts: Tensor) -> Tensor:
    return vectors[packed.unit[texts].long()].float()


def _writing_loss(
    network: Network, packed: Packed, source: Padded, vectors: Tensor, targets: Tensor, pad: int, recipe: Recipe
) -> Tensor:
    """Of the targets (N,) after ``[</s>, p_1 .. p_P, <language>]``; no loss on the prompt's own places.

    ``source.ids`` holds the states (N, S, W) that the decoder attends to.
    """
    written = padded(packed, targets, pad=pad, eos=network.eos)
    prompt = network.prompt(vectors, packed.language[targets].long())
    inputs = torch.cat([prompt, network.decoder.embed(written.ids[:, :-1])], dim=1)
    states = network.decoder(inputs, source.ids, source.mask)[:, prompt.shape[1] - 1 :]
    logits = network.decoder.logits(states[written.mask])
    return smoothed_cross_entropy(logits, written.ids[written.mask], smoothing=recipe.smoothing)
