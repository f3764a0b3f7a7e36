"""How alike two short texts look: edit distance in which characters that are read for each other lie near each other.

A wrong character costs as much as its picture differs from the right one, and a character that is lost or added costs
as much as it has ink: a speck that was read as ``一`` or ``、`` costs little. The pictures are 32 numbers a character,
of Noto Serif CJK (bench/glyphs.py draws them): kana and the 20,992 Chinese characters of the first block, and ASCII.

Legend: U texts, Q pairs of texts, B pairs at once, N and M characters of their longer texts, C characters, D dims.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["LONGEST", "glyph_similarities", "looks"]

#: Characters of a text that are compared.
LONGEST: Final = 48
#: Cosines from which two pictures count as similar at all, and the least that a lost or added character costs.
_UNLIKE: Final = 0.3
_LEAST_GAP: Final = 0.3
_CELLS: Final = 400_000


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """C characters: their places by code point, (C, D) unit rows of their pictures, and (C,) what losing one costs.

    The last row is of what is not known: like nothing else, and of full ink.
    """

    places: NDArray[np.int32]
    sketch: NDArray[np.float32]
    gap: NDArray[np.float32]

    def read(self, text: str) -> NDArray[np.int32]:
        """The places of at most 48 characters."""
        codes = np.frombuffer(text[:LONGEST].encode("utf-32-le"), np.uint32)
        known = codes < len(self.places)
        return np.where(known, self.places[np.where(known, codes, 0)], len(self.gap) - 1).astype(np.int32)


@lru_cache(maxsize=1)
def looks() -> Looks:
    """The pictures that the plugin ships."""
    from safetensors.numpy import load_file

    held = load_file(Path(__file__).with_name("glyphs.safetensors"))
    codes = held["chars"]
    places = np.full(int(codes.max()) + 1, len(codes), np.int32)
    places[codes] = np.arange(len(codes))
    sketch = held["sketch"].astype(np.float32)
    sketch /= np.linalg.norm(sketch, axis=1, keepdims=True)
    ink = np.minimum(held["ink"].astype(np.float32) / 100, 1)
    gap = np.append(_LEAST_GAP + (1 - _LEAST_GAP) * ink, 1).astype(np.float32)
    return Looks(places, np.concatenate([sketch, np.zeros((1, sketch.shape[1]), np.float32)]), gap)


def glyph_similarities(
    texts: Sequence[str], one: NDArray[np.integer], other: NDArray[np.integer]
) -> NDArray[np.float32]:
    """(Q,) 1 less the cost of turning one text into the other over the longer length; -1 where one is empty."""
    found = np.full(len(one), -1, np.float32)
    if not len(one):
        return found
    seen = looks()
    read = [seen.read(text) for text in texts]
    lengths = np.array([len(each) for each in read])
    longer, shorter = np.maximum(lengths[one], lengths[other]), np.minimum(lengths[one], lengths[other])
    asked = np.flatnonzero(shorter > 0)
    # Pairs of about one length at a time, so that little is padded.
    asked = asked[np.argsort(longer[asked], kind="stable")]
    start = 0
    while start < len(asked):
        width = int(longer[asked[start]])
        part = asked[start : start + max(1, _CELLS // (width * width))]
        part = part[longer[part] <= width + 3]
        left, right = ([read[text] for text in side[part].tolist()] for side in (one, other))
        # The codes tell equal characters apart from two that are not known.
        same = [[texts[text][:LONGEST] for text in side[part].tolist()] for side in (one, other)]
        found[part] = 1 - _costs(seen, left, right, same) / longer[part]
        start += len(part)
    return found


def _costs(
    seen: Looks, left: Sequence[NDArray[np.int32]], right: Sequence[NDArray[np.int32]], texts: Sequence[Sequence[str]]
) -> NDArray[np.float32]:
    """(B,) the least cost of alignments, after Wagner and Fischer 1974, a row of the table at a time."""
    (rows, rows_held), (columns, columns_held) = (_padded(side) for side in (left, right))
    codes = [_padded([np.frombuffer(text.encode("utf-32-le"), np.uint32) for text in side])[0] for side in texts]
    alike = np.einsum("bnd,bmd->bnm", seen.sketch[rows], seen.sketch[columns])
    wrong = 1 - np.maximum(0, (alike - _UNLIKE) / (1 - _UNLIKE))
    wrong[codes[0][:, :, None] == codes[1][:, None, :]] = 0
    lost = seen.gap[rows] * rows_held
    # What stands left of a cell in its row, as sums, so that the row's minimum can be had at once.
    added = np.cumsum(np.pad(seen.gap[columns] * columns_held, ((0, 0), (1, 0))), axis=1)
    row = added
    for place in range(rows.shape[1]):
        below = row + lost[:, place, None]
        below[:, 1:] = np.minimum(below[:, 1:], row[:, :-1] + wrong[:, place])
        reached = np.minimum.accumulate(below - added, axis=1) + added
        row = np.where(rows_held[:, place, None], reached, row)
    return np.take_along_axis(row, columns_held.sum(axis=1)[:, None], axis=1)[:, 0]


def _padded(rows: Sequence[NDArray[np.generic]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(B, N) the rows side by side, zeros after their ends, and where they hold something."""
    lengths = np.array([len(row) for row in rows])
    held = np.arange(int(lengths.max(initial=0)))[None, :] < lengths[:, None]
    found = np.zeros(held.shape, np.int64)
    found[held] = np.concatenate(rows)
    return found, held
