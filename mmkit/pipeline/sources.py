"""Items from command-line arguments, read with everything that is installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmkit.media.inputs import expand_inputs
from mmkit.plugins import registry
from mmkit.types import Failure, Item, Modality

__all__ = ["items_from"]


def items_from(
    arguments: Sequence[str], *, modality: Modality | None = None, column: str | None = None
) -> Iterator[Item | Failure]:
    """``mmkit.media.expand_inputs`` with the file types that plugins read."""
    return expand_inputs(arguments, modality=modality, column=column, readers=registry().readers)
