"""Why a pair has its score: what each column moved, which words are shared, how the pictures compare.

Legend: P pairs, F features.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Final

import numpy as np

from mmkit.errors import UsageError
from mmkit_link.linking import Compared
from mmkit_link.pages import bar, page, picture, row
from mmkit_link.prepared import WHOLE
from mmkit_link.records import Records
from mmkit_link.scoring import Scored
from mmkit_link.words import fold, words

__all__ = ["Explanation", "explain", "explanation_page"]

_TITLES: Final = {
    WHOLE: "the record as a whole",
    "candidate": "the pair beside its rivals",
    "text": "the encoder's view of the text",
    "picture": "the pictures",
}
_UNKNOWN: Final = -1.0


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """One pair.

    Attributes:
        place: of the pair in ``Compared.pairs``.
        score, threshold: of the pair and of links.
        moved: for each group of features, the score less what it would be if that group knew nothing; of a score
            that no model gave, each view's similarity.
        words: word, its weight, and ``same``, ``left`` or ``right`` for who has it; heaviest first.
    """

    place: int
    score: float
    threshold: float
    moved: dict[str, float]
    words: tuple[tuple[str, float, str], ...]


def explain(compared: Compared, scored: Scored, left: str, right: str) -> Explanation:
    """Explain the pair of two ids.

    Raises:
        UsageError: an id that its table lacks, or a pair that was not compared.
    """
    prepared = compared.prepared
    rows = _row_of(prepared.left, left, "left"), _row_of(prepared.right, right, "right")
    found = np.flatnonzero((compared.pairs[:, 0] == rows[0]) & (compared.pairs[:, 1] == rows[1]))
    if not len(found):
        raise UsageError(f"the pair {left},{right} was not compared", where="--pair")
    place = int(found[0])
    return Explanation(
        place, float(scored.scores[place]), scored.threshold, _moved(compared, scored, place), _words(compared, rows)
    )


def _row_of(records: Records, name: str, side: str) -> int:
    try:
        return records.ids.index(name)
    except ValueError:
        raise UsageError(f"the {side} table has no id {name!r}", where="--pair") from None


def _moved(compared: Compared, scored: Scored, place: int) -> dict[str, float]:
    features = compared.features(np.array([place]))
    values = features.values
    groups: dict[str, list[int]] = {}
    for number, name in enumerate(features.names):
        groups.setdefault(_group(name), []).append(number)
    if scored.model is None:
        return {"candidate": float(compared.similarity[place])}
    model = scored.model
    changed = np.repeat(values, len(groups), axis=0)
    for number, columns in enumerate(groups.values()):
        changed[number, columns] = _UNKNOWN
    # A self-taught model is not calibrated, so that its sigmoid is the identity.
    before = float(model.sigmoid(model.raw(values))[0])
    after = model.sigmoid(model.raw(changed))
    return {name: before - float(value) for name, value in zip(groups, after, strict=True)}


def _group(name: str) -> str:
    if name.endswith(("_margin", "_rank")):
        return "candidate"
    return name.rpartition(":")[0]


def _words(compared: Compared, rows: tuple[int, int]) -> tuple[tuple[str, float, str], ...]:
    prepared = compared.prepared
    view = prepared.terms[WHOLE]
    sides = [set(words(prepared.whole(side, rows[side]))) for side in (0, 1)]
    found = []
    for word in sides[0] | sides[1]:
        weight = float(view.weight[prepared.vocabulary[word]])
        kind = "same" if word in sides[0] & sides[1] else "left" if word in sides[0] else "right"
        found.append((word, weight, kind))
    return tuple(sorted(found, key=lambda item: (-item[1], item[0])))


def explanation_page(compared: Compared, explained: Explanation) -> str:
    """The explanation as an HTML page."""
    prepared = compared.prepared
    one, other = compared.pairs[explained.place].tolist()
    left, right = prepared.left, prepared.right
    linked = explained.score >= explained.threshold
    verdict = "at or above" if linked else "below"
    largest = max((abs(value) for value in explained.moved.values()), default=1.0)
    moved = [
        row([html.escape(_TITLES.get(name, name)), bar(value, largest)])
        for name, value in sorted(explained.moved.items(), key=lambda item: -abs(item[1]))
    ]
    marks = " ".join(
        f'<mark class="{kind}" title="weight {weight:.2f}">{html.escape(word)}</mark>'
        for word, weight, kind in explained.words
    )
    parts = [
        f"<p>Score {explained.score:.3f}, {verdict} the threshold {explained.threshold:.3f}.</p>",
        "<table>" + "\n".join(record_rows(left, right, one, other)) + "</table>",
        "<h2>How much each part moved the score</h2>",
        "<p>The score less what it would be if that part were unknown.</p>",
        "<table>" + "\n".join(moved) + "</table>",
        "<h2>Words, the rarest first</h2>",
        '<p><mark class="same">in both</mark> <mark class="left">left only</mark> '
        '<mark class="right">right only</mark></p>',
        f"<p>{marks}</p>",
    ]
    return page(f"{left.ids[one]} and {right.ids[other]}", parts)


def record_rows(left: Records, right: Records, one: int, other: int) -> list[str]:
    """Table rows of two records side by side, shared words marked, with their pictures."""
    rows = [row(["", html.escape(left.ids[one]), html.escape(right.ids[other])], head=True)]
    for name in left.columns:
        texts = left.columns[name][one], right.columns[name][other]
        shared = set(words(fold(texts[0]))) & set(words(fold(texts[1])))
        rows.append(row([html.escape(name), *(_marked(text, shared) for text in texts)]))
    if left.pictures and right.pictures:
        rows.append(row(["picture", picture(left.pictures[one]), picture(right.pictures[other])]))
    return rows


def _marked(text: str, shared: set[str]) -> str:
    parts = []
    for piece in text.split(" "):
        escaped = html.escape(piece)
        held = words(fold(piece))
        parts.append(f'<mark class="same">{escaped}</mark>' if held and set(held) <= shared else escaped)
    return " ".join(parts)
