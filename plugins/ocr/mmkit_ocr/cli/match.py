"""``mmkit ocr match``: which word of a lexicon each crop shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmkit.cli.options import (
    ColumnOption,
    DeviceOption,
    FailuresOption,
    InputsArgument,
    JsonOption,
    StrictOption,
)


def match(
    crops: InputsArgument,
    lexicon: Annotated[Path, typer.Option("--lexicon", "-l", metavar="FILE", help="Words, one a line.")],
    k: Annotated[int, typer.Option("-k", "--top", min=1, help="Words a crop.")] = 5,
    vectors_only: Annotated[
        bool, typer.Option("--vectors-only", help="Rank by cosine alone, without the decoder's likelihoods.")
    ] = False,
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help="A file of mmkit ocr train; default: the bundled.")
    ] = None,
    column: ColumnOption = None,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> int:
    """Find the words of a lexicon that each crop shows most likely.

    Crops and words are vectors of one space (the encoder ocr-word), so the search is the same as for any store; the
    decoder then says how likely each of the nearest words is, given the crop.

    \b
    Examples:
      mmkit ocr match crops/ --lexicon streets.txt
      mmkit ocr match crops/*.png --lexicon products.txt -k 1 --json
      mmkit index build words.store --encoder ocr-word --modality text words.txt   # a lexicon kept as a store
    """
    from mmkit.cli.output import emit, emit_json, finish, note, shown_path
    from mmkit.cli.progress import Progress
    from mmkit.config import settings
    from mmkit.types import Failure
    from mmkit_ocr.cli.loading import batches_of, crops_from
    from mmkit_ocr.encoder import OcrWordEncoder
    from mmkit_ocr.lexicon import Lexicon
    from mmkit_ocr.recogniser.crops import fitted

    listed = _words_of(lexicon)
    encoder = OcrWordEncoder(weights, settings(device=device))
    known = Lexicon(listed, encoder)
    if left := len(set(listed)) - len(known.words):
        note(f"{left} of the words of {lexicon} have no character that the recogniser knows")
    failed: list[Failure] = []
    with Progress("matching", inputs=crops) as progress:
        loaded = crops_from(crops, column=column, failed=failed, strict=strict)
        for items, pictures in batches_of(loaded, 64):
            matches = known.match([fitted(picture) for picture in pictures], k=k, rescore=not vectors_only)
            for item, found in zip(items, matches, strict=True):
                if json:
                    hits = [
                        {"word": hit.word, "likelihood": round(hit.likelihood, 6), "cosine": round(hit.cosine, 4)}
                        for hit in found.hits
                    ]
                    emit_json({"id": item.id, "hits": hits, "read": found.reading.text})
                else:
                    shown = "\t".join(f"{hit.word} {hit.likelihood:.3f}" for hit in found.hits)
                    emit(f"{shown_path(item.id)}\t{shown}")
            progress.advance(len(items))
    return finish(failed, failures or Path("failures.jsonl"))


def _words_of(path: Path) -> list[str]:
    from mmkit.errors import UsageError

    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot be read: {error}", where=str(path), mend="give a UTF-8 file, one word a line"
        ) from error
    words = [line.strip() for line in text.splitlines() if line.strip()]
    if not words:
        raise UsageError("holds no word", where=str(path), mend="give a file with one word a line")
    return words
