"""``mmkit translate pack``: a folder of aligned lines as one file of training data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmkit.cli.options import DeviceOption, EncoderOption, OverwriteOption


def pack(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="The folder; see below.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the data go.")],
    vocabulary: Annotated[
        Path | None,
        typer.Option("--vocabulary", metavar="JSON", help="Pieces to use; by default they are learnt and kept beside."),
    ] = None,
    pieces: Annotated[int, typer.Option("--pieces", min=300, max=32000, help="How many pieces to learn.")] = 8000,
    vectors: Annotated[
        Path | None, typer.Option("--vectors", metavar="FILE", help="Take the vectors of an earlier pack of DIR.")
    ] = None,
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    overwrite: OverwriteOption = False,
) -> int:
    """Cut aligned lines into pieces and give every meaning its vector, once and for all training runs.

    \b
    DIR holds:
      parallel/NAME.LANG      line n of every file of a NAME says the same; an empty line is a missing text
      captions/NAME.K.LANG    further captions of the pictures that parallel/NAME.LANG describe, on the same lines
      pictures/NAME.tsv       line number from 0, tab, a picture
      val/NAME.LANG           aligned lines for validation

    \b
    Example:
      mmkit translate pack corpus -o packed.safetensors
    """
    import mmkit
    from mmkit.cli.output import check_free, emit, note
    from mmkit.cli.progress import Progress
    from mmkit.generation.vocabulary import Vocabulary
    from mmkit_translate import LANGUAGES
    from mmkit_translate.model.weights import vocabulary_beside
    from mmkit_translate.training import packing
    from mmkit_translate.training.packed import Packed

    check_free(output, overwrite=overwrite)
    languages = tuple(LANGUAGES)
    corpus = packing.read_corpus(data, languages)
    note(f"{len(corpus.texts):,} texts of {len(corpus.english):,} meanings, {len(corpus.pictures):,} pictures")
    cut = Vocabulary.load(vocabulary) if vocabulary else packing.train_vocabulary(corpus, pieces, languages)
    if vectors is not None:
        packed = packing.repack(corpus, cut, Packed.load(vectors))
    else:
        with Progress("making vectors", total=len(corpus.english) + len(corpus.pictures)) as progress:
            packed = packing.pack(
                corpus, cut, mmkit.encoder(encoder or "mini", device=device), advance=progress.advance
            )
    packed.save(output)
    cut.save(vocabulary_beside(output))
    emit(str(output))
    return 0
