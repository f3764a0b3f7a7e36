"""What a decoder has read: the cache of keys and values while texts are written.

What was read is not copied when a search changes its beams. The keys of all beams of a sentence lie side by side, the
prompt's just once, and a mask says which of them are in the past of which beam: beams are places of their sentence that
do not see each other. Soon all beams have one past in common; when the cache is full, what is in nobody's past is
dropped, so that little more is attended to than one text is long.

N sentences, B beams of a sentence, T places, Q = B·T new places of a sentence, S places that are kept, H heads,
W width.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

__all__ = ["DecoderState"]

#: Readings that room is made for at a time: fewer drop dead places sooner, more copy less often.
_ROOM: Final = 16


class DecoderState:
    """Keys and values of all that a decoder has read, and those of the source, a tensor a layer.

    Attributes:
        cross: a layer's keys and values (2, N, H, S, W/H) of the source; empty without one. They are moved in place.
        memory_mask: (N, S), True at real tokens of the source.
        length: places of a text read so far.
        past: (N, Q, S), added to the scores of keys: 0 in the past of a place, else minus infinity; None where all that
            stands before it is.
    """

    def __init__(self, cross: list[Tensor], memory_mask: Tensor | None) -> None:
        self.cross = cross
        self.memory_mask = memory_mask
        self.length = 0
        self.past: Tensor | None = None
        self._own: list[Tensor] = []
        self._start, self._end = 0, 0
        self._sentences = 0

    def begin(self, states: Tensor) -> Tensor:
        """Makes ready to read states (N·B, T, W) and gives them by sentence: (N, Q, W).

        In a first reading each row is a sentence.
        """
        if not self.length:
            self._sentences = len(states)
        grouped = states.reshape(self._sentences, -1, states.shape[2])
        places = grouped.shape[1]
        if self._own and self._end + places > self._own[0].shape[3]:
            self._make_room(_ROOM * places)
        if self.past is not None:
            itself = self.past.new_full((places, places), -torch.inf).fill_diagonal_(0.0)
            self.past = torch.cat([self.past, itself.expand(len(grouped), -1, -1)], dim=2)
        self._start, self._end = self._end, self._end + places
        self.length += states.shape[1]
        return grouped

    def extend(self, layer: int, keys_values: Tensor) -> Tensor:
        """A layer's keys and values (2, N, H, S, W/H), of which the last are the given ones (2, N, H, Q, W/H)."""
        if layer == len(self._own):
            self._own.append(keys_values)
            return keys_values
        self._own[layer][:, :, :, self._start : self._end] = keys_values
        return self._own[layer][:, :, :, : self._end]

    def select(self, rows: Tensor, sentences: Tensor | None = None) -> None:
        """Goes on with the given rows (N'·B',) of what was read, and where given with those (N',) of the N sentences.

        Rows stand by sentence, in the order of ``sentences``. Sentences that keep their number are not copied.
        """
        before, after = self._sentences, self._sentences if sentences is None else len(sentences)
        past = self.past
        if past is None and len(rows) != after:
            past = self._own[0].new_zeros((before, 1, self._end))
        if past is not None:
            self.past = past.flatten(0, 1).index_select(0, rows).view(after, -1, self._end)
        if sentences is None:
            return
        self._sentences = after
        self._own = [_kept(own, sentences) for own in self._own]
        self.cross = [_kept(cross, sentences) for cross in self.cross]
        if self.memory_mask is not None:
            self.memory_mask = self.memory_mask.index_select(0, sentences)

    def _make_room(self, places: int) -> None:
        """Drops what is in no beam's past, up to the sentence that keeps most, and leaves room for further places."""
        order: Tensor | None = None
        if self.past is not None:
            kept = (self.past == 0).any(dim=1)
            self._end = int(kept.sum(dim=1).max())
            order = kept.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, : self._end]
            self.past = self.past.gather(2, order[:, None].expand(-1, self.past.shape[1], -1))
        for layer, own in enumerate(self._own):
            _, sentences, heads, _, width = own.shape
            if order is not None:
                own = own.gather(3, order[None, :, None, :, None].expand(2, -1, heads, -1, width))
            self._own[layer] = own.new_empty((2, sentences, heads, self._end + places, width))
            self._own[layer][:, :, :, : self._end] = own[:, :, :, : self._end]


def _kept(keys_values: Tensor, sentences: Tensor) -> Tensor:
    """Keys and values of the given sentences (N',), in place: only those that change their number move."""
    moved = (sentences != torch.arange(len(sentences), device=sentences.device)).nonzero().flatten()
    if len(moved):
        keys_values[:, moved] = keys_values[:, sentences[moved]]
    return keys_values[:, : len(sentences)]
