"""Translations of lines, tables and subtitles, read and written as the command line was told.

N lines, D dims of the space of pictures and texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmkit.cli.output import emit, emit_json
from mmkit.cli.progress import Progress
from mmkit.media.tables import read_table, write_table
from mmkit.media.target import atomic_path
from mmkit.types import Failure, Item
from mmkit_translate.text.lines import Line, translate_lines
from mmkit_translate.text.subtitles import parse_srt, srt_text
from mmkit_translate.text.tables import column_named, picture_rows, translate_table
from mmkit_translate.translating import Search, Translator

__all__ = ["Job", "pictures_of", "record_of", "run_lines", "run_subtitles", "run_table"]


@dataclass(frozen=True, slots=True)
class Job:
    """What the options say.

    Attributes:
        picture: (1, D) the vector of the one picture; None without one.
    """

    translator: Translator
    target: str
    source: str | None
    search: Search
    longest: int
    output: Path | None
    json: bool
    picture: np.ndarray | None

    def lines(self, lines: Sequence[str], progress: Progress) -> Iterator[Line]:
        """Translate N lines."""
        vectors = None if self.picture is None else np.repeat(self.picture, len(lines), axis=0)
        return translate_lines(
            self.translator,
            lines,
            target=self.target,
            source=self.source,
            search=self.search,
            longest=self.longest,
            vectors=vectors,
            advance=progress.advance,
        )


def pictures_of(translator: Translator, image: Path) -> np.ndarray:
    """(1, D) the vector of a picture. Raises BadInput where it cannot be read."""
    return translator.picture_vectors([Item.from_path(image, "image")])


def run_lines(job: Job, lines: Sequence[str]) -> None:
    """Lines to stdout or a file as they come."""
    with Progress("translating", total=len(lines)) as progress:
        done = job.lines(lines, progress)
        if job.output is None:
            for number, line in enumerate(done, start=1):
                _show(job, number, line)
            return
        import json

        with atomic_path(job.output) as partial, open(partial, "w", encoding="utf-8") as file:
            for number, line in enumerate(done, start=1):
                shown = json.dumps(record_of(job, number, line), ensure_ascii=False) if job.json else line.translation
                file.write(f"{shown}\n")
    emit(str(job.output))


def run_subtitles(job: Job, lines: Sequence[str]) -> None:
    """A file of subtitles to stdout or a file."""
    cues = parse_srt(list(lines))
    speeches = [cue.speeches() for cue in cues]
    flat = [speech for cue in speeches for speech in cue]
    with Progress("translating", total=len(flat)) as progress:
        done = list(job.lines(flat, progress))
    if job.json:
        for number, line in enumerate(done, start=1):
            _show(job, number, line)
        return
    texts = iter(line.translation for line in done)
    translated = [cue.saying([next(texts) for _ in said]) for cue, said in zip(cues, speeches, strict=True)]
    if job.output is None:
        emit(srt_text(translated).removesuffix("\n"))
        return
    with atomic_path(job.output) as partial:
        partial.write_text(srt_text(translated), encoding="utf-8")
    emit(str(job.output))


def run_table(job: Job, path: Path, column: str, images: str | None, *, strict: bool) -> list[Failure]:
    """A table to JSON Lines on stdout or a file; gives back the pictures that could not be read."""
    table = read_table(path)
    cells = column_named(table, column)
    vectors, failed = None, []
    if images is not None:
        named = column_named(table, images, "--images")
        vectors, failed = picture_rows(job.translator, named, path.parent, strict=strict)
    elif job.picture is not None:
        vectors = np.repeat(job.picture, len(cells), axis=0)
    with Progress("translating", total=len(cells)) as progress:
        done = translate_table(
            job.translator,
            table,
            column,
            target=job.target,
            source=job.source,
            search=job.search,
            longest=job.longest,
            vectors=vectors,
            advance=progress.advance,
        )
    if job.output is None:
        for row in done.to_pylist():
            emit_json(row)
    else:
        write_table(done, job.output)
        emit(str(job.output))
    return failed


def record_of(job: Job, number: int, line: Line) -> dict[str, Any]:
    """A line as JSON shows it."""
    return {
        "line": number,
        "text": line.text,
        "from": line.source or None,
        "to": job.target,
        "translation": line.translation,
        "score": None if line.score is None else round(line.score, 4),
        "alternatives": [{"text": one.text, "score": round(one.score, 4)} for one in line.alternatives],
    }


def _show(job: Job, number: int, line: Line) -> None:
    if job.json:
        emit_json(record_of(job, number, line))
    else:
        emit(line.translation)
