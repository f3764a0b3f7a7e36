"""The Encoder contract, in two parts so that decoding overlaps the device.

Legend: N items, T tokens, D dims.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mmkit.errors import UsageError
from mmkit.types import Embeddings, EncoderSpec, Item, Modality, Prepared

if TYPE_CHECKING:
    from mmkit.hookspecs import EncoderEntry

__all__ = ["CostedEncoder", "Encoder", "TokenEncoder", "require"]


@runtime_checkable
class Encoder(Protocol):
    """Turns items into vectors of one space."""

    spec: EncoderSpec

    def prepare(self, item: Item) -> Prepared:
        """Read and decode one item on the CPU; thread-safe, and the result is picklable.

        Raises:
            BadInput: the item cannot be read.
        """

    def encode(self, batch: Sequence[Prepared], modality: Modality) -> Embeddings:
        """Encode N prepared items: (N, D) float32 unit rows, in the order given; N may be 0."""


@runtime_checkable
class TokenEncoder(Encoder, Protocol):
    """An encoder whose ``spec.outputs`` holds ``tokens``."""

    def encode_tokens(self, batch: Sequence[Prepared], modality: Modality) -> Embeddings:
        """Encode N prepared items to multivectors: (N, T, D) float32 with a (N, T) mask."""


@runtime_checkable
class CostedEncoder(Encoder, Protocol):
    """An encoder whose items differ in size, so that batches are sized by their sum."""

    def cost(self, prepared: Prepared, modality: Modality) -> float:
        """The size of one prepared item in units of an ordinary item (1.0): pixels, tokens or seconds."""


def require(
    offered: EncoderSpec | EncoderEntry,
    *,
    modalities: Sequence[Modality] = (),
    outputs: Sequence[str] = (),
    purpose: str,
) -> None:
    """Check that an encoder can do what a caller needs, before any model loads.

    Raises:
        UsageError: naming the encoder, what it lacks and what it has.
    """
    if lacking := [m for m in modalities if m not in offered.modalities]:
        raise UsageError(
            f"{purpose} needs an encoder of {' and '.join(lacking)}, and {offered.name} encodes "
            f"{', '.join(offered.modalities)}",
            mend="choose another one with --encoder (see: mmkit models list)",
        )
    if missing := [o for o in outputs if o not in offered.outputs]:
        has = ", ".join(sorted(offered.outputs))
        raise UsageError(
            f"{purpose} needs the output {missing[0]!r}, and {offered.name} offers {has}",
            mend="choose another one with --encoder (see: mmkit models list)",
        )
