"""Our own network as a translator.

N texts, S source pieces, D dims of the space, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmkit.generation.search import beam_search
from mmkit.generation.vocabulary import Vocabulary
from mmkit_translate.batching import length_class, token_batches
from mmkit_translate.model.network import Network
from mmkit_translate.model.quantised import quantised
from mmkit_translate.model.weights import BUNDLED, load_network
from mmkit_translate.text.normal import normalised
from mmkit_translate.translating import Scored, Search

if TYPE_CHECKING:
    from mmkit.types import Item

__all__ = ["Bundled", "open_bundled"]

#: A source is cut here; callers split long lines long before.
_LONGEST = 250


def open_bundled(path: Path = BUNDLED, *, device: str = "cpu", int8: bool = False) -> Bundled:
    """The translator of a file of weights. Raises ModelUnavailable where it is missing or something else."""
    network, vocabulary = load_network(path, device=device)
    name = "bundled" if path == BUNDLED else str(path)
    return Bundled(quantised(network) if int8 else network, vocabulary, name=name)


class Bundled:
    """See ``mmkit_translate.translating.Translator``."""

    takes_pictures = True

    def __init__(self, network: Network, vocabulary: Vocabulary, *, name: str = "bundled") -> None:
        self.name = name
        self.network = network
        self.vocabulary = vocabulary
        self.sources = self.targets = network.sizes.languages
        self.device = network.languages.device
        # Marks and padding are never written.
        self._banned = [vocabulary.pad, vocabulary.bos, *network.languages.tolist()]

    @torch.inference_mode()
    def translate(
        self,
        texts: Sequence[str],
        *,
        target: str,
        sources: Sequence[str],
        search: Search,
        vectors: np.ndarray | None = None,
    ) -> list[list[Scored]]:
        """As in ``Translator``; the languages of the sources are not needed and not looked at."""
        rows = [row[:_LONGEST] for row in self.vocabulary.encode_batch([normalised(text) for text in texts])]
        results: list[list[Scored]] = [[] for _ in texts]
        pictures = None if vectors is None else torch.from_numpy(np.asarray(vectors, np.float32))
        language = self.targets.index(target)
        for chosen in token_batches([len(row) for row in rows], search.batch_tokens):
            ids, mask = self._padded([rows[number] for number in chosen])
            given = None if pictures is None else pictures[chosen].to(self.device)
            prefix = self._prefix(ids, mask, search, given)
            found = beam_search(
                self.network.decoder,
                self.network.prompt(prefix, torch.full((len(chosen),), language, device=self.device)),
                eos=self.vocabulary.eos,
                max_length=min(2 * length_class(ids.shape[1] - 1) + 10, _LONGEST),
                memory=self.network.read(ids, mask),
                memory_mask=mask,
                beam=search.beam,
                n_best=search.n_best,
                length_penalty=search.length_penalty,
                banned=self._banned,
            )
            for number, hypotheses in zip(chosen, found, strict=True):
                results[number] = [Scored(normalised(self.vocabulary.decode(one.ids)), one.score) for one in hypotheses]
        return results

    def picture_vectors(self, pictures: Sequence[object]) -> np.ndarray:
        """(N, D) vectors of N pictures (items), moved from where pictures lie to where texts lie.

        Raises:
            BadInput: one cannot be read.
        """
        import mmkit

        encoder = mmkit.encoder("mini")
        if not pictures:
            return np.zeros((0, encoder.spec.dim), np.float32)
        items: list[Item] = list(pictures)  # type: ignore[arg-type]
        vectors = torch.from_numpy(encoder.encode([encoder.prepare(item) for item in items], "image").vectors)
        return F.normalize(vectors + self.network.picture_shift.cpu(), dim=1).numpy()

    def text_vectors(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) unit rows of the tower: what the prefix is made of where there is no picture."""
        rows = [row[:_LONGEST] for row in self.vocabulary.encode_batch([normalised(text) for text in texts])]
        vectors = np.zeros((len(rows), self.network.sizes.space), np.float32)
        with torch.inference_mode():
            for chosen in token_batches([len(row) for row in rows], 8192):
                ids, mask = self._padded([rows[number] for number in chosen])
                vectors[chosen] = self.network.tower(ids, mask).cpu().numpy()
        return vectors

    def _prefix(self, ids: Tensor, mask: Tensor, search: Search, pictures: Tensor | None) -> Tensor:
        """(N, D): pictures where there are some, else the texts' own vectors, or zeros."""
        if search.prefix == "none":
            own = torch.zeros(len(ids), self.network.sizes.space, device=self.device)
        else:
            own = self.network.tower(ids, mask)
        if pictures is None:
            return own
        return torch.where((pictures != 0).any(dim=1, keepdim=True), pictures, own)

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        longest = max(len(row) for row in rows) + 1
        ids = torch.full((len(rows), longest), self.vocabulary.pad)
        mask = torch.zeros(len(rows), longest, dtype=torch.bool)
        for place, row in enumerate(rows):
            ids[place, : len(row) + 1] = torch.tensor([*row, self.vocabulary.eos])
            mask[place, : len(row) + 1] = True
        return ids.to(self.device), mask.to(self.device)
