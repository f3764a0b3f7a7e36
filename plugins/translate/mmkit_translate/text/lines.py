"""Lines in, as many lines out, in the same order: what the command and the step are made of.

N lines, D dims of the space of pictures and texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmkit_translate.text.languages import Detector, languages_of
from mmkit_translate.text.normal import has_words, normalised
from mmkit_translate.text.sentences import parts_of
from mmkit_translate.translating import Scored, Search, Translator

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Line", "translate_lines"]

#: Lines that are translated before the first of them is given out.
_AT_ONCE = 2000
#: A line is left as it is where it is in the target language already with at least this probability.
_SURELY_TARGET = 0.97


@dataclass(frozen=True, slots=True)
class Line:
    """A line and its translation.

    Attributes:
        source: its language, as given or found; empty where it has no words.
        translation: the line itself where there was nothing to translate.
        score: log-probability over length; None where there was nothing to translate.
        alternatives: further translations, best first.
    """

    text: str
    source: str
    translation: str
    score: float | None = None
    alternatives: tuple[Scored, ...] = ()


def translate_lines(
    translator: Translator,
    lines: Sequence[str],
    *,
    target: str,
    source: str | None = None,
    search: Search | None = None,
    longest: int = 40,
    vectors: np.ndarray | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> Iterator[Line]:
    """A ``Line`` for each of N lines, in their order.

    Lines without letters come back as they are, and so do, where ``source`` is None, lines that are in the target
    language already. Lines of more than ``longest`` words are translated sentence by sentence; their score is the
    mean of the parts', and their k-th alternative is made of the parts' k-th.

    Args:
        source: the language of all lines; None finds it for each.
        vectors: (N, D) of pictures, a row of zeros where there is none; see ``Translator.translate``.
        advance: is told how many lines are done.
    """
    chosen = search or Search()
    detector = Detector(translator.sources) if source is None else None
    for start in range(0, len(lines), _AT_ONCE):
        some = lines[start : start + _AT_ONCE]
        pictures = None if vectors is None else vectors[start : start + _AT_ONCE]
        yield from _translated(translator, some, target, source, detector, chosen, longest, pictures)
        advance(len(some))


def _translated(
    translator: Translator,
    lines: Sequence[str],
    target: str,
    source: str | None,
    detector: Detector | None,
    search: Search,
    longest: int,
    vectors: np.ndarray | None,
) -> Iterator[Line]:
    plain = [normalised(line) for line in lines]
    languages = [source or ""] * len(lines) if detector is None else languages_of(plain, detector, target=target)
    # A part, its language and where its picture is, once for all lines that say it.
    places: dict[tuple[str, str, int], int] = {}
    parts: list[list[int]] = []
    for number, (text, language) in enumerate(zip(plain, languages, strict=True)):
        if not has_words(text) or (language == target and _is_target(text, target, detector)):
            parts.append([])
            continue
        picture = number if vectors is not None and vectors[number].any() else -1
        spoken = language if language != target else _other(translator, target)
        keys = [(part, spoken, picture) for part in parts_of(text, longest=longest)]
        parts.append([places.setdefault(key, len(places)) for key in keys])
    found = _found(translator, list(places), target, search, vectors)
    for number, line in enumerate(lines):
        scored = [found[place] for place in parts[number]]
        language = languages[number] if has_words(plain[number]) else ""
        yield _line(line, language, scored)


def _is_target(text: str, target: str, detector: Detector | None) -> bool:
    if detector is None:
        return False
    language, probability = detector.detect(text)
    return language == target and probability >= _SURELY_TARGET


def _other(translator: Translator, target: str) -> str:
    """A language that a doubtful line may be said to be in."""
    return next((language for language in translator.sources if language != target), target)


def _found(
    translator: Translator,
    keys: Sequence[tuple[str, str, int]],
    target: str,
    search: Search,
    vectors: np.ndarray | None,
) -> list[list[Scored]]:
    if not keys:
        return []
    chosen = None
    if vectors is not None:
        import numpy as np

        nothing = np.zeros_like(vectors[0])
        chosen = np.stack([vectors[picture] if picture >= 0 else nothing for _, _, picture in keys])
    texts, sources = [text for text, _, _ in keys], [language for _, language, _ in keys]
    return translator.translate(texts, target=target, sources=sources, search=search, vectors=chosen)


def _line(text: str, language: str, parts: Sequence[list[Scored]]) -> Line:
    if not any(parts):
        return Line(text, language, text.rstrip("\r\n") if text.strip() else "")
    count = max(len(part) for part in parts)
    joined = []
    for rank in range(count):
        ranked = [part[min(rank, len(part) - 1)] for part in parts if part]
        score = sum(one.score for one in ranked) / len(ranked)
        joined.append(Scored(" ".join(one.text for one in ranked if one.text), score))
    return Line(text, language, joined[0].text, joined[0].score, tuple(joined[1:]))
