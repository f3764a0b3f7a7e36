"""Features of record pairs: every column compared by what suits its kind, and the records as wholes.

Legend: N left records, M right records, P pairs, F features. A feature that cannot be had is -1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mmkit_link.glyphs import glyph_similarities
from mmkit_link.kinds import parsed
from mmkit_link.prepared import TEXTUAL, WHOLE, Prepared
from mmkit_link.strings import length_ratio, nearest_codes, string_similarities
from mmkit_link.values import TextPairs
from mmkit_link.views import cosines, overlap
from mmkit_link.words import squeezed

__all__ = ["Features", "compare", "rival_columns", "rival_names"]

_NAME_SCORERS = {
    "token_set": "token_set_ratio",
    "token_sort": "token_sort_ratio",
    "ratio": "ratio",
    "partial": "partial_ratio",
    "jaro_winkler": "jaro_winkler",
}
_TEXT_SCORERS = {"token_set": "token_set_ratio"}
#: Without spaces a text is one token.
_CJK_SCORERS = {"ratio": "ratio", "partial": "partial_ratio", "jaro_winkler": "jaro_winkler", "osa": "osa"}
_CODE_SCORERS = {"ratio": "osa", "jaro_winkler": "jaro_winkler"}
_Found = dict[str, NDArray[np.float32]]


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

    def taken(self, places: NDArray[np.integer]) -> Features:
        """The features of some of the pairs."""
        return Features(self.values[places], self.names)


def compare(prepared: Prepared, pairs: NDArray[np.int64]) -> Features:
    """Features of P pairs."""
    found: _Found = {}
    for name, kind in prepared.kinds.items():
        if name not in prepared.values:
            continue
        texts = prepared.values[name].pairs(pairs)
        if kind in TEXTUAL:
            _compare_text(prepared, name, texts, found)
            # A title may stand inside another column of the other table.
            for side in (0, 1):
                found[f"{name}:{('left', 'right')[side]}_in_record"] = _contained(prepared, name, side, pairs)
        elif kind in ("number", "date"):
            _compare_amounts(prepared, name, texts, found)
        else:
            _compare_codes(prepared, name, texts, found)
    _compare_wholes(prepared, pairs, found)
    for name, (one, other) in prepared.dense.items():
        found[f"{name}:cosine"] = _dense_cosines(one, other, pairs)
    values = np.empty((len(pairs), len(found)), np.float32)
    for place, column in enumerate(found.values()):
        values[:, place] = column
    return Features(values, tuple(found))


def _compare_text(p: Prepared, name: str, texts: TextPairs, found: _Found) -> None:
    value = {f"words_{part}": each for part, each in overlap(p.terms[name], texts.one, texts.other).items()}
    value["grams"] = cosines(p.grams[name], texts.one, texts.other)
    held = p.values[name].texts
    scorers = {"name": _NAME_SCORERS, "cjk": _CJK_SCORERS}.get(p.kinds[name], _TEXT_SCORERS)
    value |= string_similarities(held, texts.one, texts.other, scorers)
    if p.kinds[name] == "cjk":
        value["glyphs"] = glyph_similarities(held, texts.one, texts.other)
    value["length"] = length_ratio(held, texts.one, texts.other)
    _spread(value, name, texts, found)


def _spread(values: _Found, name: str, texts: TextPairs, found: _Found) -> None:
    """What pairs of texts have, to the pairs of records that compare them."""
    for part, value in values.items():
        found[f"{name}:{part}"] = value[texts.place]


def _contained(p: Prepared, name: str, side: int, pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """(P,) the weighted share of a column's words that the other record holds anywhere."""
    own, whole = p.terms[name], p.terms[WHOLE]
    weight = whole.weight[own.rows.indices]
    rows = sparse.csr_matrix((weight, own.rows.indices, own.rows.indptr), shape=own.rows.shape)
    mine = (own.left, own.right)[side][pairs[:, side]]
    other = (whole.right, whole.left)[side][pairs[:, 1 - side]]
    total = np.asarray(rows.sum(axis=1), np.float32).ravel()[mine]
    held = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), 50_000):
        part = slice(start, start + 50_000)
        held[part] = np.asarray(rows[mine[part]].minimum(whole.rows[other[part]]).sum(axis=1)).ravel()
    return np.where(total > 0, held / np.maximum(total, 1e-9), -1).astype(np.float32)


def _compare_amounts(p: Prepared, name: str, texts: TextPairs, found: _Found) -> None:
    kind, held = p.kinds[name], p.values[name].texts
    amounts = parsed(held, kind)
    one, other = amounts[texts.one], amounts[texts.other]
    there = ~(np.isnan(one) | np.isnan(other))
    if kind == "number":
        # In price lists 0 means that no price is known.
        there &= (one != 0) & (other != 0)
    apart = np.abs(one - other)
    scale = np.maximum(np.maximum(np.abs(one), np.abs(other)), 1e-9) if kind == "number" else 10.0
    value = {
        "distance": np.where(there, np.minimum(1, apart / scale), -1),
        "equal": np.where(there, apart < 1e-6 + (0.02 if kind == "date" else 0), -1),
    }
    value |= string_similarities(held, texts.one, texts.other, {"ratio": "ratio"})
    _spread(value, name, texts, found)


def _compare_codes(p: Prepared, name: str, texts: TextPairs, found: _Found) -> None:
    held = [squeezed(text) for text in p.values[name].texts]
    value = string_similarities(held, texts.one, texts.other, _CODE_SCORERS)
    known: dict[str, int] = {}
    number = np.array([known.setdefault(text, len(known)) for text in held])
    value["equal"] = np.where(value["ratio"] < 0, -1, number[texts.one] == number[texts.other])
    _spread(value, name, texts, found)


def _compare_wholes(p: Prepared, pairs: NDArray[np.int64], found: _Found) -> None:
    one, other = p.terms[WHOLE].left[pairs[:, 0]], p.terms[WHOLE].right[pairs[:, 1]]
    for part, value in overlap(p.terms[WHOLE], one, other).items():
        found[f"{WHOLE}:words_{part}"] = value
    found[f"{WHOLE}:grams"] = cosines(p.grams[WHOLE], one, other)
    for name in p.codes:
        rows = p.codes[name].left[pairs[:, 0]], p.codes[name].right[pairs[:, 1]]
        for label, view in (("codes", p.codes[name]), ("numbers", p.figures[name])):
            for part, value in overlap(view, *rows).items():
                found[f"{name}:{label}_{part}"] = value
        found[f"{name}:codes_nearest"] = nearest_codes(p.codes[name], p.code_texts, *rows)
    if p.leading:
        found[f"{p.leading}:left_code_inside"] = _codes_inside(p, 0, pairs)
        found[f"{p.leading}:right_code_inside"] = _codes_inside(p, 1, pairs)


def _codes_inside(p: Prepared, side: int, pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """(P,) the share of a record's model numbers that the other record's letters contain, however they are spaced."""
    view = p.codes[p.leading]
    rows = (view.left, view.right)[side][pairs[:, side]]
    found = np.full(len(pairs), -1, np.float32)
    whole: dict[int, str] = {}
    pointers, indices = view.rows.indptr, view.rows.indices
    for place in np.flatnonzero(np.diff(pointers)[rows] > 0).tolist():
        other = int(pairs[place, 1 - side])
        text = whole.get(other)
        if text is None:
            text = whole[other] = squeezed(p.whole(1 - side, other))
        if text:
            own = indices[pointers[rows[place]] : pointers[rows[place] + 1]].tolist()
            found[place] = sum(p.code_texts[number] in text for number in own) / len(own)
    return found


def _dense_cosines(
    one: NDArray[np.float32], other: NDArray[np.float32], pairs: NDArray[np.int64]
) -> NDArray[np.float32]:
    found = np.empty(len(pairs), np.float32)
    there = np.asarray(one.any(axis=1))[pairs[:, 0]] & np.asarray(other.any(axis=1))[pairs[:, 1]]
    for start in range(0, len(pairs), 50_000):
        part = pairs[start : start + 50_000]
        found[start : start + len(part)] = np.einsum("pd,pd->p", one[part[:, 0]], other[part[:, 1]])
    return np.where(there, found, -1)


def rival_names(p: Prepared) -> tuple[str, ...]:
    """The features by which pairs are set beside their rivals."""
    parts = ("words_cosine", "glyphs" if p.kinds.get(p.leading) == "cjk" else "token_set") if p.leading else ()
    return ("candidate:similarity", f"{WHOLE}:words_cosine", *(f"{p.leading}:{part}" for part in parts))


def rival_columns(p: Prepared, pairs: NDArray[np.int64], similarity: NDArray[np.float32]) -> Features:
    """Those features of P pairs by which they are set beside their rivals; ``compare`` makes the same ones."""
    one, other = p.terms[WHOLE].left[pairs[:, 0]], p.terms[WHOLE].right[pairs[:, 1]]
    found: _Found = {
        "candidate:similarity": similarity,
        f"{WHOLE}:words_cosine": overlap(p.terms[WHOLE], one, other)["cosine"],
    }
    if p.leading:
        texts, held = p.values[p.leading].pairs(pairs), p.values[p.leading].texts
        value = {"words_cosine": overlap(p.terms[p.leading], texts.one, texts.other)["cosine"]}
        if p.kinds[p.leading] == "cjk":
            value["glyphs"] = glyph_similarities(held, texts.one, texts.other)
        else:
            value |= string_similarities(held, texts.one, texts.other, _TEXT_SCORERS)
        _spread(value, p.leading, texts, found)
    return Features(np.stack([found[name] for name in rival_names(p)], axis=1), rival_names(p))
