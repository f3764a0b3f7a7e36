"""``mmkit ocr eval``: word accuracy on labelled crops."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from mmkit.cli.options import DeviceOption, FailuresOption, JsonOption, StrictOption
from mmkit_ocr.cli.words import DecodeOption, RecognizerOption


def evaluate(
    labels: Annotated[Path, typer.Option("--labels", metavar="TSV", help="Lines of: file, tab, text.")],
    root: Annotated[Path | None, typer.Option("--root", metavar="DIR", help="Where the files are.")] = None,
    recognizer: RecognizerOption = "bundled",
    decode: DecodeOption = None,
    charset: Annotated[
        str, typer.Option("--charset", metavar="KIND", help="36: letters in lower case and digits; or full.")
    ] = "36",
    errors: Annotated[
        Path | None, typer.Option("--errors", metavar="TSV", help="Write file, text, reading of each wrong word.")
    ] = None,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> int:
    """Measure word accuracy and 1 - NED on labelled crops, by the protocol of PARSeq.

    A crop that cannot be read as a picture counts as wrong and is listed among the failures.

    \b
    Examples:
      mmkit ocr eval --labels iiit5k/labels.tsv --root iiit5k --json
      mmkit ocr eval --labels svt.tsv --root svt --recognizer rapidocr --charset full
    """
    import time

    from mmkit.cli.output import emit, emit_json, finish
    from mmkit.cli.progress import Progress
    from mmkit.errors import UsageError
    from mmkit.types import Failure
    from mmkit_ocr.cli.loading import batches_of, crops_from, reader_named
    from mmkit_ocr.evaluate import CHARSETS, folded, word_scores

    if charset not in CHARSETS:
        raise UsageError(f"Expected one of {', '.join(CHARSETS)}, but received {charset!r}", where="--charset")
    rows = _labels(labels, root or labels.parent)
    reader = reader_named(recognizer, device, decode)
    failed: list[Failure] = []
    read: dict[str, str] = {}
    seconds = 0.0
    with Progress("reading words", total=len(rows)) as progress:
        loaded = crops_from([str(path) for path, _ in rows], column=None, failed=failed, strict=strict)
        for items, pictures in batches_of(loaded, 256):
            started = time.perf_counter()
            readings = reader.read(pictures)
            seconds += time.perf_counter() - started
            read |= {item.id: reading.text for item, reading in zip(items, readings, strict=True)}
            progress.advance(len(items))
    own = [read.get(str(path), "") for path, _ in rows]
    wanted = [text for _, text in rows]
    scores = word_scores(own, wanted, charset=charset)
    characters = sum(len(text) for text in own)
    result = {
        "recognizer": reader.name,
        "charset": charset,
        **scores,
        "characters_per_second": round(characters / seconds, 1) if seconds else 0.0,
        "crops_per_second": round(len(read) / seconds, 1) if seconds else 0.0,
    }
    if errors is not None:
        fold = folded if charset == "36" else str
        with open(errors, "w", encoding="utf-8") as out:
            for (path, text), reading in zip(rows, own, strict=True):
                if fold(text) != fold(reading):
                    out.write(f"{path}\t{text}\t{reading}\n")
    if json:
        emit_json(result)
    else:
        for name, value in result.items():
            emit(f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {value}")
    return finish(failed, failures or Path("failures.jsonl"))


def _labels(path: Path, root: Path) -> list[tuple[Path, str]]:
    from mmkit.errors import UsageError

    mend = "give lines of: file, tab, text"
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            rows = [row for row in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE) if row]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path), mend=mend) from error
    if not rows:
        raise UsageError("holds no label", where=str(path), mend=mend)
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise UsageError(f"Expected 2 fields, but found {len(row)}", where=f"{path}:{number}", mend=mend)
    return [(root / name, text) for name, text in rows]
