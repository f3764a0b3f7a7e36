"""SubRip subtitles: the words are translated, numbers and times stay byte for byte."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

__all__ = ["Cue", "parse_srt", "srt_text", "wrapped"]

_TIMES: Final = re.compile(r"^\s*\d{1,2}:\d{2}:\d{2}[,.]\d{1,3}\s*-->\s*\d{1,2}:\d{2}:\d{2}[,.]\d{1,3}")
_TAG: Final = re.compile(r"</?[a-zA-Z][^>]*>|\{\\[^}]*\}")


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown for a while.

    Attributes:
        head: the lines above the words: blank lines, number and times, as they stand.
        lines: the words, a line each; none for an empty cue.
    """

    head: tuple[str, ...]
    lines: tuple[str, ...]

    def speeches(self) -> list[str]:
        """What is translated at once: all lines together, or each line that begins with a dash apart."""
        speeches: list[str] = []
        for line in self.lines:
            plain = _TAG.sub("", line).strip()
            if speeches and not plain.startswith(("-", "–")):
                speeches[-1] = f"{speeches[-1]} {plain}".strip()
            else:
                speeches.append(plain)
        return speeches

    def saying(self, speeches: list[str]) -> Cue:
        """The same cue with other words: as many lines as before, and in italics or the like where all of it was."""
        lines: list[str] = []
        if len(speeches) == 1:
            lines = wrapped(speeches[0], len(self.lines))
        else:
            lines = speeches
        if self.lines and lines:
            opening = re.match(r"(?:<[a-zA-Z][^>]*>|\{\\[^}]*\})+", self.lines[0].strip())
            closing = re.search(r"(?:</[a-zA-Z]+>)+$", self.lines[-1].strip())
            lines[0] = (opening[0] if opening else "") + lines[0]
            lines[-1] += closing[0] if closing else ""
        return replace(self, lines=tuple(lines))


def parse_srt(lines: list[str]) -> list[Cue]:
    """Cues in their order. Whatever stands before the first times is the first cue's head."""
    cues: list[Cue] = []
    head: list[str] = []
    words: list[str] | None = None
    for line in lines:
        if words is None:
            head.append(line)
            if _TIMES.match(line):
                words = []
        elif line.strip():
            words.append(line)
        else:
            cues.append(Cue(tuple(head), tuple(words)))
            head, words = [line], None
    if head or words:
        cues.append(Cue(tuple(head), tuple(words or ())))
    return cues


def srt_text(cues: list[Cue]) -> str:
    """The file again, each line with its end."""
    return "".join(f"{line}\n" for cue in cues for line in (*cue.head, *cue.lines))


def wrapped(text: str, lines: int) -> list[str]:
    """A text in at most ``lines`` lines of about the same length."""
    words = text.split()
    if lines <= 1 or len(words) <= 1:
        return [text]
    wanted = len(text) / lines
    rows: list[list[str]] = [[]]
    for word in words:
        length = len(" ".join(rows[-1]))
        # A word goes where more than half of it fits.
        if rows[-1] and len(rows) < lines and length + len(word) / 2 >= wanted:
            rows.append([])
        rows[-1].append(word)
    return [" ".join(row) for row in rows]
