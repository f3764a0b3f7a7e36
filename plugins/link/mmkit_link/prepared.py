"""Two tables, or one, made ready to be searched and compared.

Legend: N left records, M right records, U different texts, V terms, D dims.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mmkit_link.kinds import ColumnKind, kind_of
from mmkit_link.records import Records
from mmkit_link.values import Values, folded_values
from mmkit_link.views import View, gram_counts, stacked, term_counts, view_of
from mmkit_link.words import codes, numbers, words

__all__ = ["LARGE", "TEXTUAL", "WHOLE", "Prepared", "prepare"]

#: Records of both sides from which the whole records' grams are of one size only, which bounds their memory.
LARGE: Final = 50_000
TEXTUAL: Final = ("name", "cjk", "text")
WHOLE: Final = "record"
_LONGEST_GRAMS: Final = 400
_BETTER: Final = 1.3
_CODED: Final = (*TEXTUAL, "code")


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Two tables made ready; ``right`` is ``left`` where one table is compared with itself.

    Attributes:
        kinds: of each column that holds values on both sides.
        values: the folded texts of each such column.
        leading: the column that names the records; "" where none is textual.
        vocabulary: the number of each word.
        grams, terms: views by column; ``record`` is the whole record. Rows of ``grams`` are of length 1.
        codes, figures: views of model numbers and of numbers in texts, of the leading column and of whole records.
        code_texts: the model numbers by their number in ``codes``.
        dense: unit rows of encoders by name, of both sides; zero rows where there is nothing to encode.
    """

    left: Records
    right: Records
    kinds: dict[str, ColumnKind]
    values: dict[str, Values]
    leading: str
    vocabulary: dict[str, int]
    grams: dict[str, View]
    terms: dict[str, View]
    codes: dict[str, View]
    figures: dict[str, View]
    code_texts: list[str]
    dense: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = field(default_factory=dict)

    @property
    def within(self) -> bool:
        """Whether one table is compared with itself."""
        return self.left is self.right

    def whole(self, side: int, row: int) -> str:
        """All compared columns of a left (0) or right (1) record as one folded text."""
        return " ".join(filter(None, (values.of(side, row) for values in self.values.values())))


def prepare(left: Records, right: Records | None, *, kinds: dict[str, ColumnKind] | None = None) -> Prepared:
    """Fold, split and weigh the texts of two tables, or one; columns without any value on a side are left out.

    Args:
        kinds: as a model was trained with; None looks at the values.
    """
    within = right is None
    other = left if right is None else right
    read = {name: folded_values(left.columns[name], None if within else other.columns[name]) for name in left.columns}
    shown = read if kinds is None else {name: column for name, column in read.items() if name in kinds}
    values = {name: column for name, column in shown.items() if column.filled()}
    if kinds is None:
        kinds = {name: kind_of((*left.columns[name], *other.columns[name])) for name in values}
    textual = [name for name in values if kinds[name] in TEXTUAL]
    leading = _leading(values, kinds)
    rows = _Rows(values, len(left), len(other), within)
    vocabulary: dict[str, int] = {}
    known_codes: dict[str, int] = {}
    sizes = (3, 3) if len(left) + len(other) > LARGE else (2, 4)
    coded = [name for name in values if kinds[name] in _CODED]
    picked = [leading] if leading else []
    return Prepared(
        left,
        other,
        kinds,
        values,
        leading,
        vocabulary,
        rows.grams(textual, sizes),
        rows.terms(words, list(values), textual, vocabulary),
        rows.terms(codes, coded, picked, known_codes),
        rows.terms(numbers, coded, picked, {}),
        list(known_codes),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Makes views of columns and of whole records from what the columns' different texts hold."""

    values: dict[str, Values]
    left: int
    right: int
    within: bool

    def grams(self, shown: Sequence[str], sizes: tuple[int, int]) -> dict[str, View]:
        """Views of character n-grams of the columns ``shown`` and of whole records."""
        counts = {
            name: gram_counts([text[:_LONGEST_GRAMS] for text in column.texts], sizes=sizes)
            for name, column in self.values.items()
        }
        parts = [(counts[name], column.left, column.right) for name, column in self.values.items()]
        found = {name: self._column(name, counts[name], unit=True) for name in shown}
        width = next((matrix.shape[1] for matrix in counts.values()), 1)
        counts.clear()
        found[WHOLE] = view_of(self._whole(parts, width), *self._records(), unit=True)
        return found

    def terms(
        self, split: Callable[[str], list[str]], columns: Sequence[str], shown: Sequence[str], terms: dict[str, int]
    ) -> dict[str, View]:
        """Views of the terms of the columns ``shown``, and of whole records by all ``columns``."""
        counts = {name: term_counts(map(split, self.values[name].texts), terms) for name in columns}
        width = max(1, len(terms))
        for matrix in counts.values():
            matrix.resize(matrix.shape[0], width)
        found = {name: self._column(name, counts[name]) for name in shown}
        parts = [(counts[name], self.values[name].left, self.values[name].right) for name in columns]
        whole = self._whole(parts, width)
        whole.data[:] = 1
        found[WHOLE] = view_of(whole, *self._records())
        return found

    def _whole(
        self, parts: Sequence[tuple[sparse.csr_matrix, NDArray[np.int32], NDArray[np.int32]]], width: int
    ) -> sparse.csr_matrix:
        if not parts:
            return sparse.csr_matrix((self.left + (0 if self.within else self.right), width), dtype=np.float32)
        return stacked(parts, width=width, within=self.within)

    def _column(self, name: str, counts: sparse.csr_matrix, *, unit: bool = False) -> View:
        return view_of(counts, self.values[name].left, self.values[name].right, unit=unit)

    def _records(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        left = np.arange(self.left, dtype=np.int32)
        return left, left if self.within else np.arange(self.left, self.left + self.right, dtype=np.int32)


def _leading(values: dict[str, Values], kinds: dict[str, ColumnKind]) -> str:
    """The textual column whose values best tell the records of a table apart; "" where none is textual."""
    best, most = "", 0.0
    for name, column in values.items():
        if kinds[name] not in TEXTUAL:
            continue
        # Counted side by side: a name that both tables write alike is no less a name.
        share = float(np.mean([_different(column.texts, rows) for rows in (column.left, column.right)]))
        # A title comes first and is short; a later column must tell records apart much better to take its place.
        share *= 0.7 if kinds[name] == "text" else 1.0
        if share > _BETTER * most:
            best, most = name, share
    return best


def _different(texts: list[str], rows: NDArray[np.int32]) -> float:
    """The different texts of a side for each of its records; records without one count as nothing."""
    found = np.unique(rows)
    return sum(1 for number in found.tolist() if texts[number]) / max(1, len(rows))
