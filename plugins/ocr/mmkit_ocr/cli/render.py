"""``mmkit ocr render``: labelled pictures of words, as training draws them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mmkit.cli.options import JsonOption, OverwriteOption
from mmkit.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

_BATCH: Final = 64


def render(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where pictures and labels go.")],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many words.")] = 100,
    words: Annotated[
        list[Path] | None, typer.Option("--words", "-w", metavar="FILE", help="Words, one a line; may be repeated.")
    ] = None,
    fonts: Annotated[
        list[Path] | None, typer.Option("--fonts", metavar="DIR", help="Fonts to draw with; default: the system's.")
    ] = None,
    backgrounds: Annotated[
        Path | None, typer.Option("--backgrounds", metavar="DIR", help="Photos to draw on; default: smooth colours.")
    ] = None,
    made_up: Annotated[
        float, typer.Option("--made-up", min=0.0, max=1.0, help="Share of numbers, prices, dates, codes and the like.")
    ] = 0.22,
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same pictures.")] = 0,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> int:
    """Draw pictures of words with their labels, and a sheet of the first ones to look at.

    Writes 000000.png … (160 by 48 pixels), labels.tsv (file, tab, text; as train, eval and match take it) and
    sheet.png into the folder.

    \b
    Examples:
      mmkit ocr render -o drawn
      mmkit ocr render -o drawn -n 5000 --words brands.txt --fonts fonts/ --backgrounds photos/
      mmkit ocr render -o check -n 500 --seed 7 && mmkit ocr eval --labels check/labels.tsv --root check
    """
    from PIL import Image

    from mmkit.cli.output import emit, emit_json
    from mmkit.cli.progress import Progress
    from mmkit_ocr.rendering.sheet import contact_sheet

    labels, sheet = output / "labels.tsv", output / "sheet.png"
    if labels.exists() and not overwrite:
        raise UsageError(
            "is there already", where=str(labels), mend="give --overwrite to replace it, or another folder"
        )
    drawn = _drawn(count, words or [], fonts, backgrounds, made_up, seed)
    first: list[tuple[np.ndarray, str]] = []
    rows: list[str] = []
    with Progress("drawing words", total=count) as progress:
        for picture, text in drawn:
            # The folder is made late, so that a wrong option leaves nothing behind.
            output.mkdir(parents=True, exist_ok=True)
            name = f"{len(rows):06d}.png"
            Image.fromarray(picture).save(output / name)
            rows.append(f"{name}\t{text}\n")
            if len(first) < 2 * _BATCH:
                first.append((picture, text))
            progress.advance()
    contact_sheet([picture for picture, _ in first], [text for _, text in first]).save(sheet)
    labels.write_text("".join(rows), encoding="utf-8")
    if json:
        emit_json({"labels": str(labels), "sheet": str(sheet), "n": len(rows)})
    else:
        emit(str(labels))
    return 0


def _drawn(
    count: int, words: list[Path], fonts: list[Path] | None, backgrounds: Path | None, made_up: float, seed: int
) -> Iterator[tuple[np.ndarray, str]]:
    """Pictures (48, 160, 3) uint8 and their texts, one by one."""
    import torch

    from mmkit_ocr.rendering.compose import compose
    from mmkit_ocr.rendering.fonts import load_fonts
    from mmkit_ocr.rendering.masks import WordMasks
    from mmkit_ocr.rendering.words import Words
    from mmkit_ocr.training.setup import background_photos, word_lists

    photos = torch.from_numpy(background_photos(backgrounds, most=500, seed=seed))
    source = WordMasks(Words(*word_lists(words), made_up=made_up), load_fonts(fonts), seed)
    generator = torch.Generator().manual_seed(seed)
    for start in range(0, count, _BATCH):
        masks, texts = source.draw(min(_BATCH, count - start))
        pictures = compose(torch.from_numpy(masks), photos, generator).mul(255).round().byte()
        yield from zip(pictures.permute(0, 2, 3, 1).numpy(), texts, strict=True)
