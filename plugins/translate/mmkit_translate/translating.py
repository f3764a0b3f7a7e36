"""What every translator offers, whoever made its weights.

N texts, D dims of the space of pictures and texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mmkit.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Scored", "Search", "Translator", "check_pair"]


@dataclass(frozen=True, slots=True)
class Scored:
    """One translation, and its log-probability over its length to the length penalty."""

    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Search:
    """How translations are looked for.

    Attributes:
        beam: texts that are followed at once.
        length_penalty: above 1 favours long translations.
        n_best: translations of each text, at most ``beam``.
        batch_tokens: places of a batch, padding included.
        prefix: ``text``: from the source's own vector, or a picture's where there is one; ``none``: zeros.
    """

    beam: int = 4
    length_penalty: float = 1.0
    n_best: int = 1
    batch_tokens: int = 4096
    prefix: str = "text"

    def __post_init__(self) -> None:
        if not 1 <= self.n_best <= self.beam:
            raise UsageError(f"Expected at most as many translations as the beam of {self.beam}, but {self.n_best}")
        if self.prefix not in ("text", "none"):
            raise UsageError(f"Expected text or none, but received {self.prefix!r}", where="--prefix")


class Translator(Protocol):
    """Translates between its pairs of languages.

    Attributes:
        name: how it was asked for.
        sources, targets: codes of languages; every source goes with every target, except a language with itself.
        takes_pictures: whether ``vectors`` may be given.
    """

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    takes_pictures: bool

    def translate(
        self,
        texts: Sequence[str],
        *,
        target: str,
        sources: Sequence[str],
        search: Search,
        vectors: np.ndarray | None = None,
    ) -> list[list[Scored]]:
        """The ``n_best`` translations of each text, best first, in the order of ``texts``.

        Args:
            target: its language.
            sources: the language of each text.
            vectors: (N, D) unit rows of pictures in the space of ``mini``; a row of zeros is no picture.
        """

    def picture_vectors(self, pictures: Sequence[object]) -> np.ndarray:
        """(N, D) vectors for ``translate`` of N pictures (items of mmkit). Raises UsageError where it takes none."""


def check_pair(translator: Translator, source: str | None, target: str) -> None:
    """Refuse languages that a translator does not have. Raises UsageError that lists those it has."""
    if target not in translator.targets:
        raise UsageError(
            f"{translator.name} does not write {target!r}; it writes {_listed(translator.targets)}", where="--to"
        )
    if source is None:
        return
    if source not in translator.sources:
        raise UsageError(
            f"{translator.name} does not read {source!r}; it reads {_listed(translator.sources)}", where="--from"
        )
    if source == target:
        raise UsageError(f"Expected two languages, but both are {source!r}", where="--from, --to")


def _listed(languages: Sequence[str]) -> str:
    shown = ", ".join(languages[:60])
    return f"{shown}, … ({len(languages)})" if len(languages) > 60 else shown
