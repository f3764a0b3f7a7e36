"""A transformer that reads and writes text, with a cache for writing.

Normalisation comes before each block, positions are sinusoids, and the embeddings serve as the output layer: the
structure of M2M-100 (Fan et al. 2020), so that weights can be compared with other implementations of it.

N sentences, B beams of a sentence, S source places, T target places, Q = B·T places of a sentence, W width, V pieces.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkit.generation.attention import Attention
from mmkit.generation.state import DecoderState

__all__ = ["TextDecoder", "TextEncoder", "TransformerSizes"]


@dataclass(frozen=True, slots=True)
class TransformerSizes:
    """The sizes of an encoder and a decoder that share a vocabulary.

    Attributes:
        vocabulary: V.
        width: W, a multiple of ``heads``.
        heads: attention heads.
        feedforward: width of the hidden layer of each block.
        encoder_layers, decoder_layers: 0 encoder layers for a decoder alone.
        dropout: of embeddings and of each block's output, while training.
    """

    vocabulary: int
    width: int = 256
    heads: int = 4
    feedforward: int = 1024
    encoder_layers: int = 0
    decoder_layers: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise ValueError(f"Expected a width that is a multiple of {2 * self.heads}, but received {self.width}")


class FeedForward(nn.Module):
    """(…, W) to (…, W) by one hidden layer with ReLU."""

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.inner = nn.Linear(sizes.width, sizes.feedforward)
        self.outer = nn.Linear(sizes.feedforward, sizes.width)

    def forward(self, states: Tensor) -> Tensor:
        outer: Tensor = self.outer(F.relu(self.inner(states)))
        return outer


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward layer, each on normalised states and added to them."""

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(sizes.width)
        self.attention = Attention(sizes.width, sizes.heads)
        self.feedforward_norm = nn.LayerNorm(sizes.width)
        self.feedforward = FeedForward(sizes)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        normed = self.attention_norm(states)
        states = states + self.dropout(self.attention(normed, self.attention.keys_values(normed), mask=mask[:, None]))
        step: Tensor = self.dropout(self.feedforward(self.feedforward_norm(states)))
        return states + step


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the source where there is one, and a feed-forward layer."""

    def __init__(self, sizes: TransformerSizes, *, cross_attention: bool) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(sizes.width)
        self.attention = Attention(sizes.width, sizes.heads)
        self.cross_norm = nn.LayerNorm(sizes.width) if cross_attention else None
        self.cross = Attention(sizes.width, sizes.heads) if cross_attention else None
        self.feedforward_norm = nn.LayerNorm(sizes.width)
        self.feedforward = FeedForward(sizes)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, states: Tensor, state: DecoderState, layer: int) -> Tensor:
        """States (N, Q, W) of a sentence's new places to the same; ``state`` says what each of them sees."""
        normed = self.attention_norm(states)
        keys_values = state.extend(layer, self.attention.keys_values(normed))
        causal = state.past is None and states.shape[1] > 1
        states = states + self.dropout(self.attention(normed, keys_values, mask=state.past, causal=causal))
        if self.cross is not None and self.cross_norm is not None:
            source = None if state.memory_mask is None else state.memory_mask[:, None]
            read = self.cross(self.cross_norm(states), state.cross[layer], mask=source)
            states = states + self.dropout(read)
        step: Tensor = self.dropout(self.feedforward(self.feedforward_norm(states)))
        return states + step


class TextEncoder(nn.Module):
    """Source embeddings (N, S, W) to states (N, S, W)."""

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(sizes) for _ in range(sizes.encoder_layers))
        self.norm = nn.LayerNorm(sizes.width)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """States of embeddings that carry no positions yet; ``mask`` (N, S) is True at real tokens."""
        states = self.dropout(embeddings + positions(0, embeddings.shape[1], embeddings))
        for layer in self.layers:
            states = layer(states, mask)
        normed: Tensor = self.norm(states)
        return normed


class TextDecoder(nn.Module):
    """Embeddings (N, T, W) of a prompt and of tokens to states, and states to scores of the next piece.

    Args:
        sizes: see there; the encoder's numbers do not matter.
        cross_attention: whether it reads the states of a source too.
    """

    def __init__(self, sizes: TransformerSizes, *, cross_attention: bool = True) -> None:
        super().__init__()
        self.sizes = sizes
        self.cross_attention = cross_attention
        self.tokens = nn.Embedding(sizes.vocabulary, sizes.width)
        nn.init.normal_(self.tokens.weight, std=sizes.width**-0.5)
        self.layers = nn.ModuleList(
            DecoderLayer(sizes, cross_attention=cross_attention) for _ in range(sizes.decoder_layers)
        )
        self.norm = nn.LayerNorm(sizes.width)
        self.dropout = nn.Dropout(sizes.dropout)

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings (N, T, W) of ids (N, T), scaled by the root of W, without positions."""
        embedded: Tensor = self.tokens(ids)
        return embedded * math.sqrt(self.sizes.width)

    def forward(self, embeddings: Tensor, memory: Tensor | None = None, memory_mask: Tensor | None = None) -> Tensor:
        """States (N, T, W), each of which has seen only what stands before it.

        ``memory`` (N, S, W) are states of the source, ``memory_mask`` (N, S) is True at its real tokens.
        """
        return self.read(embeddings, self.start(memory, memory_mask))

    def start(self, memory: Tensor | None = None, memory_mask: Tensor | None = None) -> DecoderState:
        """What `read` goes on from, with the source's keys and values computed once."""
        if (memory is not None) != self.cross_attention:
            raise ValueError(f"Expected a source: {self.cross_attention}, but received one: {memory is not None}")
        cross = [] if memory is None else [layer.cross.keys_values(memory).contiguous() for layer in self.layers]  # type: ignore[union-attr, operator]
        return DecoderState(cross, memory_mask)

    def read(self, embeddings: Tensor, state: DecoderState) -> Tensor:
        """States (N·B, T, W) of what comes next after all that ``state`` has read; T is 1 unless it is fresh."""
        length = embeddings.shape[1]
        if state.length and length > 1:
            raise ValueError(f"Expected one place after the first reading, but received {length}")
        placed = embeddings + positions(state.length, length, embeddings)
        states = state.begin(self.dropout(placed))
        for number, layer in enumerate(self.layers):
            states = layer(states, state, number)
        normed: Tensor = self.norm(states)
        return normed.view(embeddings.shape)

    def logits(self, states: Tensor) -> Tensor:
        """Scores (…, V) of the next piece, from states (…, W)."""
        return F.linear(states, self.tokens.weight)


def positions(start: int, length: int, like: Tensor) -> Tensor:
    """Sinusoids (T, W) of ``length`` places from ``start`` (Vaswani et al. 2017, in fairseq's order: sines first).

    As in M2M-100 the first place is number 1: number 0 belongs to padding.
    """
    half = like.shape[-1] // 2
    rates = torch.exp(torch.arange(half, device=like.device) * (-math.log(10_000) / max(half - 1, 1)))
    angles = torch.arange(start + 1, start + length + 1, device=like.device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1).to(like.dtype)
