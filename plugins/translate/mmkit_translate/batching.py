"""Texts of similar length together, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["length_class", "token_batches"]


def length_class(length: int) -> int:
    """The longest source of those that share batches, and a limit for their translations."""
    return max(16, 2 ** (length - 1).bit_length()) if length else 16


def token_batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Places of texts of similar length, at most ``budget`` places a batch, padding included; longest first.

    Texts of one batch have the same limit of length, so that nobody's translation depends on its neighbours.
    """
    order = sorted(range(len(lengths)), key=lambda number: -lengths[number])
    while order:
        longest = lengths[order[0]]
        count = max(1, budget // (longest + 1))
        same = sum(1 for number in order[:count] if length_class(lengths[number]) == length_class(longest))
        yield order[:same]
        order = order[same:]
