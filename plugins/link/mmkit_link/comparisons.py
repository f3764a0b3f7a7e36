"""Features of record pairs: every column compared by what suits its kind, and the records as wholes.

Legend: N left records, M right records, P pairs, F features. A feature that cannot be had is -1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit_link.kinds import ColumnKind, kind_of, parsed
from mmkit_link.records import Records
from mmkit_link.views import View, grams_view, overlap, term_view
from mmkit_link.words import codes, fold, numbers, squeezed, words

__all__ = ["Features", "Prepared", "compare", "prepare"]

_LONGEST: Final = 160
_LONGEST_GRAMS: Final = 400
_BETTER: Final = 1.3
_TEXTUAL: Final = ("name", "text")
WHOLE: Final = "record"


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """(P, F) float32 values and the F names, each ``column:comparison``."""

    values: NDArray[np.float32]
    names: tuple[str, ...]

    def joined(self, other: Features) -> Features:
        """The features of both, for the same pairs."""
        return Features(np.concatenate([self.values, other.values], axis=1), self.names + other.names)

    def column(self, name: str) -> NDArray[np.float32]:
        """(P,) one feature."""
        return self.values[:, self.names.index(name)]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Two tables made ready to be searched and compared.

    Attributes:
        kinds: of each column.
        texts: folded texts of both sides, by column; ``record`` is the whole record.
        leading: the column that names the records.
        grams, terms: views by column; ``record`` is the whole record.
        codes, figures: views of model numbers and of numbers in texts.
        dense: unit rows of encoders by name, of both sides; zero rows where there is nothing to encode.
    """

    left: Records
    right: Records
    kinds: dict[str, ColumnKind]
    texts: dict[str, tuple[list[str], list[str]]]
    leading: str
    grams: dict[str, View]
    terms: dict[str, View]
    codes: dict[str, View]
    figures: dict[str, View]
    dense: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = field(default_factory=dict)


def prepare(left: Records, right: Records, *, kinds: dict[str, ColumnKind] | None = None) -> Prepared:
    """Fold, split and weigh the texts of two tables; columns without any value on a side are left out.

    Args:
        kinds: as a model was trained with; None looks at the values.
    """
    names = [name for name in left.columns if any(left.columns[name]) and any(right.columns[name])]
    if kinds is None:
        kinds = {name: kind_of((*left.columns[name], *right.columns[name])) for name in names}
    texts = {
        name: ([fold(text) for text in left.columns[name]], [fold(text) for text in right.columns[name]])
        for name in names
    }
    shorter = {name: tuple([text[:_LONGEST_GRAMS] for text in side] for side in pair) for name, pair in texts.items()}
    whole = _joined_texts(texts, len(left), len(right))
    leading = _leading(texts, kinds)
    textual = [name for name in names if kinds[name] in _TEXTUAL]
    grams = {name: grams_view(*shorter[name]) for name in textual}
    grams[WHOLE] = grams_view(*_joined_texts(shorter, len(left), len(right)))
    texts = {**texts, WHOLE: whole}
    compared = {name: texts[name] for name in (*textual, WHOLE)}
    picked = {name: texts[name] for name in dict.fromkeys((*filter(None, [leading]), WHOLE))}
    return Prepared(
        left,
        right,
        kinds,
        texts,
        leading,
        grams,
        _views(compared, words),
        _views(picked, codes),
        _views(picked, numbers),
    )


def _views(texts: dict[str, tuple[list[str], list[str]]], split: Callable[[str], list[str]]) -> dict[str, View]:
    return {
        name: term_view([split(text) for text in pair[0]], [split(text) for text in pair[1]])
        for name, pair in texts.items()
    }


def _joined_texts(texts: Mapping[str, tuple[list[str], ...]], left: int, right: int) -> tuple[list[str], list[str]]:
    sides = []
    for side, count in ((0, left), (1, right)):
        columns = [pair[side] for pair in texts.values()]
        sides.append([" ".join(filter(None, row)) for row in zip(*columns, strict=True)] if columns else [""] * count)
    return sides[0], sides[1]


def _leading(texts: Mapping[str, tuple[list[str], ...]], kinds: dict[str, ColumnKind]) -> str:
    """The textual column with the most different values, counted over all records; "" where none is textual."""
    best, most = "", 0.0
    for name, pair in texts.items():
        if kinds[name] not in _TEXTUAL:
            continue
        values = [*pair[0], *pair[1]]
        share = len({value for value in values if value}) / max(1, len(values))
        # A title comes first and is short; a later column must tell records apart much better to take its place.
        share *= 1.0 if kinds[name] == "name" else 0.7
        if share > _BETTER * most:
            best, most = name, share
    return best


def compare(prepared: Prepared, pairs: NDArray[np.int64]) -> Features:
    """Features of P pairs."""
    found: dict[str, NDArray[np.float32]] = {}
    for name, kind in prepared.kinds.items():
        if name not in prepared.texts:
            continue
        if kind in _TEXTUAL:
            _compare_text(prepared, name, pairs, found)
        elif kind in ("number", "date"):
            _compare_amounts(prepared, name, kind, pairs, found)
        else:
            _compare_codes(prepared, name, pairs, found)
    _compare_wholes(prepared, pairs, found)
    for name, (one, other) in prepared.dense.items():
        cosine = np.einsum("pd,pd->p", one[pairs[:, 0]], other[pairs[:, 1]])
        there = np.asarray(one.any(axis=1))[pairs[:, 0]] & np.asarray(other.any(axis=1))[pairs[:, 1]]
        found[f"{name}:cosine"] = np.where(there, cosine, -1)
    values = np.stack([np.asarray(column, np.float32) for column in found.values()], axis=1)
    return Features(values, tuple(found))


def _compare_text(p: Prepared, name: str, pairs: NDArray[np.int64], found: dict[str, NDArray[np.float32]]) -> None:
    for part, value in overlap(p.terms[name], pairs).items():
        found[f"{name}:words_{part}"] = value
    found[f"{name}:grams"] = overlap_cosine(p.grams[name], pairs)
    left, right = p.texts[name]
    for label, scorer in _string_scorers(p.kinds[name]).items():
        found[f"{name}:{label}"] = string_similarity(left, right, pairs, scorer)
    found[f"{name}:length"] = length_ratio(left, right, pairs)
    # A title may stand inside another column of the other table.
    for side in (0, 1):
        found[f"{name}:{('left', 'right')[side]}_in_record"] = _contained(p, name, side, pairs)


def _string_scorers(kind: ColumnKind) -> dict[str, str]:
    if kind == "text":
        return {"token_set": "token_set_ratio"}
    return {
        "token_set": "token_set_ratio",
        "token_sort": "token_sort_ratio",
        "ratio": "ratio",
        "partial": "partial_ratio",
        "jaro_winkler": "jaro_winkler",
    }


def _contained(p: Prepared, name: str, side: int, pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """The weighted share of a column's words that the other record holds anywhere."""
    view, whole = p.terms[name], p.terms[WHOLE]
    translate = np.full(view.left.shape[1], -1, np.int64)
    for term, number in view.terms.items():
        translate[number] = whole.terms.get(term, -1)
    own = (view.left, view.right)[side].copy()
    own.indices = np.maximum(translate[own.indices], 0).astype(own.indices.dtype)
    own.data = whole.weight[own.indices].astype(np.float32)
    own = type(own)((own.data, own.indices, own.indptr), shape=(own.shape[0], whole.left.shape[1]))
    own.sort_indices()
    other = (whole.right, whole.left)[side]
    one, two = own[pairs[:, side]], other[pairs[:, 1 - side]]
    held = np.asarray(one.minimum(two).sum(axis=1)).ravel()
    total = np.asarray(one.sum(axis=1)).ravel()
    return np.where(total > 0, held / np.maximum(total, 1e-9), -1).astype(np.float32)


def _compare_amounts(
    p: Prepared, name: str, kind: ColumnKind, pairs: NDArray[np.int64], found: dict[str, NDArray[np.float32]]
) -> None:
    one = parsed(p.left.columns[name], kind)[pairs[:, 0]]
    other = parsed(p.right.columns[name], kind)[pairs[:, 1]]
    there = ~(np.isnan(one) | np.isnan(other))
    if kind == "number":
        # In price lists 0 means that no price is known.
        there &= (one != 0) & (other != 0)
    apart = np.abs(one - other)
    scale = np.maximum(np.maximum(np.abs(one), np.abs(other)), 1e-9) if kind == "number" else 10.0
    found[f"{name}:distance"] = np.where(there, np.minimum(1, apart / scale), -1)
    found[f"{name}:equal"] = np.where(there, apart < 1e-6 + (0.02 if kind == "date" else 0), -1)
    left, right = p.texts[name]
    found[f"{name}:ratio"] = string_similarity(left, right, pairs, "ratio")


def _compare_codes(p: Prepared, name: str, pairs: NDArray[np.int64], found: dict[str, NDArray[np.float32]]) -> None:
    left, right = ([squeezed(text) for text in side] for side in p.texts[name])
    found[f"{name}:ratio"] = string_similarity(left, right, pairs, "osa")
    found[f"{name}:jaro_winkler"] = string_similarity(left, right, pairs, "jaro_winkler")
    same = np.array([float(left[i] == right[j]) if left[i] and right[j] else -1.0 for i, j in pairs], np.float32)
    found[f"{name}:equal"] = same


def _compare_wholes(p: Prepared, pairs: NDArray[np.int64], found: dict[str, NDArray[np.float32]]) -> None:
    for part, value in overlap(p.terms[WHOLE], pairs).items():
        found[f"{WHOLE}:words_{part}"] = value
    found[f"{WHOLE}:grams"] = overlap_cosine(p.grams[WHOLE], pairs)
    for name in p.codes:
        for label, view in (("codes", p.codes[name]), ("numbers", p.figures[name])):
            for part, value in overlap(view, pairs).items():
                found[f"{name}:{label}_{part}"] = value
        found[f"{name}:codes_nearest"] = nearest_codes(p.texts[name], pairs)
    if p.leading:
        left, right = ([squeezed(text) for text in side] for side in p.texts[WHOLE])
        own = ([codes(text) for text in p.texts[p.leading][0]], [codes(text) for text in p.texts[p.leading][1]])
        found[f"{p.leading}:left_code_inside"] = _codes_inside(own[0], right, pairs)
        found[f"{p.leading}:right_code_inside"] = _codes_inside(own[1], left, pairs[:, ::-1])


def overlap_cosine(view: View, pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """(P,) cosines of two weighted sets; -1 where one is empty."""
    left, right = view.unit()
    found = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), 50_000):
        part = slice(start, start + 50_000)
        one, other = left[pairs[part, 0]], right[pairs[part, 1]]
        empty = (np.diff(one.indptr) == 0) | (np.diff(other.indptr) == 0)
        found[part] = np.where(empty, -1, np.asarray(one.multiply(other).sum(axis=1)).ravel())
    return found


def string_similarity(
    left: Sequence[str], right: Sequence[str], pairs: NDArray[np.int64], scorer: str
) -> NDArray[np.float32]:
    """(P,) similarity 0 to 1 by a scorer of rapidfuzz, of at most 160 characters; -1 where a text is empty."""
    from rapidfuzz import distance, fuzz, process

    one = [left[row][:_LONGEST] for row in pairs[:, 0]]
    other = [right[row][:_LONGEST] for row in pairs[:, 1]]
    named = {"jaro_winkler": distance.JaroWinkler.normalized_similarity, "osa": distance.OSA.normalized_similarity}
    chosen = named.get(scorer) or getattr(fuzz, scorer)
    if not one:
        return np.zeros(0, np.float32)
    scores = process.cpdist(one, other, scorer=chosen, dtype=np.float32, workers=1)
    scores = scores if scorer in named else scores / 100
    empty = np.array([not (a and b) for a, b in zip(one, other, strict=True)])
    return np.where(empty, -1, scores).astype(np.float32)


def length_ratio(left: Sequence[str], right: Sequence[str], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """(P,) the shorter length over the longer one."""
    one = np.array([len(text) for text in left])[pairs[:, 0]]
    other = np.array([len(text) for text in right])[pairs[:, 1]]
    return np.where((one > 0) & (other > 0), np.minimum(one, other) / np.maximum(np.maximum(one, other), 1), -1)


def nearest_codes(texts: tuple[list[str], list[str]], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """(P,) the highest similarity of any model number of one side to any of the other: equal is 1.

    The common beginning over the longer length, or the edit similarity, whichever is higher.
    """
    from rapidfuzz.distance import Indel, Prefix

    left, right = ([codes(text) for text in side] for side in texts)
    found = np.full(len(pairs), -1, np.float32)
    for place, (i, j) in enumerate(pairs):
        if left[i] and right[j]:
            found[place] = max(
                max(Prefix.normalized_similarity(a, b), 0.95 * Indel.normalized_similarity(a, b))
                for a in left[i][:8]
                for b in right[j][:8]
            )
    return found


def _codes_inside(own: list[list[str]], other: list[str], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """(P,) the share of a record's model numbers that the other record's letters contain, however they are spaced."""
    return np.array(
        [sum(code in other[j] for code in own[i]) / len(own[i]) if own[i] and other[j] else -1.0 for i, j in pairs],
        np.float32,
    )
