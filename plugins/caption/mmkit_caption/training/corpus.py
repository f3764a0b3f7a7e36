"""The sentences that a captioner learns to write.

A line of text is an English sentence. A line of JSON says more::

    {"text": "Ein Hund rennt.", "lang": "de", "of": "A dog runs.", "group": "42"}

``of`` is the English sentence that this one translates, ``group`` names sentences about one thing (whatever it is: no
picture is named or looked at).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmkit.errors import BadInput
from mmkit.media.text import read_lines

__all__ = ["Sentence", "pivot_texts", "read_corpus"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the corpus.

    Attributes:
        lang: its language.
        of: the sentence in the encoder's language that this one translates; "" where there is none.
        group: a name that the sentences about one thing share; "" for a sentence alone.
    """

    text: str
    lang: str = "en"
    of: str = ""
    group: str = ""


def read_corpus(paths: Iterable[Path], *, languages: Sequence[str] | None = None) -> list[Sentence]:
    """The sentences of text files and ``.jsonl`` files, of ``languages`` alone where given; repeated ones once.

    Raises:
        BadInput: a file cannot be read, a line is not of that form, or nothing is left.
    """
    found: dict[Sentence, None] = {}
    names = []
    for path in paths:
        names.append(str(path))
        json_lines = path.suffix.lower() == ".jsonl"
        for number, line in enumerate(read_lines(path), start=1):
            if not line.strip():
                continue
            sentence = _sentence(line, f"{path}:{number}") if json_lines else Sentence(line.strip())
            if languages is None or sentence.lang in languages:
                found[sentence] = None
    if not found:
        wanted = "" if languages is None else f" in {', '.join(languages)}"
        raise BadInput(f"Expected at least one sentence{wanted}", where=", ".join(names))
    return list(found)


def _sentence(line: str, where: str) -> Sentence:
    try:
        record = json.loads(line)
        fields = [record["text"], record.get("lang", "en"), record.get("of", ""), record.get("group", "")]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput('Expected {"text": "…"} with perhaps lang, of and group', where=where) from error
    if not all(isinstance(value, str) for value in fields) or not fields[0].strip():
        raise BadInput("Expected a text that is not empty, and lang, of and group as texts", where=where)
    return Sentence(fields[0].strip(), *fields[1:])


def pivot_texts(corpus: Iterable[Sentence], *, spoken: str = "en") -> list[str]:
    """Every text that needs a vector, once, in order: sentences in the encoder's language and what others translate."""
    texts: dict[str, None] = {}
    for sentence in corpus:
        if sentence.lang == spoken:
            texts[sentence.text] = None
        elif sentence.of:
            texts[sentence.of] = None
    return list(texts)
