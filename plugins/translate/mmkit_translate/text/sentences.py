"""Long lines in parts that a model can read: sentences, and where these are too long, their clauses and words."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["parts_of", "sentences_of"]

#: A full stop after these ends no sentence; lower case, of all four languages.
_ABBREVIATIONS: Final = frozenset(
    word
    for language in (
        "mr mrs ms dr prof st sr jr vs etc e.g i.e no fig vol co inc ltd",
        "z.b d.h u.a usw bzw ca nr str hr fr evtl ggf inkl z.t o.ä vgl abb bd",
        "m mm mme mlle p.ex cf av env",
        "např tzv tj atd apod č ul sv mj resp popř ing mgr",
    )
    for word in language.split()
)
_END: Final = re.compile(r"""([.!?…]+["'”’»“)\]]*)(\s+)(?=["'“„«»(\[¿¡–-]*\s?[^\W_])""")
_CLAUSE: Final = re.compile(r"(?<=[,;:–—])\s+")


def sentences_of(text: str) -> list[str]:
    """The sentences of a text; joined by spaces they give it again."""
    sentences, start = [], 0
    for match in _END.finditer(text):
        before = text[start : match.start()]
        last = before.rsplit(None, 1)[-1] if before.split() else ""
        following = text[match.end() :].lstrip("\"'“„«»([¿¡–- ")[:1]
        if match[1].startswith(".") and not match[1].startswith("..") and _goes_on(last, following):
            continue
        sentences.append(text[start : match.end(1)].strip())
        start = match.end()
    rest = text[start:].strip()
    return [*sentences, rest] if rest else sentences


def _goes_on(word: str, following: str) -> bool:
    """True where a single full stop after ``word`` ends no sentence."""
    plain = word.lstrip("(\"'“„«[").lower()
    one_letter = len(plain) == 1 and plain.isalpha()
    # "am 3. Mai", "v 19. století": an ordinal number.
    ordinal = plain.isdigit() and len(plain) <= 2
    return following.islower() or one_letter or ordinal or plain in _ABBREVIATIONS


def parts_of(text: str, *, longest: int = 40) -> list[str]:
    """A text as it is where it has at most ``longest`` words, otherwise sentences or smaller parts of such length."""
    if len(text.split()) <= longest:
        return [text] if text else []
    parts: list[str] = []
    for sentence in sentences_of(text):
        parts += [sentence] if len(sentence.split()) <= longest else _clauses(sentence, longest)
    return parts


def _clauses(sentence: str, longest: int) -> list[str]:
    parts: list[str] = []
    for clause in _CLAUSE.split(sentence):
        words = clause.split()
        while len(words) > longest:
            parts.append(" ".join(words[:longest]))
            words = words[longest:]
        joined = f"{parts[-1]} {' '.join(words)}" if parts else ""
        if parts and words and len(joined.split()) <= longest:
            parts[-1] = joined
        elif words:
            parts.append(" ".join(words))
    return parts
