"""LaMP's language-motion transformer (section 3.2): learned queries read a motion or a text, text passes through too.

N items, Q queries, T tokens of a text, L codes of a motion, D width, E embedding, V vocabulary.

The text enters as word embeddings of the core's text tower, frozen, with the tower's pooled vector as first token, so
that what the tower knows of the language is there from the start.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkit_motion.model.attention import Attention, FeedForward, sinusoids
from mmkit_motion.model.sizes import Sizes

__all__ = ["QueryTransformer"]

#: The paper's temperature starts at 0.07.
_FIRST_SCALE = math.log(1 / 0.07)
#: What a text is read for, each with its own first token.
_ROLES = {"compare": 0, "match": 1, "write": 2}


class _Layer(nn.Module):
    """Self-attention over queries and text together; queries look at a memory; each has its own feed-forward net."""

    def __init__(self, sizes: Sizes, *, looks: bool, dropout: float) -> None:
        super().__init__()
        width = sizes.width
        self.own_norm, self.own = nn.LayerNorm(width), Attention(width, sizes.heads, dropout=dropout)
        self.looks = looks
        if looks:
            self.look_norm, self.look = nn.LayerNorm(width), Attention(width, sizes.heads, dropout=dropout)
        self.query_norm, self.query_net = nn.LayerNorm(width), FeedForward(width, dropout=dropout)
        self.text_norm, self.text_net = nn.LayerNorm(width), FeedForward(width, dropout=dropout)
        self.drop = nn.Dropout(dropout)

    def forward(
        self, states: Tensor, queries: int, attend: Tensor | None, memory: Tensor | None, memory_mask: Tensor | None
    ) -> Tensor:
        """(N, Q + T, D), the first ``queries`` of them queries."""
        normed = self.own_norm(states)
        states = states + self.drop(self.own(normed, normed, attend))
        parts = []
        if queries:
            first = states[:, :queries]
            if self.looks and memory is not None:
                first = first + self.drop(self.look(self.look_norm(first), memory, memory_mask))
            parts.append(first + self.drop(self.query_net(self.query_norm(first))))
        if queries < states.shape[1]:
            rest = states[:, queries:]
            parts.append(rest + self.drop(self.text_net(self.text_norm(rest))))
        return torch.cat(parts, 1)


class QueryTransformer(nn.Module):
    """The shared transformer and its heads."""

    positions: Tensor

    def __init__(self, sizes: Sizes, *, dropout: float = 0.1) -> None:
        super().__init__()
        width = sizes.width
        self.sizes = sizes
        self.queries = nn.Parameter(torch.randn(sizes.queries, width) * 0.02)
        self.layers = nn.ModuleList(
            _Layer(sizes, looks=number % 2 == 0, dropout=dropout) for number in range(sizes.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.motion_in = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))
        self.text_memory = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))
        self.word_in = nn.Sequential(nn.Linear(sizes.words, width), nn.LayerNorm(width))
        self.pooled_in = nn.Linear(sizes.words, width)
        self.roles = nn.Embedding(len(_ROLES), width)
        self.text_positions = nn.Parameter(torch.randn(sizes.tokens + 1, width) * 0.02)
        self.motion_out, self.text_out = nn.Linear(width, sizes.embedding), nn.Linear(width, sizes.embedding)
        self.pooled_out = nn.Linear(sizes.words, sizes.embedding)
        self.match_out = nn.Linear(width, 2)
        self.word_out = nn.Linear(width, sizes.vocabulary)
        self.code_out = nn.Linear(width, sizes.codes)
        # Kept as its logarithm and always exponentiated: the released code uses log(1 / 0.07) itself as the scale.
        self.log_scale = nn.Parameter(torch.tensor(_FIRST_SCALE))
        self.drop = nn.Dropout(dropout)
        self.register_buffer("positions", sinusoids(sizes.queries, width), persistent=False)

    @property
    def scale(self) -> Tensor:
        """What cosines are multiplied with before the softmax, at most 100."""
        return self.log_scale.clamp(max=math.log(100.0)).exp()

    def motion_memory(self, states: Tensor) -> Tensor:
        """Frozen VQ-VAE states (N, L, D) to what queries look at (N, L, D)."""
        return self.motion_in(states) + self.positions[: states.shape[1]]

    def read_motion(self, memory: Tensor, mask: Tensor) -> Tensor:
        """Query outputs (N, Q, D) for a motion memory (N, L, D) and its mask (N, L)."""
        queries = self.drop(self.queries).expand(len(memory), -1, -1)
        return self._run(queries, self.sizes.queries, None, memory, mask[:, None, None])

    def motion_vectors(self, outputs: Tensor) -> Tensor:
        """(N, Q, D) query outputs to (N, Q, E) unit rows; their mean is the pooled vector (LaMP, section 4.2)."""
        return F.normalize(self.motion_out(outputs), dim=-1)

    def text_tokens(self, words: Tensor, pooled: Tensor | None, role: str) -> Tensor:
        """(N, 1 + T, D) inputs from word embeddings (N, T, W) and, unless it is to be written, pooled ones (N, W)."""
        first = self.roles.weight[_ROLES[role]].expand(len(words), -1)
        if pooled is not None:
            first = first + self.pooled_in(pooled)
        tokens = torch.cat([first[:, None], self.word_in(words)], 1)
        return self.drop(tokens + self.text_positions[: tokens.shape[1]])

    def read_text(self, words: Tensor, pooled: Tensor, mask: Tensor) -> Tensor:
        """Text states (N, 1 + T, D); ``mask`` (N, T) is of the words."""
        full = F.pad(mask, (1, 0), value=True)
        return self._run(self.text_tokens(words, pooled, "compare"), 0, full[:, None, None], None, None)

    def text_vectors(self, states: Tensor, pooled: Tensor) -> Tensor:
        """(N, E) unit rows from the first state and, past the transformer, from the tower's pooled vector itself."""
        return F.normalize(self.text_out(states[:, 0]) + self.pooled_out(pooled), dim=-1)

    def match_logits(self, memory: Tensor, motion_mask: Tensor, words: Tensor, pooled: Tensor, mask: Tensor) -> Tensor:
        """(N, 2): no or yes, from queries and text that see each other, averaged over the queries."""
        states = torch.cat([self.queries.expand(len(memory), -1, -1), self.text_tokens(words, pooled, "match")], 1)
        attend = F.pad(mask, (self.sizes.queries + 1, 0), value=True)[:, None, None]
        outputs = self._run(states, self.sizes.queries, attend, memory, motion_mask[:, None, None])
        return self.match_out(outputs[:, : self.sizes.queries]).mean(1)

    def word_logits(self, memory: Tensor, motion_mask: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        """(N, 1 + T, V): the next word after each, from the motion and the words so far."""
        queries, length = self.sizes.queries, words.shape[1] + 1
        states = torch.cat([self.queries.expand(len(memory), -1, -1), self.text_tokens(words, None, "write")], 1)
        attend = torch.ones(queries + length, queries + length, dtype=torch.bool, device=words.device)
        attend[:queries, queries:] = False
        attend[queries:, queries:] = attend[queries:, queries:].tril()
        real = F.pad(mask, (queries + 1, 0), value=True)[:, None, None]
        outputs = self._run(states, queries, attend & real, memory, motion_mask[:, None, None])
        return self.word_out(outputs[:, queries:])

    def read_for_motion(self, text_states: Tensor, mask: Tensor) -> Tensor:
        """Query outputs (N, Q, D) that look at a text's states (N, 1 + T, D); ``mask`` (N, T) is of the words."""
        memory = self.text_memory(text_states)
        full = F.pad(mask, (1, 0), value=True)[:, None, None]
        queries = self.drop(self.queries).expand(len(memory), -1, -1)
        return self._run(queries, self.sizes.queries, None, memory, full)

    def code_logits(self, outputs: Tensor) -> Tensor:
        """(N, Q, C): query q says which code stands at place q."""
        return self.code_out(outputs)

    def _run(
        self, states: Tensor, queries: int, attend: Tensor | None, memory: Tensor | None, memory_mask: Tensor | None
    ) -> Tensor:
        for layer in self.layers:
            states = layer(states, queries, attend, memory, memory_mask)
        return self.norm(states)
