"""``mmkit translate``: texts, lines, tables and subtitles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmkit.cli.options import (
    ColumnOption,
    DeviceOption,
    FailuresOption,
    JsonOption,
    OfflineOption,
    OverwriteOption,
    StrictOption,
)
from mmkit_translate.cli.options import (
    BatchTokensOption,
    BeamOption,
    FromOption,
    Int8Option,
    LengthPenaltyOption,
    ModelOption,
    PrefixOption,
    ToOption,
)


def text(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT|FILE|-...",
            help="Texts, files of lines, .srt, a table with --column, or '-' for lines on stdin.",
            show_default=False,
        ),
    ],
    to: ToOption,
    source: FromOption = None,
    image: Annotated[
        Path | None, typer.Option("--image", metavar="FILE", help="A picture that shows what the texts say.")
    ] = None,
    images: Annotated[
        str | None, typer.Option("--images", metavar="COLUMN", help="The column of a table that names pictures.")
    ] = None,
    column: ColumnOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where the translation goes.")
    ] = None,
    n_best: Annotated[int, typer.Option("--n-best", min=1, help="Translations of each line; see --json.")] = 1,
    beam: BeamOption = 4,
    length_penalty: LengthPenaltyOption = 1.0,
    batch_tokens: BatchTokensOption = 4096,
    max_words: Annotated[
        int, typer.Option("--max-words", min=1, help="Longer lines are translated sentence by sentence.")
    ] = 40,
    prefix: PrefixOption = "text",
    model: ModelOption = "bundled",
    int8: Int8Option = False,
    json: JsonOption = False,
    overwrite: OverwriteOption = False,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    offline: OfflineOption = False,
    device: DeviceOption = None,
) -> int:
    """Translate lines to as many lines, in the same order; blank lines stay.

    A table comes back with a column COLUMN_TO, subtitles with their numbers and times as they were.

    \b
    Examples:
      mmkit translate "Ein Hund läuft durch den Schnee." --to en
      mmkit translate captions.txt --from en --to fr -o captions.fr.txt
      mmkit translate film.srt --to cs -o film.cs.srt
      mmkit translate photos.csv --column caption --images file --to de -o photos.de.csv
      cat lines.txt | mmkit translate - --to de --json --n-best 3
    """
    from mmkit.cli.options import chosen_settings
    from mmkit.cli.output import check_free, finish
    from mmkit.errors import UsageError
    from mmkit_translate.cli.writing import Job, pictures_of, run_lines, run_subtitles, run_table
    from mmkit_translate.opening import open_translator
    from mmkit_translate.text.sources import given
    from mmkit_translate.translating import Search, check_pair

    search = Search(beam, length_penalty, n_best, batch_tokens, prefix)
    what = given(inputs)
    if (what.kind == "table") != (column is not None):
        raise UsageError("goes with a table, and a table needs it", where="--column")
    if images is not None and what.kind != "table":
        raise UsageError("names a column of a table", where="--images", mend="give --image FILE for other texts")
    if json and output is not None and what.kind != "lines":
        raise UsageError("prints lines, and --output writes a file; give one of them", where="--json")
    if output is not None:
        check_free(output, overwrite=overwrite)
    translator = open_translator(model, settings=chosen_settings(device=device, offline=offline), int8=int8)
    check_pair(translator, source, to)
    picture = None if image is None else pictures_of(translator, image)
    job = Job(translator, to, source, search, max_words, output, json, picture)
    if what.kind == "table":
        failed = run_table(job, Path(what.name), column or "", images, strict=strict)
        return finish(failed, failures or Path("failures.jsonl"))
    if what.kind == "subtitles":
        run_subtitles(job, what.lines)
    else:
        run_lines(job, what.lines)
    return 0
