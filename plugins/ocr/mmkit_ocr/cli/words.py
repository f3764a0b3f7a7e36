"""``mmkit ocr words``: what pictures of single words say."""

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

RecognizerOption = Annotated[
    str,
    typer.Option("--recognizer", "-r", metavar="NAME", help="bundled, rapidocr, tesseract or a trained file."),
]
DecodeOption = Annotated[
    str | None,
    typer.Option(
        "--decode",
        metavar="WAY",
        help="careful, ar (default), nar or draft: from best to fastest; bundled and trained only.",
    ),
]


def words(
    crops: InputsArgument,
    recognizer: RecognizerOption = "bundled",
    decode: DecodeOption = None,
    min_confidence: Annotated[
        float, typer.Option("--min-confidence", min=0.0, max=1.0, help="Leave less certain words out.")
    ] = 0.0,
    column: ColumnOption = None,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> int:
    """Read pictures of single words, one line each: name, word, confidence.

    \b
    Examples:
      mmkit ocr words crops/*.png
      mmkit ocr words crops/ --json > words.jsonl
      find . -name '*.jpg' | mmkit ocr words - --min-confidence 0.5
    """
    from mmkit.cli.output import emit, emit_json, finish, note, shown_path
    from mmkit.cli.progress import Progress
    from mmkit.types import Failure
    from mmkit_ocr.cli.loading import batches_of, crops_from, reader_named

    reader = reader_named(recognizer, device, decode)
    failed: list[Failure] = []
    seen = 0
    with Progress("reading words", inputs=crops) as progress:
        loaded = crops_from(crops, column=column, failed=failed, strict=strict)
        for items, pictures in batches_of(loaded, 64):
            for item, reading in zip(items, reader.read(pictures), strict=True):
                if reading.confidence < min_confidence:
                    continue
                if json:
                    emit_json(
                        {
                            "id": item.id,
                            "text": reading.text,
                            "confidence": round(reading.confidence, 6),
                            "characters": [round(value, 4) for value in reading.characters],
                        }
                    )
                else:
                    emit(f"{shown_path(item.id)}\t{reading.text}\t{reading.confidence:.3f}")
            progress.advance(len(items))
            seen += len(items)
    if not seen and not failed:
        note("nothing to read was found in the inputs")
    return finish(failed, failures or Path("failures.jsonl"))
