"""From a folder of aligned lines to packed training data.

    parallel/NAME.LANG      line n of every file of a NAME says the same; an empty line is a text that is missing
    captions/NAME.K.LANG    further captions of the pictures that parallel/NAME.* describe, on the same lines
    pictures/NAME.tsv       line number from 0, tab, a picture
    val/NAME.LANG           aligned lines for validation

N texts, U units, D dims.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mmkit.errors import BadInput, UsageError
from mmkit.generation.vocabulary import Vocabulary
from mmkit_translate.text.normal import normalised
from mmkit_translate.training.packed import CAPTION, HELD_OUT, PARALLEL, Packed

if TYPE_CHECKING:
    from mmkit.encoders.base import Encoder

__all__ = ["Corpus", "pack", "read_corpus", "repack", "train_vocabulary"]


@dataclass(slots=True)
class Corpus:
    """Texts with their units, before they are cut into pieces.

    Attributes:
        texts, languages, units, roles: of each text.
        english: the English text of each unit.
        pictures: unit -> file.
    """

    texts: list[str] = field(default_factory=list)
    languages: list[int] = field(default_factory=list)
    units: list[int] = field(default_factory=list)
    roles: list[int] = field(default_factory=list)
    english: list[str] = field(default_factory=list)
    pictures: dict[int, Path] = field(default_factory=dict)

    def add(self, texts: Sequence[str], language: int, first: int, role: int) -> None:
        """Lines whose first belongs to the unit ``first``; empty ones are left out."""
        for number, text in enumerate(texts):
            if text:
                self.texts.append(text)
                self.languages.append(language)
                self.units.append(first + number)
                self.roles.append(role)


def read_corpus(folder: Path, languages: Sequence[str]) -> Corpus:
    """All texts below ``folder``.

    Raises:
        BadInput: files of one name differ in their number of lines, or one has no English.
        UsageError: there is nothing to train on.
    """
    corpus = Corpus()
    for role, kind in ((PARALLEL, "parallel"), (HELD_OUT, "val")):
        for name in sorted({path.stem for path in (folder / kind).glob("*.*") if path.suffix[1:] in languages}):
            _add_name(corpus, folder, kind, name, role, languages)
    if not corpus.texts:
        raise UsageError(
            "holds no parallel/NAME.LANG", where=str(folder), mend=f"LANG is one of {', '.join(languages)}"
        )
    return corpus


def _add_name(corpus: Corpus, folder: Path, kind: str, name: str, role: int, languages: Sequence[str]) -> None:
    first = len(corpus.english)
    files = {language: folder / kind / f"{name}.{language}" for language in languages}
    lines = {language: _lines(path) for language, path in files.items() if path.is_file()}
    if "en" not in lines:
        raise BadInput("has no English beside it, from which the vectors come", where=str(folder / kind / name))
    count = len(lines["en"])
    for language, texts in lines.items():
        _check_count(files[language], len(texts), count)
        corpus.add(texts, languages.index(language), first, role)
    corpus.english += lines["en"]
    if role != PARALLEL:
        return
    for path in sorted((folder / "captions").glob(f"{name}.*.*")):
        if path.suffix[1:] in languages:
            texts = _lines(path)
            _check_count(path, len(texts), count)
            corpus.add(texts, languages.index(path.suffix[1:]), first, CAPTION)
    table = folder / "pictures" / f"{name}.tsv"
    if table.is_file():
        for row in table.read_text("utf-8").splitlines():
            number, _, picture = row.partition("\t")
            corpus.pictures[first + int(number)] = table.parent / picture


def _lines(path: Path) -> list[str]:
    try:
        return [normalised(line) for line in path.read_text("utf-8").removesuffix("\n").split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}", where=str(path)) from error


def _check_count(path: Path, found: int, expected: int) -> None:
    if found != expected:
        raise BadInput(f"Expected {expected} lines, as in the English file, but found {found}", where=str(path))


def train_vocabulary(corpus: Corpus, size: int, languages: Sequence[str]) -> Vocabulary:
    """Pieces of the training texts, with a mark ``<xx>`` a language."""
    texts = (text for text, role in zip(corpus.texts, corpus.roles, strict=True) if role != HELD_OUT)
    return Vocabulary.train(texts, size, special=[f"<{language}>" for language in languages])


def pack(
    corpus: Corpus, vocabulary: Vocabulary, encoder: Encoder, *, advance: Callable[[int], None] = lambda count: None
) -> Packed:
    """Pieces and vectors of everything; ``advance`` is told how many vectors were made."""
    text_vectors = _text_vectors(corpus.english, encoder, advance)
    vectors = text_vectors.clone()
    for unit, picture in corpus.pictures.items():
        vectors[unit] = _picture_vector(picture, encoder)
        advance(1)
    return _packed(corpus, vocabulary, vectors, text_vectors)


def repack(corpus: Corpus, vocabulary: Vocabulary, earlier: Packed) -> Packed:
    """The same corpus in other pieces, with the vectors that ``earlier`` has.

    Raises:
        UsageError: ``earlier`` was made of another corpus.
    """
    if len(earlier.vectors) != len(corpus.english):
        raise UsageError(
            f"Expected vectors of {len(corpus.english)} meanings, but received {len(earlier.vectors)}",
            where="--vectors",
        )
    return _packed(corpus, vocabulary, earlier.vectors, earlier.text_vectors)


def _packed(corpus: Corpus, vocabulary: Vocabulary, vectors: Tensor, text_vectors: Tensor) -> Packed:
    rows = vocabulary.encode_batch(corpus.texts)
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int32)
    return Packed(
        pieces=torch.tensor([piece for row in rows for piece in row], dtype=torch.int16),
        starts=torch.cat([torch.zeros(1, dtype=torch.int32), lengths.cumsum(0).int()]),
        language=torch.tensor(corpus.languages, dtype=torch.int8),
        unit=torch.tensor(corpus.units, dtype=torch.int32),
        role=torch.tensor(corpus.roles, dtype=torch.int8),
        vectors=vectors,
        text_vectors=text_vectors,
    )


def _text_vectors(texts: Sequence[str], encoder: Encoder, advance: Callable[[int], None]) -> Tensor:
    from mmkit.types import Item

    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    vectors = torch.zeros(len(texts), encoder.spec.dim, dtype=torch.float16)
    for start in range(0, len(order), 64):
        chosen = order[start : start + 64]
        batch = [encoder.prepare(Item.from_text(texts[number])) for number in chosen]
        vectors[chosen] = torch.from_numpy(encoder.encode(batch, "text").vectors).half()
        advance(len(chosen))
    return vectors


def _picture_vector(picture: Path, encoder: Encoder) -> Tensor:
    from mmkit.types import Item

    prepared = encoder.prepare(Item.from_path(picture, "image"))
    return torch.from_numpy(encoder.encode([prepared], "image").vectors)[0].half()
